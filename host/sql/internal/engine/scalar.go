//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

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
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// answer is what a call of connector_scalar came to. Within a statement, equal calls have one answer: the function is
// volatile, so that DuckDB asks when a statement runs, and not once when it is planned.
type answer struct {
	ready chan struct{} // closed once the rest is set
	json  json.RawMessage
	err   error
	used  *list.Element // element of statement.kept, whose values are calls; nil before it is counted and after it is forgotten
}

// atOnce is how many calls are asked at a time; the connection's pacing holds besides.
const atOnce = 8

// answer answers the rows of a chunk. Any NULL in is NULL out.
func (c scalarCall) answer(s *statement, chunk mapping.DataChunk, result mapping.Vector) error {
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
		asked := wire.Call{Connection: connection, Operation: operation, Input: input}
		a, isNew := s.answer(asked)
		answers[row] = a
		if isNew {
			slots <- struct{}{}
			asking.Go(func() {
				a.err = c.engine.guarded(func() (err error) {
					if held.Load() > maxHeld {
						return errHeld
					}
					a.json, err = c.engine.ask(s, asked)
					return err
				})
				held.Add(int64(len(a.json)))
				close(a.ready)
				s.keep(asked, a)
				<-slots
			})
		}
	}
	asking.Wait()
	// DuckDB gets each answer once, and which of them each row has.
	out := newVector(result, abi.JSON)
	places := map[*answer]uint32{}
	chosen := mapping.CreateSelectionVector(mapping.IdxT(len(answers)))
	defer mapping.DestroySelectionVector(&chosen)
	choice := unsafe.Slice((*uint32)(unsafe.Pointer(mapping.SelectionVectorGetDataPtr(chosen))), len(answers))
	for row, a := range answers {
		place, known := places[a]
		if !known {
			place = uint32(len(places))
			places[a] = place
			if err := c.set(s, &out, int(place), a); err != nil {
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
func (c scalarCall) set(s *statement, out *vector, row int, a *answer) error {
	if a == nil {
		out.setNull(row)
		return nil
	}
	<-a.ready // another thread may be asking
	switch {
	case a.err != nil && (!c.forgiving || s.ctx.Err() != nil || errors.Is(a.err, wire.ErrLimit)):
		return a.err
	case a.json == nil: // or an error that is forgiven
		out.setNull(row)
	default:
		out.setText(row, a.json)
	}
	return nil
}

// answer returns the answer to a call that was asked before in this statement, or a new one, which the caller sets.
func (s *statement) answer(asked wire.Call) (a *answer, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.answers[asked]; a != nil {
		if a.used != nil {
			s.kept.MoveToFront(a.used)
		}
		return a, false
	}
	a = &answer{ready: make(chan struct{})}
	s.answers[asked] = a
	return a, true
}

// keep counts an answer that came, and forgets those that were not used for longest while there are over maxKept bytes.
func (s *statement) keep(asked wire.Call, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[asked] != a {
		return // the statement has ended
	}
	a.used = s.kept.PushFront(asked)
	s.keptBytes += size(asked) + len(a.json)
	for s.keptBytes > maxKept {
		oldest := s.kept.Remove(s.kept.Back()).(wire.Call)
		s.keptBytes -= size(oldest) + len(s.answers[oldest].json)
		s.answers[oldest].used = nil
		delete(s.answers, oldest)
	}
}

// size is how many bytes a call takes, with what keeping it costs.
func size(asked wire.Call) int { return 256 + asked.Size() }

// In bytes. DuckDB's own limit of memory does not count them.
const (
	maxKept = 64 << 20  // the answers that a statement keeps; one that is forgotten is asked for again
	maxHeld = 256 << 20 // the answers to a chunk of rows, about
)

// errHeld means that the answers for a chunk of rows are too large together.
var errHeld = fmt.Errorf("%w: connector_scalar answers at most %d bytes for %d rows: connector_table reads long lists", wire.ErrLimit, maxHeld, mapping.VectorSize())

// ask reads an object, nil when it is not there, or all records of a list as an array.
func (e *Engine) ask(s *statement, asked wire.Call) (json.RawMessage, error) {
	if err := checkJSON(asked.Input); err != nil {
		return nil, err
	}
	return e.source.Object(s.ctx, asked)
}
