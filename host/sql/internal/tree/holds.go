package tree

import (
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Value is the value of a column in one row: nil, a bool, an int64 (of a time its microseconds since 1970), a float64 or a []byte.
type Value any

// Holds reports whether a condition may hold for a row. It reports true where it cannot decide as DuckDB does.
func Holds(c *wire.Condition, value func(column string) (v Value, known bool)) bool {
	switch c.Op {
	case wire.OpAnd:
		for i := range c.Parts {
			if !Holds(&c.Parts[i], value) {
				return false
			}
		}
		return true
	case wire.OpOr:
		for i := range c.Parts {
			if Holds(&c.Parts[i], value) {
				return true
			}
		}
		return false
	}
	v, known := value(c.Column)
	switch {
	case !known:
		return true
	case v == nil:
		return false // no comparison with NULL is true
	}
	for _, wanted := range c.Values {
		if compares(c.Op, v, wanted) {
			return true
		}
	}
	return c.Op == wire.OpPresent
}

// compares reports whether a comparison may be true.
func compares(op wire.ConditionOp, v Value, wanted string) bool {
	switch v := v.(type) {
	case []byte:
		switch op {
		case wire.OpIn:
			return string(v) == wanted
		case wire.OpStarts:
			return strings.HasPrefix(string(v), wanted)
		}
	case bool:
		if op == wire.OpIn {
			return strconv.FormatBool(v) == wanted
		}
	case int64:
		at, err := time.Parse(time.RFC3339, wanted)
		if err != nil { // a number
			return op != wire.OpIn || strconv.FormatInt(v, 10) == wanted
		}
		switch bound := at.UnixMicro(); op {
		case wire.OpIn:
			return v == bound
		case wire.OpAtLeast:
			return v >= bound
		case wire.OpAtMost:
			return v <= bound
		}
	}
	return true
}
