// Package rows writes rows of typed columns in the formats that commands offer.
package rows

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/records"
)

// Writer writes rows in one format.
type Writer interface {
	Row(values []any) error
	End() error
}

// Formats are the formats of rows.
func Formats() []string { return []string{"table", "ndjson", "json", "csv"} }

// Layout says what a table for eyes leaves out, and how to get it.
type Layout struct {
	Named     bool   // the columns were named one by one: all are shown, and cut where that makes them fit
	KeepEmpty bool   // columns without a value stay
	Shrink    bool   // wide columns are cut before columns are left out
	More      string // how to see the columns that do not fit

	Room int                              // columns of the terminal; 0 is no limit
	Warn func(format string, args ...any) // says what does not fit
}

// New returns the writer of a format. The layout applies to the format table alone.
func New(format string, w *bufio.Writer, columns []abi.Column, l Layout) Writer {
	switch format {
	case "ndjson":
		return &jsonRows{w: w, names: jsonNames(columns)}
	case "json":
		return &jsonRows{w: w, names: jsonNames(columns), array: true}
	case "csv":
		c := csv.NewWriter(w)
		return &csvRows{w: c, columns: columns}
	}
	return &tableRows{w: w, columns: columns, Layout: l}
}

// jsonRows writes each row as an object, on its own line; as the elements of one array, if wanted.
type jsonRows struct {
	w     io.Writer
	names [][]byte
	array bool
	count int
	buf   []byte
}

// jsonNames are the names of columns as the keys of a JSON object.
func jsonNames(columns []abi.Column) [][]byte {
	keys := make([][]byte, len(columns))
	for i, name := range Unique(Names(columns)) {
		keys[i] = append(quotedName(name), ':')
	}
	return keys
}

// Unique names names apart: an object with the same key twice loses a value in most readers. As in DuckDB, the second id is
// id_1.
func Unique(names []string) []string {
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	all, seen := make([]string, len(names)), map[string]bool{}
	for i, name := range names {
		all[i] = name
		for n := 1; seen[name] && taken[all[i]]; n++ {
			all[i] = name + "_" + strconv.Itoa(n)
		}
		seen[name], taken[all[i]] = true, true
	}
	return all
}

// quotedName is a name as JSON. One of a query may be anything.
func quotedName(s string) []byte {
	text, err := JSON(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return text
}

func (r *jsonRows) Row(values []any) error {
	b := r.buf[:0]
	if r.array {
		b = append(b, "[,"[min(r.count, 1)], '\n')
	}
	r.count++
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.names[i]...)
		text, err := JSON(v)
		if err != nil {
			return err
		}
		b = append(b, text...)
	}
	b = append(b, '}')
	if !r.array {
		b = append(b, '\n')
	}
	r.buf = b
	_, err := r.w.Write(b)
	return err
}

func (r *jsonRows) End() error {
	if !r.array {
		return nil
	}
	text := "\n]\n"
	if r.count == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(r.w, text)
	return err
}

// JSON is a value as JSON; JSON in it stays as it is.
func JSON(v any) ([]byte, error) {
	switch value := v.(type) {
	case json.RawMessage:
		return value, nil
	case time.Time:
		v = records.FormatTime(value)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// csvRows writes RFC 4180 with a header.
type csvRows struct {
	w       *csv.Writer
	columns []abi.Column
	begun   bool
	cells   []string
}

func (r *csvRows) header() error {
	if r.begun {
		return nil
	}
	r.begun = true
	return r.w.Write(Names(r.columns))
}

func (r *csvRows) Row(values []any) error {
	if err := r.header(); err != nil {
		return err
	}
	r.cells = r.cells[:0]
	for _, v := range values {
		r.cells = append(r.cells, plainText(v))
	}
	return r.w.Write(r.cells)
}

func (r *csvRows) End() error {
	if err := r.header(); err != nil {
		return err
	}
	r.w.Flush()
	return r.w.Error()
}

func Names(columns []abi.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}

// plainText is a value as it stands in a table or in CSV. NULL is empty.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return records.FormatTime(v)
	case json.RawMessage:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

const (
	// sample is how many rows are looked at for the widths of the columns; those behind are printed as they come.
	sample = 500
	// widest is the width at which a cell is cut.
	widest = 60
)

// tableRows writes a table for eyes. Errors of w are w's to keep.
type tableRows struct {
	w       *bufio.Writer
	columns []abi.Column
	Layout

	held   [][]string
	shown  []int // indexes of the columns that are shown, once that is settled
	widths []int
}

func (r *tableRows) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = runewidth.Truncate(term.OneLine(plainText(v)), widest, "…")
	}
	if r.widths != nil {
		r.print(cells)
		return nil
	}
	r.held = append(r.held, cells)
	if len(r.held) == sample {
		r.release()
	}
	return nil
}

// release settles which columns are shown and how wide, and prints what was held back.
func (r *tableRows) release() {
	header := Names(r.columns)
	natural := make([]int, len(header))
	r.shown = nil
	for i := range header {
		header[i] = strings.ToUpper(header[i])
		empty := true
		natural[i] = runewidth.StringWidth(header[i])
		for _, row := range r.held {
			natural[i] = max(natural[i], runewidth.StringWidth(row[i]))
			empty = empty && row[i] == ""
		}
		if !empty || r.Named || r.KeepEmpty || len(r.held) == 0 {
			r.shown = append(r.shown, i)
		}
	}
	r.widths = make([]int, len(r.shown))
	for i, column := range r.shown {
		r.widths[i] = natural[column]
	}
	left := r.fit()
	r.print(header)
	for _, row := range r.held {
		r.print(row)
	}
	r.held = nil
	if left > 0 {
		_ = r.w.Flush() // first what is there; an error comes again
		columns := "columns do"
		if left == 1 {
			columns = "column does"
		}
		r.Warn("%d more %s not fit: %s", left, columns, r.More)
	}
}

// Least widths to which columns are cut, so that all of them fit.
const (
	readable = 12
	cramped  = 5 // for columns that were asked for by name
)

// fit makes the widths fit the terminal, and returns how many columns it had to leave out.
func (r *tableRows) fit() (left int) {
	if r.Room == 0 {
		return 0
	}
	least := readable
	if r.Named {
		least = cramped
	}
	if (r.Named || r.Shrink) && shrink(r.widths, r.Room, least) {
		return 0
	}
	n, room := 0, r.Room
	for ; n < len(r.widths) && r.widths[n] <= room; n++ {
		room -= r.widths[n] + len(term.Gap)
	}
	if n == 0 && len(r.widths) > 0 { // one that is cut is better than none
		n, r.widths[0] = 1, r.Room
	}
	left = len(r.widths) - n
	r.shown, r.widths = r.shown[:n], r.widths[:n]
	return left
}

// shrink cuts the widest columns until all fit into the room, none below the least width. It reports whether that can
// be done; if not, the widths stay.
func shrink(widths []int, room, least int) bool {
	fits := func(most int) bool {
		sum := len(term.Gap) * (len(widths) - 1)
		for _, w := range widths {
			sum += min(w, most)
		}
		return sum <= room
	}
	most := room
	for most > least && !fits(most) {
		most--
	}
	if !fits(most) {
		return false
	}
	for i := range widths {
		widths[i] = min(widths[i], most)
	}
	return true
}

// print prints the cells of the columns that are shown.
func (r *tableRows) print(row []string) {
	cells := make([]string, len(r.shown))
	for i, column := range r.shown {
		cells[i] = row[column]
		if r.Room > 0 {
			cells[i] = runewidth.Truncate(cells[i], r.widths[i], "…")
		}
	}
	term.WriteRow(r.w, "", r.widths, cells)
}

func (r *tableRows) End() error {
	if r.widths == nil {
		r.release()
	}
	return nil
}
