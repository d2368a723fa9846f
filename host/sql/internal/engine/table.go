//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// scan is one connector_table in a statement, with its arguments checked. It does not change.
type scan struct {
	engine *Engine
	call   wire.Call
	tag    int // unique among all scans in views; 0 for a scan outside of a view
	table  wire.TableMessage
}

// bind checks the arguments, as far as they can be checked before a request.
func (e *Engine) bind(info mapping.BindInfo) (*scan, error) {
	texts, err := bindArguments(info)
	if err != nil {
		return nil, err
	}
	view, given, err := e.bindView(info)
	if err != nil {
		return nil, err
	}
	s := &scan{engine: e, call: wire.Call{Connection: texts[0], Operation: texts[1], Input: texts[2], View: view, Given: given}}
	if err := checkJSON(s.call.Input); err != nil {
		return nil, err
	}
	running := e.running.Load()
	if s.table, err = e.source.Bind(running.ctx, s.call); err != nil {
		return nil, err
	}
	if s.call.View != "" && !s.table.Single {
		e.tags.add(s)
	}
	running.bind(s)
	return s, nil
}

// release frees the tag of a scan that DuckDB has forgotten.
func (s *scan) release() { s.engine.tags.remove(s) }

// checkJSON says how to write an input. The host checks whether it fits the operation.
func checkJSON(input string) error {
	if json.Valid([]byte(input)) {
		return nil
	}
	return errors.New("the input is not JSON: write it as JSON '{…}' or json_object('field', value)")
}

// cardinality returns how many rows DuckDB plans for. Nobody knows how long a list is; without a guess it plans for one.
// A tag is the guess of its scan, by which the scan is found in a plan.
func (s *scan) cardinality() int {
	switch {
	case s.table.Single:
		return 1
	case s.tag > 0 && s.table.Many:
		return s.tag * manyMore
	case s.tag > 0:
		return s.tag
	}
	return firstTag
}

// manyMore is how many times more rows DuckDB plans for where a view has a list for each row of another. It then reads the other view
// first.
const manyMore = 16

// scanRun is one run of a scan. DuckDB calls it on several of its threads, one at a time.
type scanRun struct {
	scan    *scan
	running *statement

	mu      sync.Mutex
	rows    wire.RowSource
	left    int // rows of the batch that DuckDB has not got yet
	cells   wire.Cells
	asked   []int // by the columns of a chunk: which column of the table it is; -1 is none
	vectors []vector
	into    []int // by the columns of a batch: which of vectors
	keys    *keeper
	none    bool // no row is needed
}

// run begins a run, of the statement that is running. That need not be the one that was bound: EXECUTE runs what PREPARE
// bound.
func (s *scan) run(asked []int) *scanRun {
	return &scanRun{scan: s, running: s.engine.running.Load(), asked: asked, vectors: make([]vector, len(asked))}
}

// fill fills a chunk with what is left of a batch; no rows are the end. It never asks for another batch to fill it up,
// since DuckDB says nothing of a LIMIT but stops asking.
func (r *scanRun) fill(chunk mapping.DataChunk) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil && !r.none {
		if err := r.begin(); err != nil {
			return err
		}
	}
	if r.none {
		mapping.DataChunkSetSize(chunk, 0)
		return nil
	}
	if r.left == 0 {
		count, batch, err := r.rows.Next(r.running.ctx)
		if err != nil {
			return err
		}
		r.left, r.cells = count, wire.NewCells(batch)
		if count == 0 {
			r.keys.end()
		}
	}
	n := min(r.left, int(mapping.VectorSize()))
	for i, at := range r.asked {
		if at >= 0 {
			r.vectors[i] = newVector(mapping.DataChunkGetVector(chunk, mapping.IdxT(i)), r.scan.table.Columns[at].Type)
			r.vectors[i].seen = r.keys.value(i)
		}
	}
	for row := range n {
		for _, i := range r.into {
			r.vectors[i].set(row, &r.cells)
		}
		r.keys.keep()
	}
	r.left -= n
	mapping.DataChunkSetSize(chunk, mapping.IdxT(n))
	return r.cells.Err()
}

// begin asks for the rows, with the columns that the query wants.
func (r *scanRun) begin() (err error) {
	columns := []int{} // may stay empty: count(*)
	for i, at := range r.asked {
		if at >= 0 {
			columns, r.into = append(columns, at), append(r.into, i)
		}
	}
	tag, pushed := r.running.planned(r.scan)
	pushed, none := r.running.plan.joined(tag, pushed)
	if none {
		r.none = true
		return nil
	}
	r.keys = newKeeper(r, r.running.plan.sets[tag], pushed)
	r.rows, err = r.scan.engine.source.Open(r.running.ctx, r.scan.call, columns, pushed)
	return err
}

// release ends a run. DuckDB says nothing else when a LIMIT is reached.
func (r *scanRun) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows != nil {
		_ = r.scan.engine.guarded(func() error { // logged
			r.rows.Close()
			return nil
		})
	}
}
