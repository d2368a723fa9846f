//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// scalar is connector_scalar.
type scalar struct{ db *DB }

// question is a call of connector_scalar, and answer what it came to.
type question struct{ connection, operation, input string }

type answer struct {
	ready chan struct{} // closed once the rest is set
	json  json.RawMessage
	err   error
}

// Config implements duckdb.ScalarFunc. The function is not volatile: within a statement, equal calls have one answer.
func (s *scalar) Config() duckdb.ScalarFuncConfig {
	varchar := info(duckdb.TYPE_VARCHAR)
	return duckdb.ScalarFuncConfig{
		InputTypeInfos: []duckdb.TypeInfo{varchar, varchar, varchar},
		ResultTypeInfo: s.db.jsonIs,
	}
}

// Executor implements duckdb.ScalarFunc.
func (s *scalar) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{
		ChunkContextExecutor: func(_ context.Context, chunk *duckdb.ChunkIteratorState) error {
			q := s.db.running.Load()
			if err := s.execute(q, chunk); err != nil {
				return q.fail(err)
			}
			return nil
		},
		// duckdb-go writes the context of a call into what all threads of a statement share, unless a binder gave it.
		ScalarBinder: func(ctx context.Context, _ []duckdb.ScalarUDFArg) (context.Context, error) {
			return context.WithoutCancel(ctx), nil
		},
	}
}

// atOnce is how many questions are asked at a time; the connection's pacing holds besides.
const atOnce = 8

// execute answers the rows of a chunk. NULL in is NULL out, which duckdb-go sees to.
func (s *scalar) execute(q *query, chunk *duckdb.ChunkIteratorState) error {
	in := chunk.GetInputChunk()
	var args [3]duckdb.VectorView[string]
	for i := range args {
		v, err := in.GetVector(i)
		if err != nil {
			return err
		}
		if args[i], err = duckdb.GetVectorView[string](v); err != nil {
			return err
		}
	}
	answers := make([]*answer, in.GetSize())
	slots := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for row := range answers {
		var texts [3]string
		null := false
		for i, arg := range args {
			value, ok, err := arg.GetValueBorrowed(row)
			if err != nil {
				return err
			}
			null = null || !ok
			texts[i] = value
		}
		if null {
			continue
		}
		a, isNew := q.answer(question{texts[0], texts[1], texts[2]})
		answers[row] = a
		if isNew {
			slots <- struct{}{}
			asking.Go(func() {
				defer func() { <-slots }()
				defer close(a.ready)
				a.json, a.err = s.ask(q.ctx, question{texts[0], texts[1], texts[2]})
			})
		}
	}
	asking.Wait()
	out := newVector(chunk.GetResultVector(), abi.JSON)
	for row, a := range answers {
		if a == nil {
			continue
		}
		<-a.ready // another thread may have asked
		switch {
		case a.err != nil:
			return a.err
		case a.json == nil:
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
	asked = question{string([]byte(asked.connection)), string([]byte(asked.operation)), string([]byte(asked.input))} // borrowed
	a = &answer{ready: make(chan struct{})}
	q.answers[asked] = a
	return a, true
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 16 << 20

// ask reads an object, nil when it is not there, or all records of a list as an array.
func (s *scalar) ask(ctx context.Context, asked question) (json.RawMessage, error) {
	c, err := s.db.find(asked.connection)
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
