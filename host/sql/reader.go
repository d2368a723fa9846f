//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/host/sql/internal/pushdown"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
	"github.com/mach5/okta-connector/internal/when"
)

// reader reads connections for the statement that is running. It is a wire.Source.
type reader struct {
	configs []host.Config // config of every connection, including those that are left out
	byName  map[string]*host.Connection
	leftOut []LeftOut
	// ambiguous has the names of views that several connections have, in lower case, each with what to write instead.
	ambiguous map[string]string
	log       *slog.Logger
	running   atomic.Pointer[query]
}

// find returns the connection that a query names.
func (r *reader) find(nameOrKind string) (*host.Connection, error) {
	config, err := connections.Find(r.configs, nameOrKind)
	if err != nil {
		return nil, err
	}
	for _, l := range r.leftOut {
		if l.Config.Name == config.Name {
			return nil, l.Reason
		}
	}
	return r.byName[config.Name], nil
}

// query calls f with the statement that is running. A panic of f becomes an error of the statement, like any other error.
func (r *reader) query(f func(q *query) error) error {
	q := r.running.Load()
	if q == nil {
		return errors.New("no statement is running")
	}
	err := wire.Guarded(func(p any, stack []byte) {
		r.log.Error("a panic while a statement read a connection", "panic", p, "stack", string(stack))
	}, func() error { return f(q) })
	switch over := context.Cause(q.ctx); {
	case err == nil:
		return nil
	case over == nil:
		return q.fail(err)
	case errors.Is(over, errLimit):
		return q.fail(over)
	default: // connector_try forgives errors, and a statement that is stopped must end
		return q.fail(fmt.Errorf("%w: %w", errLimit, over))
	}
}

// Bind implements wire.Source.
func (r *reader) Bind(_ context.Context, call wire.Call) (table wire.TableMessage, err error) {
	err = r.query(func(q *query) error {
		if call.Connection == wire.Ambiguous && q.preparing { // DuckDB also binds the view when it creates it
			table.Columns = []wire.Column{{Name: "ambiguous", Type: abi.Varchar}}
			return nil
		}
		op, err := r.operation(q, call)
		if err != nil {
			return err
		}
		table.Single = op.Single
		if view := dependent(r.manifest(call), call); view != nil {
			table.Many, table.Columns = true, []wire.Column{{Name: view.Of.As, Type: abi.Varchar}}
		}
		for _, c := range op.Columns {
			table.Columns = append(table.Columns, wire.Column{Name: c.Name, Type: c.Type})
		}
		if call.Column() != "" {
			table.Columns = append(table.Columns, wire.Column{Name: call.Column(), Type: abi.Varchar})
		}
		return nil
	})
	return table, err
}

// operation returns the operation of a call. It checks everything that needs no request.
func (r *reader) operation(q *query, call wire.Call) (*abi.Operation, error) {
	if message := r.ambiguous[call.Operation]; call.Connection == wire.Ambiguous && message != "" {
		return nil, errors.New(message)
	}
	c, err := r.find(call.Connection)
	if err != nil {
		return nil, err
	}
	if dependent(c.Module().Manifest(), call) == nil {
		input, err := inputOf(c, call)
		if err != nil {
			return nil, err
		}
		if _, err := c.Table(q.ctx, call.Operation, input, host.TableOptions{}); err != nil {
			return nil, err
		}
	}
	return c.Module().Operation(call.Operation)
}

// inputOf returns the input of a call. Times that people write, such as -24h, become RFC 3339.
func inputOf(c *host.Connection, call wire.Call) (json.RawMessage, error) {
	input := pushdown.Whole(call)
	op, err := c.Module().Operation(call.Operation)
	if err != nil || len(input) > host.MaxInput || !json.Valid(input) {
		return input, nil //nolint:nilerr // Table says what is wrong
	}
	if input, err = when.InInput(op.InputSchema, input, time.Now()); err != nil {
		return nil, fmt.Errorf("%s: %w", op.Name, err)
	}
	return input, nil
}

// Open implements wire.Source.
func (r *reader) Open(_ context.Context, call wire.Call, columns []int, pushed *wire.Pushed) (rows wire.RowSource, err error) {
	err = r.query(func(q *query) error {
		c, err := r.find(call.Connection)
		if err != nil {
			return err
		}
		op, err := c.Module().Operation(call.Operation)
		if err != nil {
			return err
		}
		if view := dependent(c.Module().Manifest(), call); view != nil {
			rows, err = r.openEach(q, c, view, op, columns, pushed)
			return err
		}
		names, given, err := namesOf(op, call, columns)
		if err != nil {
			return err
		}
		input, err := inputOf(c, call)
		if err != nil {
			return err
		}
		t := &tableRows{reader: r, query: q, conn: c, columns: names, key: op.Key, given: given, calls: []pushdown.Call{{Operation: call.Operation, Input: input}}}
		values, err := givenValues(call, pushed)
		if err != nil && given != nil {
			return err
		}
		if values != nil {
			t.calls = givenCalls(call, values)
		} else if view := viewOf(c.Module().Manifest(), call, pushed); view != nil {
			plan := pushdown.Of(view, c.Module().Manifest(), call, *pushed, time.Now())
			if pushed.Order != "" && !plan.Ordered {
				return fmt.Errorf("%s cannot be read in the order of %s", view.Name, pushed.Order)
			}
			t.calls, t.order, t.descending = plan.Calls, pushed.Order, pushed.Descending
			if plan.Used {
				all := *pushed
				all.Condition = nil
				t.otherwise = pushdown.Of(view, c.Module().Manifest(), call, all, time.Now()).Calls
			}
			r.hint(q, view, plan, *pushed)
		}
		if len(t.calls) > 1 && values == nil {
			t.seen = &records.RecentKeys{Memory: c.Module().ProcessMemory()}
		}
		if len(t.calls) > 0 { // report a mistake in the query before the first row
			err = t.begin()
		}
		if err != nil && t.otherwise != nil { // what was pushed does not fit the operation's schema
			t.calls, t.otherwise = t.otherwise, nil
			err = t.begin()
		}
		rows = t
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// viewOf returns the view that a call belongs to; nil is none.
func viewOf(m *abi.Manifest, call wire.Call, pushed *wire.Pushed) *abi.View {
	if pushed == nil {
		return nil
	}
	i := slices.IndexFunc(m.Views, func(v abi.View) bool { return v.Name == call.View && v.Operation == call.Operation })
	if i < 0 {
		return nil
	}
	return &m.Views[i]
}

// Plan implements wire.Source.
func (r *reader) Plan(_ context.Context, call wire.Call, pushed wire.Pushed) (message wire.PlanMessage, err error) {
	err = r.query(func(*query) error {
		c, err := r.find(call.Connection)
		if err != nil {
			return err
		}
		plan := pushdown.Plan{Calls: []pushdown.Call{{Operation: call.Operation, Input: pushdown.Whole(call)}}}
		if view := dependent(c.Module().Manifest(), call); view != nil {
			message = planEach(view, pushed)
			return nil
		}
		values, err := givenValues(call, &pushed)
		if err != nil {
			return err
		}
		if values != nil {
			plan.Calls = givenCalls(call, values)
		} else if view := viewOf(c.Module().Manifest(), call, &pushed); view != nil {
			plan = pushdown.Of(view, c.Module().Manifest(), call, pushed, time.Now())
		}
		message = wire.PlanMessage{Text: plan.Text(), Requests: len(plan.Calls), Ordered: plan.Ordered}
		return nil
	})
	return message, err
}

// hint says once that a statement reads a view without a limit of its times, and how to read less.
func (r *reader) hint(q *query, view *abi.View, plan pushdown.Plan, pushed wire.Pushed) {
	if pushed.Limited || pushed.Order != "" || len(view.Times) == 0 || len(plan.Calls) != 1 {
		return
	}
	if column := unbounded(view, pushed); column != "" {
		q.say(view.Operation, fmt.Sprintf("%s: reads all of the last %s, since no condition limits %s. To read less, add a condition such as WHERE %s > now() - INTERVAL 1 DAY",
			view.Name, span(-oldest(*view)), column, column))
	}
}

// unbounded returns a column of a view that a condition could limit from below, but none does; "" means none.
func unbounded(view *abi.View, pushed wire.Pushed) string {
	for _, a := range view.Answers {
		for _, c := range a.Conditions {
			if c.From != "" && a.Operation == view.Operation && pushdown.Unbounded(pushed.Condition, c.Column) {
				return c.Column
			}
		}
	}
	return ""
}

// tableRows are the rows of one connector_table, read by one call after another. They are a wire.RowSource.
type tableRows struct {
	reader  *reader
	query   *query
	conn    *host.Connection
	columns []string
	key     string          // path of a record's key
	given   []int           // the places in a row of the column that has the value of the call's input
	calls   []pushdown.Call // unfinished calls; the first is being read
	// otherwise are the calls that read all rows, for a service that rejects what was pushed. They are not used after the first row.
	otherwise []pushdown.Call

	order      string // the column that rows are ordered by; "" means any order
	descending bool
	last       time.Time // the time of the last row

	rows  *host.Rows          // what calls[0] returns
	seen  *records.RecentKeys // the records of earlier calls; nil if there is one call
	batch []byte
}

// begin begins with the first of the calls.
func (t *tableRows) begin() (err error) {
	call := t.calls[0]
	op, err := t.conn.Module().Operation(call.Operation)
	if err != nil {
		return err
	}
	t.rows, err = t.conn.Table(t.query.ctx, op.Name, call.Input, host.TableOptions{Columns: t.columns, Warn: t.query.warner(op.Name)})
	return err
}

// Next implements wire.RowSource.
func (t *tableRows) Next(context.Context) (rows int, batch []byte, err error) {
	err = t.reader.query(func(*query) error {
		page, err := t.page()
		if err != nil {
			return err
		}
		rows, t.batch = len(page), t.batch[:0]
		if rows == 0 {
			return nil
		}
		columns := t.rows.Columns()
		for _, record := range page {
			for i, cell := range t.rows.Cells(record) {
				t.batch = t.appendGiven(t.batch, i)
				t.batch = appendCell(t.batch, columns[i].Type, cell, t.rows)
			}
			t.batch = t.appendGiven(t.batch, len(columns))
		}
		return t.check(page)
	})
	return rows, t.batch, err
}

// page returns the records of the next page that has any.
func (t *tableRows) page() ([]json.RawMessage, error) {
	for len(t.calls) > 0 {
		if t.rows == nil {
			if err := t.begin(); err != nil {
				return nil, err
			}
		}
		page, err := t.query.next(t.calls[0].Operation, t.rows)
		if err != nil && t.otherwise != nil && refused(err) {
			t.end()
			t.calls, t.otherwise = t.otherwise, nil
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(page) == 0 { // the end
			t.end()
			t.calls = t.calls[1:]
			continue
		}
		t.otherwise = nil
		if page, err = t.withoutRepeats(page); err != nil || len(page) > 0 {
			return page, err
		}
	}
	return nil, nil
}

// withoutRepeats leaves out records that an earlier call found. The error says that their keys need too much memory.
func (t *tableRows) withoutRepeats(page []json.RawMessage) ([]json.RawMessage, error) {
	if t.seen == nil {
		return page, nil
	}
	if err := t.seen.Reserve(len(page)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(page, func(record json.RawMessage) bool {
		key := gjson.GetBytes(record, t.key)
		return key.Exists() && t.seen.Before([]byte(key.Raw))
	}), nil
}

// check returns an error unless the records come in the order that the statement relies on.
func (t *tableRows) check(page []json.RawMessage) error {
	if t.order == "" {
		return nil
	}
	op, err := t.conn.Module().Operation(t.calls[0].Operation)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(op.Columns, func(c abi.Column) bool { return c.Name == t.order })
	for _, record := range page {
		at, ok := t.conn.Module().ParseTime(gjson.GetBytes(record, op.Columns[i].Path).String())
		if !ok || !t.last.IsZero() && (t.descending && at.After(t.last) || !t.descending && at.Before(t.last)) {
			return fmt.Errorf("%s: the service's rows do not come in the order of %s: write ORDER BY %s, 1 to sort them here", op.Name, t.order, t.order)
		}
		t.last = at
	}
	return nil
}

// refused reports whether a service rejected what was pushed.
func refused(err error) bool {
	return errors.Is(err, host.OutcomeError{Outcome: abi.Rejected}) || errors.Is(err, host.OutcomeError{Outcome: abi.Invalid})
}

// Close implements wire.RowSource.
func (t *tableRows) Close() {
	t.end()
	if t.seen != nil {
		t.seen.Forget()
	}
}

// end ends the call that is being read.
func (t *tableRows) end() {
	if t.rows != nil {
		t.rows.Close()
		t.rows = nil
	}
}

// maxAnswer is the maximum size of an answer of connector_scalar, in bytes.
const maxAnswer = 16 << 20

// Object implements wire.Source.
func (r *reader) Object(_ context.Context, call wire.Call) (answer json.RawMessage, err error) {
	err = r.query(func(q *query) (err error) {
		answer, err = r.object(q, call)
		return err
	})
	if answer != nil {
		answer = repaired(answer)
	}
	return answer, err
}

func (r *reader) object(q *query, call wire.Call) (json.RawMessage, error) {
	c, err := r.find(call.Connection)
	if err != nil {
		return nil, err
	}
	input, err := inputOf(c, call)
	if err != nil {
		return nil, err
	}
	rows, err := c.Table(q.ctx, call.Operation, input, host.TableOptions{Warn: q.warner(call.Operation)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	op, err := c.Module().Operation(call.Operation)
	if err != nil {
		return nil, err
	}
	if op.Single {
		page, err := q.next(op.Name, rows)
		if err != nil || len(page) == 0 {
			return nil, err
		}
		return append(json.RawMessage(nil), page[0]...), nil
	}
	all := json.RawMessage("[")
	for {
		page, err := q.next(op.Name, rows)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return append(all, ']'), nil
		}
		for _, record := range page {
			if len(all) > 1 {
				all = append(all, ',')
			}
			all = append(all, record...)
		}
		if len(all) > maxAnswer {
			return nil, fmt.Errorf("%s: connector_scalar returns at most %d bytes: use connector_table for long lists", op.Name, maxAnswer)
		}
	}
}
