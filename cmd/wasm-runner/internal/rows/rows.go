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
	End() error // writes buffered rows; call it after the last row
}

// Formats returns the names of the formats.
func Formats() []string { return []string{"table", "line", "ndjson", "json", "csv"} }

// Layout says which columns a table for people shows.
type Layout struct {
	Named     bool   // the person named the columns: show all, cut to fit the terminal
	KeepEmpty bool   // show columns without a value
	Shrink    bool   // cut wide columns before leaving columns out
	Ranked    bool   // the first columns are the most useful: show as many of them as are readable
	More      string // tells the person how to see the columns that do not fit

	Room int                              // columns of the terminal; 0 is no limit
	Warn func(format string, args ...any) // receives how many columns do not fit
}

// New returns the writer of a format. The layout applies to the format table alone.
func New(format string, w *bufio.Writer, columns []abi.Column, l Layout) Writer {
	switch format {
	case "ndjson":
		return &jsonRows{w: w, names: jsonNames(columns)}
	case "json":
		return &jsonRows{w: w, names: jsonNames(columns), array: true}
	case "line":
		return &lineRows{w: w, columns: columns, room: l.Room}
	case "csv":
		c := csv.NewWriter(w)
		return &csvRows{w: c, columns: columns}
	}
	return &tableRows{w: w, columns: columns, Layout: l}
}

// jsonRows writes each row as an object on a line of its own, or as an element of one array.
type jsonRows struct {
	w     io.Writer
	names [][]byte
	array bool
	count int
	buf   []byte
}

// jsonNames returns the names of columns as keys of a JSON object.
func jsonNames(columns []abi.Column) [][]byte {
	keys := make([][]byte, len(columns))
	for i, name := range Unique(Names(columns)) {
		keys[i] = append(quotedName(name), ':')
	}
	return keys
}

// Unique renames duplicates, because most readers of JSON lose a value when a key is listed twice. As in DuckDB, the second
// id becomes id_1.
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

// quotedName returns a name as JSON. The names of a query may hold any character.
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

// JSON returns a value as JSON. It copies raw JSON unchanged.
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

// csvRows writes CSV (RFC 4180) with a header.
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

// Names returns the names of columns.
func Names(columns []abi.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}

// plainText returns a value as table and CSV show it. NULL is empty.
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
	// sampleRows is how many rows decide the widths of the columns. Later rows are printed as they come.
	sampleRows = 500
	// maxCell is the width at which a terminal's cell is cut, in columns. Elsewhere, longer cells are whole and move the rest of
	// their row.
	maxCell = 60
)

// tableRows writes a table for people. It leaves errors to Flush of w.
type tableRows struct {
	w       *bufio.Writer
	columns []abi.Column
	Layout

	sample [][]string // the first rows, until the widths are known
	shown  []int      // indexes of the columns to show
	widths []int      // widths of the shown columns; nil while sampling
}

func (r *tableRows) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = term.OneLine(joined(plainText(v)))
		if r.Room > 0 {
			cells[i] = runewidth.Truncate(cells[i], maxCell, "…")
		}
	}
	if r.widths != nil {
		r.print(cells)
		return nil
	}
	r.sample = append(r.sample, cells)
	if len(r.sample) == sampleRows {
		r.release()
	}
	return nil
}

// joined returns a text with a space for each line break and the indent after it.
func joined(text string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

// release decides which columns are shown and how wide, then prints the sample.
func (r *tableRows) release() {
	header := Names(r.columns)
	natural := make([]int, len(header))
	r.shown = nil
	for i := range header {
		empty := true
		natural[i] = runewidth.StringWidth(header[i])
		for _, row := range r.sample {
			natural[i] = max(natural[i], min(runewidth.StringWidth(row[i]), maxCell))
			empty = empty && row[i] == ""
		}
		if !empty || r.Named || r.KeepEmpty || len(r.sample) == 0 {
			r.shown = append(r.shown, i)
		}
	}
	r.widths = make([]int, len(r.shown))
	for i, column := range r.shown {
		r.widths[i] = natural[column]
	}
	left := r.fit()
	r.print(header)
	for _, row := range r.sample {
		r.print(row)
	}
	r.sample = nil
	if left > 0 {
		_ = r.w.Flush() // show the rows before the warning; the next Flush returns an error again
		columns := "columns do"
		if left == 1 {
			columns = "column does"
		}
		r.Warn("%d more %s not fit: %s", left, columns, r.More)
	}
}

// Minimum widths of columns that are cut so that all of them fit.
const (
	minColumn      = 12
	minNamedColumn = 5
)

// readable is the width from which on a cut column of a ranked table still says enough, in columns.
const readable = 20

// fit makes the widths fit the terminal. It returns how many columns it left out.
func (r *tableRows) fit() (left int) {
	if r.Room == 0 {
		return 0
	}
	least := minColumn
	if r.Named {
		least = minNamedColumn
	}
	if (r.Named || r.Shrink) && shrink(r.widths, r.Room, least) {
		return 0
	}
	if r.Ranked {
		return r.fitRanked()
	}
	n, room := 0, r.Room
	for ; n < len(r.widths) && r.widths[n] <= room; n++ {
		room -= r.widths[n] + len(term.Gap)
	}
	if n == 0 && len(r.widths) > 0 { // cut the first column rather than show none
		n, r.widths[0] = 1, r.Room
	}
	left = len(r.widths) - n
	r.shown, r.widths = r.shown[:n], r.widths[:n]
	return left
}

// fitRanked keeps the first columns that are readable together, at least one, and cuts them to fit. It returns how many
// columns it left out.
func (r *tableRows) fitRanked() (left int) {
	n, room := 0, r.Room
	for ; n < len(r.widths) && min(r.widths[n], readable) <= room; n++ {
		room -= min(r.widths[n], readable) + len(term.Gap)
	}
	n = min(max(n, 1), len(r.widths))
	left = len(r.widths) - n
	r.shown, r.widths = r.shown[:n], r.widths[:n]
	if n > 0 && !shrink(r.widths, r.Room, readable) { // a single column that is wider than the terminal
		r.widths[0] = r.Room
	}
	return left
}

// shrink cuts the widest columns until all fit into the room, but none below the least width. If that is impossible, it
// changes nothing and returns false.
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

// print writes the cells of the shown columns.
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
