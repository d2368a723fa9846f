package host

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/walk"
	"github.com/mach5/okta-connector/host/internal/warn"
	"github.com/mach5/okta-connector/host/records"
)

// Rows are the rows of one operation. Pages are fetched as needed. Read them once, with All or Next. They are not
// safe for concurrent use.
type Rows struct {
	conn     *Connection
	ctx      context.Context
	op       *operation
	input    json.RawMessage
	columns  []abi.Column
	cells    *records.Columns
	left     int // rows still wanted; negative means all
	walk     walk.Walk
	page     *Page // the last page, whose records the caller has
	records  []json.RawMessage
	seen     records.RecentKeys
	repeats  int
	requests int
	warnings warn.Once
}

// Row is one row.
type Row struct {
	// Values has one value for each of Rows.Columns: nil for NULL, else a string, bool, int64, float64, time.Time or
	// json.RawMessage, according to the column's type. A value that does not fit its column is nil; Record still has
	// it.
	Values []any
	Record json.RawMessage // the whole record; valid until the next iteration
}

// Table reads an operation as rows. It sends requests only as rows are asked for, and none after the last row that is
// needed. The error is an OutcomeError.
func (c *Connection) Table(ctx context.Context, operation string, input json.RawMessage, opts TableOptions) (*Rows, error) {
	run, fail := c.permit(operation, abi.SQL, &input)
	if fail != nil {
		return nil, OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	rows := &Rows{conn: c, ctx: ctx, op: run.op, input: input, left: opts.Limit}
	if n := int(gjson.GetBytes(input, "limit").Int()); n > 0 && (opts.Limit == 0 || n < opts.Limit) {
		rows.left = n // the input's own; its default is for invoke, which holds the whole list
	}
	if rows.left <= 0 {
		rows.left = -1
	}
	if rows.warnings.Warn = opts.Warn; rows.warnings.Warn == nil {
		rows.warnings.Warn = func(warning string) { run.logWarnings([]string{warning}) }
	}
	rows.columns = run.op.Columns
	if opts.Columns != nil {
		rows.columns = nil
		for _, name := range opts.Columns {
			col, err := run.op.Column(name)
			if err != nil {
				return nil, OutcomeError{run.op.Name, abi.Invalid, &abi.Error{Code: "column", Message: err.Error()}}
			}
			rows.columns = append(rows.columns, col)
		}
	}
	rows.cells, rows.seen.Memory = records.NewColumns(rows.columns), budget.For(c.module.memory, rows)
	return rows, nil
}

// Columns returns the columns of each row.
func (r *Rows) Columns() []abi.Column { return r.columns }

// Next returns the records of the next page, each without line breaks. No records and no error mean the end. The
// records are valid until the next call. Next omits a record whose key an earlier page had. It remembers the keys of at
// least the last records.RememberedKeys records. The error is an OutcomeError and ends the rows.
func (r *Rows) Next() ([]json.RawMessage, error) {
	r.records = r.records[:0]
	for len(r.records) == 0 && !r.walk.Ended {
		r.release()
		page, next, err := r.conn.tablePage(r.ctx, r.op, r.input, r.walk.Cursor, max(r.left, 0))
		if err != nil {
			r.walk.Ended = true
			return nil, err
		}
		r.page = page
		r.requests += page.call.sends
		for _, w := range page.Warnings {
			r.warnings.Pass(w)
		}
		if r.walk.Cursor != "" || next != "" { // several pages
			if err := r.seen.Reserve(page.Len()); err != nil {
				r.walk.Ended = true
				return nil, OutcomeError{r.op.Name, abi.Unavailable, &abi.Error{Code: "memory", Message: err.Error(), Retryable: true}}
			}
			r.repeats += page.Drop(r.seen.Before)
		}
		for rec := range page.Records() {
			r.records = append(r.records, rec.JSON)
		}
		if err := r.walk.To(next, page.Len(), page.call.sends); err != nil {
			return nil, OutcomeError{r.op.Name, abi.Failed, err}
		}
		if r.left >= 0 {
			r.left = max(r.left-len(r.records), 0)
			r.walk.Ended = r.walk.Ended || r.left == 0
		}
	}
	if len(r.records) == 0 {
		r.Close()
	}
	return r.records, nil
}

// Ended reports whether all pages were read.
func (r *Rows) Ended() bool { return r.walk.Ended }

// Requests returns how many requests were made for the pages that Next returned.
func (r *Rows) Requests() int { return r.requests }

// Close releases the last page; its records are not valid afterwards. It may be called at any time and more than
// once. Rows that are not closed cost only memory, until they are collected.
func (r *Rows) Close() {
	r.release()
	r.seen.Forget()
	if r.repeats > 0 {
		r.warnings.Pass(warn.Repeated(r.repeats))
		r.repeats = 0
	}
}

func (r *Rows) release() {
	if r.page != nil {
		r.page.release()
		r.page = nil
	}
}

// All iterates over the rows. It ends after the first error, which is an OutcomeError.
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

// tablePage calls the table export once.
func (c *Connection) tablePage(ctx context.Context, op *operation, input json.RawMessage, cursor string, limit int) (*Page, string, error) {
	ctx, cancel := c.deadline(ctx, 0)
	defer cancel()
	run, fail := c.prepare(ctx, op.Name, abi.SQL, &input)
	if fail != nil {
		return nil, "", OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	deadline, _ := ctx.Deadline()
	raw, err := c.export(ctx, run, "table", abi.TableInput{Operation: op.Name, Input: input, Settings: c.settings(), Features: abi.Features(), Cursor: cursor,
		Limit: limit, Deadline: wireTime(deadline), Now: wireTime(c.opts.Now())})
	var out abi.TableOutput
	outcome, detail := abi.Succeeded, (*abi.Error)(nil)
	switch {
	case err != nil:
		outcome, detail = run.failure(ctx, err)
	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || out.Outcome == abi.Planned || !out.Outcome.OK() && out.Error == nil:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module returned something that is not a page of the ABI"}
	case run.violation != nil:
		outcome, detail = abi.Failed, run.violation
	case !out.Outcome.OK():
		outcome, detail = out.Outcome, out.Error
	case out.Cursor != "" && out.Cursor == cursor:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module returned the same cursor again"}
	}
	warnings := run.warnings(out.Warnings)
	if detail != nil {
		run.logWarnings(warnings)
		run.end()
		return nil, "", OutcomeError{op.Name, outcome, detail}
	}
	page := newPage(run, warnings)
	page.Report = out.Report
	return page, out.Cursor, nil
}

func (r *Rows) row(record json.RawMessage) Row {
	row := Row{Values: make([]any, len(r.columns)), Record: record}
	for i, cell := range r.Cells(record) {
		row.Values[i] = records.Cell(cell).Value(r.columns[i].Type, r.Time)
	}
	return row
}

// Cells returns what a record has in each of Columns. The cells are views into the record, and the slice is valid
// until the next call.
func (r *Rows) Cells(record json.RawMessage) [][]byte { return r.cells.Find(record) }

// Time returns a cell as TIMESTAMPTZ, in UTC. It accepts RFC 3339 and the layouts that the manifest declares.
func (r *Rows) Time(c records.Cell) (time.Time, bool) {
	if c.Null() || c[0] != '"' {
		return time.Time{}, false
	}
	text, _ := c.Text()
	return r.conn.module.ParseTime(text)
}

// ProcessMemory returns the limit that the module was loaded with.
func (m *Module) ProcessMemory() *ProcessMemory { return m.memory }

// ParseTime parses a time of the module's service and returns it in UTC. It accepts RFC 3339 and the layouts of the
// manifest.
func (m *Module) ParseTime(text string) (t time.Time, ok bool) { return m.manifest.ParseTime(text) }
