//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/host/sql/internal/pushdown"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// A view may have a list for each row of another view (abi.ViewOf), such as the factors of each user. Its lists are read in
// parallel, each once, for the values that the statement can need.

// eachAtOnce is how many lists are read at a time. The connection's pacing holds besides.
const eachAtOnce = 8

// dependent returns the view that a call belongs to, if it is one over another view; else nil.
func dependent(m *abi.Manifest, call wire.Call) *abi.View {
	if m == nil || call.View == "" {
		return nil
	}
	i := slices.IndexFunc(m.Views, func(v abi.View) bool {
		return v.Name == call.View && v.Operation == call.Operation && v.Of != nil && pushdown.Owns(&v, call.Input)
	})
	if i < 0 {
		return nil
	}
	return &m.Views[i]
}

// manifest returns that of the connection that a call names, or nil.
func (r *reader) manifest(call wire.Call) *abi.Manifest {
	c, err := r.find(call.Connection)
	if err != nil {
		return nil
	}
	return c.Module().Manifest()
}

// planEach describes how a view over another one is read.
func planEach(view *abi.View, pushed wire.Pushed) wire.PlanMessage {
	values, known := eachValue(view, &pushed)
	if !known {
		return wire.PlanMessage{Text: fmt.Sprintf("%s for each %s of %s, or for those that a join needs", view.Operation, view.Of.Column, view.Of.View), Requests: 1}
	}
	return wire.PlanMessage{Text: fmt.Sprintf("%s for %d values of %s", view.Operation, len(values), view.Of.As), Requests: len(values)}
}

// eachValue returns the values for which the operation is called. known is false if all rows of the other view must be read
// for them.
func eachValue(view *abi.View, pushed *wire.Pushed) (values []string, known bool) {
	if pushed == nil || pushed.Condition.Depth() > wire.MaxConditionDepth {
		return nil, false
	}
	values = pushdown.Values(pushed.Condition, view.Of.As)
	if values == nil {
		return nil, false
	}
	match := regexp.MustCompile(view.Of.Match) // which the manifest's check has compiled
	return slices.DeleteFunc(values, func(v string) bool { return !match.MatchString(v) }), true
}

// eachRows are the rows of a view over another one. They are a wire.RowSource.
type eachRows struct {
	reader  *reader
	query   *query
	conn    *host.Connection
	view    *abi.View
	op      *abi.Operation
	columns []int // indexes of the view's columns, whose first is the value

	cancel context.CancelFunc
	pages  chan eachPage
}

// eachPage is a page of one of the lists, encoded, or the error that ends them.
type eachPage struct {
	rows  int
	batch []byte
	err   error
}

func (r *reader) openEach(q *query, c *host.Connection, view *abi.View, op *abi.Operation, columns []int, pushed *wire.Pushed) (wire.RowSource, error) {
	for _, at := range columns {
		if at < 0 || at > len(op.Columns) {
			return nil, fmt.Errorf("%s has %d columns, and column %d was asked for", view.Name, len(op.Columns)+1, at)
		}
	}
	e := &eachRows{reader: r, query: q, conn: c, view: view, op: op, columns: columns, pages: make(chan eachPage, eachAtOnce)}
	ctx, cancel := context.WithCancel(q.ctx)
	e.cancel = cancel
	values := make(chan string)
	var work sync.WaitGroup
	work.Go(func() {
		defer close(values)
		e.guard(ctx, func() error { return e.list(ctx, values, pushed) })
	})
	for range eachAtOnce {
		work.Go(func() {
			for value := range values {
				e.guard(ctx, func() error { return e.read(ctx, value) })
			}
		})
	}
	go func() {
		work.Wait()
		close(e.pages)
	}()
	return e, nil
}

// guard hands an error or a panic on, and stops the rest.
func (e *eachRows) guard(ctx context.Context, f func() error) {
	if err := e.reader.query(func(*query) error { return f() }); err != nil {
		e.send(ctx, eachPage{err: err})
		e.cancel()
	}
}

// send hands a page on, unless nobody wants it any more.
func (e *eachRows) send(ctx context.Context, p eachPage) {
	select {
	case e.pages <- p:
	case <-ctx.Done():
		if p.err == nil {
			return
		}
		select { // an error is wanted if there is room for it: the others came first
		case e.pages <- p:
		default:
		}
	}
}

// list sends the values for which lists are read.
func (e *eachRows) list(ctx context.Context, values chan<- string, pushed *wire.Pushed) error {
	send := func(value string) bool {
		select {
		case values <- value:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if known, ok := eachValue(e.view, pushed); ok {
		for _, value := range known {
			if !send(value) {
				return nil
			}
		}
		return nil
	}
	m := e.conn.Module().Manifest()
	other := m.Views[slices.IndexFunc(m.Views, func(v abi.View) bool { return v.Name == e.view.Of.View })]
	input := other.Input
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	rows, err := e.conn.Table(ctx, other.Operation, json.RawMessage(input), host.TableOptions{Columns: []string{e.view.Of.Column}, Warn: e.query.warner(other.Operation)})
	if err != nil {
		return err
	}
	defer rows.Close()
	sent := records.RecentKeys{Memory: e.conn.Module().ProcessMemory()} // a list may have a record twice
	defer sent.Forget()
	for {
		page, err := e.query.next(other.Operation, rows)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := sent.Reserve(len(page)); err != nil {
			return err
		}
		var found []string // the page is not valid while others are read
		for _, record := range page {
			if value, ok := cellText(rows.Cells(record)[0]); ok && !sent.Before([]byte(value)) {
				found = append(found, value)
			}
		}
		for _, value := range found {
			if !send(value) {
				return nil
			}
		}
	}
}

// read reads the list of one value. One that does not exist has no rows: it is of a condition, or was removed meanwhile.
func (e *eachRows) read(ctx context.Context, value string) error {
	input := e.view.Input
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	given, err := sjson.SetBytes(slices.Clone(input), e.view.Of.Input, value)
	if err != nil {
		return err
	}
	var names []string
	for _, at := range e.columns {
		if at > 0 {
			names = append(names, e.op.Columns[at-1].Name)
		}
	}
	if names == nil {
		names = []string{}
	}
	rows, err := e.conn.Table(ctx, e.op.Name, given, host.TableOptions{Columns: names, Warn: e.query.warner(e.op.Name)})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		page, err := e.query.next(e.op.Name, rows)
		if errors.Is(err, host.OutcomeError{Outcome: abi.NotFound}) || ctx.Err() != nil {
			return nil
		}
		if err != nil || len(page) == 0 {
			return err
		}
		e.send(ctx, eachPage{rows: len(page), batch: e.encode(value, rows, page)})
	}
}

func (e *eachRows) encode(value string, rows *host.Rows, page []json.RawMessage) (batch []byte) {
	types := rows.Columns()
	for _, record := range page {
		cells, next := rows.Cells(record), 0
		for _, at := range e.columns {
			if at == 0 {
				batch = wire.AppendText(batch, value)
				continue
			}
			batch = appendCell(batch, types[next].Type, cells[next], rows)
			next++
		}
	}
	return batch
}

// Next implements wire.RowSource.
func (e *eachRows) Next(context.Context) (rows int, batch []byte, err error) {
	select {
	case p := <-e.pages: // none at the end
		return p.rows, p.batch, p.err
	case <-e.query.ctx.Done():
		return 0, nil, e.reader.query(func(*query) error { return e.query.ctx.Err() })
	}
}

// Close implements wire.RowSource.
func (e *eachRows) Close() { e.cancel() }
