package records

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/mach5/okta-connector/abi"
	"github.com/tidwall/gjson"
)

// Cell is the JSON that a record has for a column; nil if it has none. Its methods convert it to the column's type. They
// return false for null and for values that do not fit.
type Cell []byte

// Value returns a cell in the type of its column, or nil if it does not fit. parse parses times.
func (c Cell) Value(t abi.ColumnType, parse func(Cell) (time.Time, bool)) any {
	var v any
	var ok bool
	switch t {
	case abi.Varchar:
		var text string
		text, ok = c.Text()
		v = strings.Clone(text)
	case abi.Boolean:
		v, ok = c.Boolean()
	case abi.BigInt:
		v, ok = c.BigInt()
	case abi.Double:
		v, ok = c.Double()
	case abi.TimestampTZ:
		v, ok = parse(c)
	case abi.JSON:
		v, ok = json.RawMessage(bytes.Clone(c)), !c.Null()
	}
	if !ok {
		return nil
	}
	return v
}

// Null reports whether the cell is missing or null.
func (c Cell) Null() bool { return len(c) == 0 || c[0] == 'n' }

// Text returns the cell as VARCHAR: a string, or the JSON of a number or boolean. It may be a view into the record.
func (c Cell) Text() (text string, ok bool) {
	switch {
	case c.Null() || c[0] == '{' || c[0] == '[':
		return "", false
	case c[0] != '"':
		return unsafe.String(&c[0], len(c)), true
	case bytes.IndexByte(c, '\\') >= 0:
		return gjson.ParseBytes(c).Str, true
	case len(c) == 2:
		return "", true
	}
	return unsafe.String(&c[1], len(c)-2), true
}

// Boolean returns the cell as BOOLEAN.
func (c Cell) Boolean() (v, ok bool) {
	if len(c) == 0 {
		return false, false
	}
	return c[0] == 't', c[0] == 't' || c[0] == 'f'
}

// BigInt returns the cell as BIGINT.
func (c Cell) BigInt() (int64, bool) {
	n, err := strconv.ParseInt(string(c), 10, 64)
	return n, err == nil
}

// Double returns the cell as DOUBLE. A number outside its range does not fit.
func (c Cell) Double() (float64, bool) {
	if c.Null() || c[0] != '-' && (c[0] < '0' || c[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(c), 64)
	return f, err == nil
}

// FormatTime formats a time as RFC 3339 in UTC with three fractional digits, so that texts sort like times. Times with a
// finer resolution, which queries may compute, have six or nine.
func FormatTime(t time.Time) string {
	t = t.UTC()
	switch ns := t.Nanosecond(); {
	case ns%1_000_000 == 0:
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	case ns%1_000 == 0:
		return t.Format("2006-01-02T15:04:05.000000Z07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000000Z07:00")
}
