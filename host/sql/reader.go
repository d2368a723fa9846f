//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// reader reads connections for the statement that is running. It is an wire.Source.
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

// query returns the statement that is running. A panic of f is an error of the statement, as every other is.
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
		if call.Connection == wire.Ambiguous && q.preparing { // the view is bound when it is made, too
			table.Columns = []wire.Column{{Name: "ambiguous", Type: abi.Varchar}}
			return nil
		}
		op, err := r.operation(q, call)
		if err != nil {
			return err
		}
		table.Single = op.Single
		for _, c := range op.Columns {
			table.Columns = append(table.Columns, wire.Column{Name: c.Name, Type: c.Type})
		}
		return nil
	})
	return table, err
}

// operation checks a call, as far as that needs no request, and returns its operation.
func (r *reader) operation(q *query, call wire.Call) (*abi.Operation, error) {
	if message := r.ambiguous[call.Operation]; call.Connection == wire.Ambiguous && message != "" {
		return nil, errors.New(message)
	}
	c, err := r.find(call.Connection)
	if err != nil {
		return nil, err
	}
	if _, err := c.Table(q.ctx, call.Operation, json.RawMessage(call.Input), host.TableOptions{}); err != nil {
		return nil, err
	}
	return c.Module().Operation(call.Operation)
}

// Open implements wire.Source.
func (r *reader) Open(_ context.Context, call wire.Call, columns []int) (rows wire.RowSource, err error) {
	err = r.query(func(q *query) error {
		c, err := r.find(call.Connection)
		if err != nil {
			return err
		}
		op, err := c.Module().Operation(call.Operation)
		if err != nil {
			return err
		}
		names := make([]string, len(columns))
		for i, at := range columns {
			if at < 0 || at >= len(op.Columns) {
				return fmt.Errorf("%s has %d columns, and column %d was asked for", op.Name, len(op.Columns), at)
			}
			names[i] = op.Columns[at].Name
		}
		table, err := c.Table(q.ctx, call.Operation, json.RawMessage(call.Input), host.TableOptions{Columns: names, Warn: q.warner(op.Name)})
		if err == nil {
			rows = &tableRows{reader: r, query: q, rows: table}
		}
		return err
	})
	return rows, err
}

// tableRows are the rows of one connector_table. They are an wire.RowSource.
type tableRows struct {
	reader *reader
	query  *query
	rows   *host.Rows
	batch  []byte
}

// Next implements wire.RowSource.
func (t *tableRows) Next(context.Context) (rows int, batch []byte, err error) {
	err = t.reader.query(func(*query) error {
		page, err := t.query.next(t.rows)
		if err != nil {
			return err
		}
		rows, t.batch = len(page), t.batch[:0]
		columns := t.rows.Columns()
		for _, record := range page {
			for i, cell := range t.rows.Cells(record) {
				t.batch = appendCell(t.batch, columns[i].Type, cell, t.rows)
			}
		}
		return nil
	})
	return rows, t.batch, err
}

// Close implements wire.RowSource.
func (t *tableRows) Close() { t.rows.Close() }

// In bytes.
const maxAnswer = 16 << 20 // an answer of connector_scalar

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
	rows, err := c.Table(q.ctx, call.Operation, json.RawMessage(call.Input), host.TableOptions{Warn: q.warner(call.Operation)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	op, err := c.Module().Operation(call.Operation)
	if err != nil {
		return nil, err
	}
	if op.Single {
		page, err := q.next(rows)
		if err != nil || len(page) == 0 {
			return nil, err
		}
		return append(json.RawMessage(nil), page[0]...), nil
	}
	all := json.RawMessage("[")
	for {
		page, err := q.next(rows)
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
			return nil, fmt.Errorf("%s: connector_scalar answers at most %d bytes: connector_table reads long lists", op.Name, maxAnswer)
		}
	}
}
