package host

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/records"
)

// Rows are the rows of one operation, fetched page by page as they are asked for. They are read once: by All, or by
// Next. They are not safe for concurrent use.
type Rows struct {
	conn    *Connection
	ctx     context.Context
	op      *operation
	input   json.RawMessage
	columns []abi.Column
	limited bool
	left    int // rows still wanted, where limited
	cursor  string
	ended   bool
	page    *Page // the last one, whose records the caller has
	records []json.RawMessage
}

// Row is one row.
type Row struct {
	// Values are by Rows.Columns: nil for NULL, else string, bool, int64, float64, time.Time or json.RawMessage, as the
	// column's type says. What does not fit its column is nil, and still in Record.
	Values []any
	Record json.RawMessage // the whole record; valid until the iteration goes on
}

// Table reads an operation as rows. Nothing is requested before the rows are asked for, and no page after the last row
// that is taken. The error is an OutcomeError.
func (c *Connection) Table(ctx context.Context, operation string, input json.RawMessage, opts TableOptions) (*Rows, error) {
	run, fail := c.begin(operation, abi.SQL, &input)
	if fail != nil {
		return nil, OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	rows := &Rows{conn: c, ctx: ctx, op: run.op, input: input, columns: run.op.Columns, left: opts.Limit}
	if n := int(gjson.GetBytes(input, "limit").Int()); n > 0 && (opts.Limit == 0 || n < opts.Limit) {
		rows.left = n // the input's own; its default is for invoke, which holds all that it lists
	}
	rows.limited = rows.left > 0
	if opts.Columns != nil {
		rows.columns = nil
		for _, name := range opts.Columns {
			col, err := run.op.column(name)
			if err != nil {
				return nil, OutcomeError{run.op.Name, abi.Invalid, &abi.Error{Code: "column", Message: err.Error()}}
			}
			rows.columns = append(rows.columns, col)
		}
	}
	return rows, nil
}

func (op *operation) column(name string) (abi.Column, error) {
	var names []string
	for _, c := range op.Columns {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	hint := "wasm-runner describe " + op.Name + " lists them"
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return abi.Column{}, fmt.Errorf("%s has no column %q: %s", op.Name, shorten(name), hint)
}

// Columns are the columns of each row.
func (r *Rows) Columns() []abi.Column { return r.columns }

// Next reads the next page and returns its records, each on one line; no records and no error is the end. They are
// valid until the next call. The error is an OutcomeError, and ends the rows.
func (r *Rows) Next() ([]json.RawMessage, error) {
	r.records = r.records[:0]
	for len(r.records) == 0 && !r.ended {
		r.Close()
		page, next, err := r.conn.tablePage(r.ctx, r.op, r.input, r.cursor, r.left)
		if err != nil {
			r.ended = true
			return nil, err
		}
		r.page, r.cursor, r.ended = page, next, next == ""
		for rec := range page.Records() {
			r.records = append(r.records, rec.JSON)
		}
		if r.limited {
			r.left -= len(r.records)
			r.ended = r.ended || r.left <= 0
		}
	}
	if len(r.records) == 0 {
		r.Close()
	}
	return r.records, nil
}

// Close gives back what the last page holds; its records are not valid afterwards. It may be called at any time, and
// more than once. Rows that are not closed cost memory until they are collected, and nothing else.
func (r *Rows) Close() {
	if r.page != nil {
		r.page.release()
		r.page = nil
	}
}

// All walks the rows. The iteration ends after the first error, which is an OutcomeError.
func (r *Rows) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		defer r.Close()
		for {
			page, err := r.Next()
			if err != nil {
				yield(Row{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, record := range page {
				if !yield(r.row(record), nil) {
					return
				}
			}
		}
	}
}

// tablePage runs the table export once.
func (c *Connection) tablePage(ctx context.Context, op *operation, input json.RawMessage, cursor string, limit int) (*Page, string, error) {
	run, fail := c.begin(op.Name, abi.SQL, &input)
	if fail != nil {
		return nil, "", OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	ctx, cancel := c.deadline(ctx, 0)
	defer cancel()
	deadline, _ := ctx.Deadline()
	raw, err := c.export(ctx, run, "table", abi.TableInput{Operation: op.Name, Input: input, Settings: c.settings(), Cursor: cursor,
		Limit: limit, Deadline: wire(deadline), Now: wire(c.opts.Now())})
	var out abi.TableOutput
	outcome, detail := abi.Succeeded, (*abi.Error)(nil)
	switch {
	case err != nil:
		outcome, detail = run.broken(ctx, err)
	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || !out.Outcome.OK() && out.Error == nil:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module's answer is not a page of the ABI"}
	case run.violation != nil:
		outcome, detail = abi.Failed, run.violation
	case !out.Outcome.OK():
		outcome, detail = out.Outcome, out.Error
	case out.Cursor != "" && out.Cursor == cursor:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module's cursor does not go on"}
	}
	if detail != nil {
		run.end()
		return nil, "", OutcomeError{op.Name, outcome, detail}
	}
	return &Page{call: run, pieces: run.pieces, count: run.records, size: run.bytes}, out.Cursor, nil
}

func (r *Rows) row(record json.RawMessage) Row {
	row := Row{Values: make([]any, len(r.columns)), Record: record}
	for i, col := range r.columns {
		row.Values[i] = Value(record, col)
	}
	return row
}

// Value reads a column out of a record: nil for NULL and for what does not fit the column's type, else a value of that
// type as in Row.Values. JSON is a view into the record. The record must be one that this package gave out.
func Value(record []byte, col abi.Column) any {
	if col.Path == "" {
		return json.RawMessage(record)
	}
	v := records.Get(record, col.Path)
	if !v.Exists() || v.Type == gjson.Null {
		return nil
	}
	switch col.Type {
	case abi.Varchar:
		if v.IsObject() || v.IsArray() {
			return nil
		}
		return v.String()
	case abi.Boolean:
		if v.IsBool() {
			return v.Bool()
		}
	case abi.BigInt:
		if n, err := strconv.ParseInt(v.Raw, 10, 64); err == nil {
			return n
		}
	case abi.Double:
		if v.Type == gjson.Number {
			return v.Num
		}
	case abi.TimestampTZ:
		if t, ok := timestamp(v); ok {
			return t
		}
	case abi.JSON:
		return json.RawMessage(v.Raw)
	}
	return nil
}

// timestamp reads the forms of time that Okta writes: RFC 3339, and in a few places a space for the T and no zone.
func timestamp(v gjson.Result) (time.Time, bool) {
	if v.Type != gjson.String {
		return time.Time{}, false
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, v.Str); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
