//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// question is a call of connector_scalar, and answer what it came to. Within a statement, equal calls have one answer:
// the function is volatile, so that DuckDB asks when a statement runs, and not once when it is planned.
type question struct{ connection, operation, input string }

type answer struct {
	ready chan struct{} // closed once the rest is set
	json  json.RawMessage
	err   error
}

// atOnce is how many questions are asked at a time; the connection's pacing holds besides.
const atOnce = 8

// answer answers the rows of a chunk. Any NULL in is NULL out.
func (c scalarCall) answer(q *query, chunk mapping.DataChunk, result mapping.Vector) error {
	connections, operations, inputs := newTexts(chunk, 0), newTexts(chunk, 1), newTexts(chunk, 2)
	answers := make([]*answer, mapping.DataChunkGetSize(chunk))
	slots := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for row := range answers {
		connection, okConnection := connections.at(row)
		operation, okOperation := operations.at(row)
		input, okInput := inputs.at(row)
		if !okConnection || !okOperation || !okInput {
			continue
		}
		asked := question{connection, operation, input}
		a, isNew := q.answer(asked)
		answers[row] = a
		if isNew {
			slots <- struct{}{}
			asking.Go(func() {
				a.err = c.db.guarded(func() (err error) {
					a.json, err = c.db.ask(q.ctx, asked)
					return err
				})
				close(a.ready)
				<-slots
			})
		}
	}
	asking.Wait()
	out := newVector(result, abi.JSON)
	for row, a := range answers {
		if a == nil {
			out.setNull(row)
			continue
		}
		<-a.ready // another thread may be asking
		switch {
		case a.err != nil && !(c.forgiving && q.ctx.Err() == nil):
			return a.err
		case a.json == nil: // or an error that is forgiven
			out.setNull(row)
		default:
			out.setText(row, a.json)
		}
	}
	return nil
}

// answer is the answer to a question that was asked before in this statement, or a new one, which the caller sets.
func (q *query) answer(asked question) (a *answer, isNew bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a := q.answers[asked]; a != nil {
		return a, false
	}
	a = &answer{ready: make(chan struct{})}
	q.answers[asked] = a
	return a, true
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 16 << 20

// ask reads an object, nil when it is not there, or all records of a list as an array.
func (db *DB) ask(ctx context.Context, asked question) (json.RawMessage, error) {
	c, err := db.find(asked.connection)
	if err != nil {
		return nil, err
	}
	input := json.RawMessage(asked.input)
	if err := checkJSON(input); err != nil {
		return nil, err
	}
	rows, err := c.Table(ctx, asked.operation, input, host.TableOptions{})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	op, err := c.Module().Operation(asked.operation)
	if err != nil {
		return nil, err
	}
	if op.Single {
		page, err := rows.Next()
		if err != nil || len(page) == 0 {
			return nil, err
		}
		return append(json.RawMessage(nil), page[0]...), nil
	}
	all := json.RawMessage("[")
	for {
		page, err := rows.Next()
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
