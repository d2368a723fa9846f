//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

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
	used  *list.Element // of query.kept, whose values are questions; nil until it is counted, and once it is forgotten
}

// atOnce is how many questions are asked at a time; the connection's pacing holds besides.
const atOnce = 8

// answer answers the rows of a chunk. Any NULL in is NULL out.
func (c scalarCall) answer(q *query, chunk mapping.DataChunk, result mapping.Vector) error {
	connections, operations, inputs := newTexts(chunk, 0), newTexts(chunk, 1), newTexts(chunk, 2)
	answers := make([]*answer, mapping.DataChunkGetSize(chunk))
	var held atomic.Int64 // bytes that this chunk asked for
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
					if held.Load() > maxHeld {
						return errHeld
					}
					a.json, err = c.db.ask(q, asked)
					return err
				})
				held.Add(int64(len(a.json)))
				close(a.ready)
				q.keep(asked, a)
				<-slots
			})
		}
	}
	asking.Wait()
	// DuckDB gets each answer once, and which of them each row has.
	out := newVector(result, abi.JSON, nil)
	places := map[*answer]uint32{}
	chosen := mapping.CreateSelectionVector(mapping.IdxT(len(answers)))
	defer mapping.DestroySelectionVector(&chosen)
	choice := unsafe.Slice((*uint32)(unsafe.Pointer(mapping.SelectionVectorGetDataPtr(chosen))), len(answers))
	for row, a := range answers {
		place, known := places[a]
		if !known {
			place = uint32(len(places))
			places[a] = place
			if err := c.set(q, &out, int(place), a); err != nil {
				return err
			}
		}
		choice[row] = place
	}
	if len(places) < len(answers) {
		mapping.SliceVector(result, chosen, mapping.IdxT(len(answers)))
	}
	return nil
}

// set sets a row of a vector to an answer; nil is that of a NULL.
func (c scalarCall) set(q *query, out *vector, row int, a *answer) error {
	if a == nil {
		out.setNull(row)
		return nil
	}
	<-a.ready // another thread may be asking
	switch {
	case a.err != nil && (!c.forgiving || q.ctx.Err() != nil || errors.Is(a.err, errLimit)):
		return a.err
	case a.json == nil: // or an error that is forgiven
		out.setNull(row)
	default:
		out.setText(row, repaired(a.json))
	}
	return nil
}

// answer is the answer to a question that was asked before in this statement, or a new one, which the caller sets.
func (q *query) answer(asked question) (a *answer, isNew bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a := q.answers[asked]; a != nil {
		if a.used != nil {
			q.kept.MoveToFront(a.used)
		}
		return a, false
	}
	a = &answer{ready: make(chan struct{})}
	q.answers[asked] = a
	return a, true
}

// keep counts an answer that came, and forgets those that were not used for longest while there are over maxKept bytes.
func (q *query) keep(asked question, a *answer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answers[asked] != a {
		return // the statement has ended
	}
	a.used = q.kept.PushFront(asked)
	q.keptBytes += asked.size() + len(a.json)
	for q.keptBytes > maxKept {
		oldest := q.kept.Remove(q.kept.Back()).(question)
		q.keptBytes -= oldest.size() + len(q.answers[oldest].json)
		q.answers[oldest].used = nil
		delete(q.answers, oldest)
	}
}

// size is how many bytes a question takes, with what keeping it costs.
func (asked question) size() int {
	return 256 + len(asked.connection) + len(asked.operation) + len(asked.input)
}

// In bytes. DuckDB's own limit of memory does not count them.
const (
	maxAnswer = 16 << 20  // an answer
	maxKept   = 64 << 20  // the answers that a statement keeps; one that is forgotten is asked for again
	maxHeld   = 256 << 20 // the answers to a chunk of rows, about
)

// errHeld is of rows that are too large together.
var errHeld = fmt.Errorf("%w: connector_scalar answers at most %d bytes for %d rows: connector_table reads long lists", errLimit, maxHeld, mapping.VectorSize())

// ask reads an object, nil when it is not there, or all records of a list as an array.
func (db *DB) ask(q *query, asked question) (json.RawMessage, error) {
	c, err := db.find(asked.connection)
	if err != nil {
		return nil, err
	}
	input := json.RawMessage(asked.input)
	if err := checkJSON(input); err != nil {
		return nil, err
	}
	rows, err := c.Table(q.ctx, asked.operation, input, host.TableOptions{Warn: q.warner(asked.operation)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	op, err := c.Module().Operation(asked.operation)
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
