package main

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
	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

func (a *app) tableCommand() *cobra.Command {
	var format string
	var opts host.TableOptions
	formats := []string{"table", "ndjson", "json", "csv"}
	cmd := &cobra.Command{
		Use:   "table OP [JSON | @file | -]",
		Short: "Read an operation as rows of typed columns",
		Long: `Reads an operation as rows. NULL is empty in a table and in CSV, and null in JSON.

The table format is for eyes: it cuts cells that are wider than 60 (…) and, unless --columns names them, leaves out
JSON columns, columns without a value, and on a terminal those that do not fit. The other formats are whole.`,
		Example: `  wasm-runner --demo table list_users --columns login,status,last_login --limit 10
  wasm-runner table list_users '{"status":"LOCKED_OUT"}' --format csv > locked.csv
  wasm-runner table bounded_system_log_range @range.json --format ndjson | jq .event_type`,
		ValidArgsFunction: a.completeOperation(abi.SQL),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := operation(2)(cmd, args); err != nil {
				return err
			}
			if opts.Limit < 0 {
				return usagef("--limit: %d is negative", opts.Limit)
			}
			return oneOf("format", format, formats)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, ndjson, json or csv")
	cmd.Flags().StringSliceVar(&opts.Columns, "columns", nil, "columns `a,b` in this order (default all)")
	cmd.Flags().IntVar(&opts.Limit, "limit", 0, "most rows; 0 is all that there are")
	fixed(cmd, "format", formats)
	register(cmd, "columns", a.completeColumns)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		input, err := a.readJSON(optional(args, 1))
		if err != nil {
			return err
		}
		s, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer s.close()
		s.steady()
		chosen := opts.Columns != nil
		if format == "table" && !chosen {
			if op, err := s.module.Operation(args[0]); err == nil {
				opts.Columns = plainColumns(op.Columns)
			}
		}
		rows, err := s.conn.Table(cmd.Context(), args[0], input, opts)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(a.stdout)
		w := a.newRowWriter(format, out, rows.Columns(), chosen)
		for row, err := range rows.All() {
			if err != nil {
				_ = w.end() // the rows so far; the first error counts
				_ = out.Flush()
				return err
			}
			if err := w.row(row.Values); err != nil {
				return err
			}
		}
		if err := w.end(); err != nil {
			return err
		}
		return out.Flush()
	}
	return cmd
}

// plainColumns are the columns that fit into a table for eyes: all but JSON.
func plainColumns(columns []abi.Column) []string {
	var names []string
	for _, c := range columns {
		if c.Type != abi.JSON {
			names = append(names, c.Name)
		}
	}
	return names
}

// completeColumns completes the last of a list of columns.
func (a *app) completeColumns(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	m, err := a.loadModule(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = m.Close(cmd.Context()) }()
	op, err := m.Operation(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
	var lists []cobra.Completion
	for _, c := range op.Columns {
		lists = append(lists, before+c.Name)
	}
	return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// rowWriter writes rows in one format.
type rowWriter interface {
	row(values []any) error
	end() error
}

// newRowWriter makes the writer of a format; chosen says that the columns were named one by one.
func (a *app) newRowWriter(format string, w *bufio.Writer, columns []abi.Column, chosen bool) rowWriter {
	switch format {
	case "ndjson":
		return &jsonRows{w: w, names: jsonNames(columns)}
	case "json":
		return &jsonRows{w: w, names: jsonNames(columns), array: true}
	case "csv":
		c := csv.NewWriter(w)
		return &csvRows{w: c, columns: columns}
	}
	t := &tableRows{w: w, columns: columns, chosen: chosen, say: a.say}
	if !chosen {
		t.room, _ = terminal(a.stdout)
	}
	return t
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
	names := make([][]byte, len(columns))
	for i, c := range columns {
		names[i] = append(strconv.AppendQuote(nil, c.Name), ':') // a name is lower-case letters, digits and _
	}
	return names
}

func (r *jsonRows) row(values []any) error {
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
		text, err := jsonValue(v)
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

func (r *jsonRows) end() error {
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

// jsonValue is a value as JSON; JSON in it stays as it is.
func jsonValue(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return raw, nil
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
	return r.w.Write(names(r.columns))
}

func (r *csvRows) row(values []any) error {
	if err := r.header(); err != nil {
		return err
	}
	r.cells = r.cells[:0]
	for _, v := range values {
		r.cells = append(r.cells, plainText(v))
	}
	return r.w.Write(r.cells)
}

func (r *csvRows) end() error {
	if err := r.header(); err != nil {
		return err
	}
	r.w.Flush()
	return r.w.Error()
}

func names(columns []abi.Column) []string {
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
		return v.Format(time.RFC3339Nano)
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
	chosen  bool // the columns were named, so that all are shown
	room    int  // columns of the terminal; 0 is no limit
	say     func(format string, args ...any)

	held   [][]string
	shown  []int // indexes of the columns that are shown, once that is settled
	widths []int
}

func (r *tableRows) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = runewidth.Truncate(oneLine(plainText(v)), widest, "…")
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
	header := names(r.columns)
	room, left := r.room, 0
	r.widths = []int{}
	for i := range header {
		header[i] = strings.ToUpper(header[i])
		width, empty := runewidth.StringWidth(header[i]), true
		for _, row := range r.held {
			width = max(width, runewidth.StringWidth(row[i]))
			empty = empty && row[i] == ""
		}
		switch {
		case empty && !r.chosen && len(r.held) > 0:
		case r.room > 0 && width > room:
			room, left = 0, left+1
		default:
			r.shown, r.widths = append(r.shown, i), append(r.widths, width)
			room -= width + len(gap)
		}
	}
	r.print(header)
	for _, row := range r.held {
		r.print(row)
	}
	r.held = nil
	if left > 0 {
		_ = r.w.Flush() // first what is there; an error comes again
		r.say("%d more columns do not fit: name those you want with --columns, or take --format csv", left)
	}
}

// print prints the cells of the columns that are shown.
func (r *tableRows) print(row []string) {
	cells := make([]string, len(r.shown))
	for i, column := range r.shown {
		cells[i] = row[column]
	}
	writeRow(r.w, "", r.widths, cells)
}

func (r *tableRows) end() error {
	if r.widths == nil {
		r.release()
	}
	return nil
}
