//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// scan is one connector_table in a statement, with its arguments checked. It does not change.
type scan struct {
	db    *DB
	conn  *host.Connection
	op    *abi.Operation
	input json.RawMessage
}

// bind checks the arguments, all that can be checked before a request.
func (db *DB) bind(q *query, info mapping.BindInfo) (*scan, error) {
	texts, err := bindArguments(info)
	if err != nil {
		return nil, err
	}
	s := &scan{db: db, input: json.RawMessage(texts[2])}
	if s.conn, err = db.find(texts[0]); err != nil {
		return nil, err
	}
	if err := checkJSON(s.input); err != nil {
		return nil, err
	}
	if _, err := s.conn.Table(q.ctx, texts[1], s.input, host.TableOptions{}); err != nil {
		return nil, err
	}
	s.op, err = s.conn.Module().Operation(texts[1])
	return s, err
}

// checkJSON says how to write an input. Whether it fits the operation is for the host to say.
func checkJSON(input json.RawMessage) error {
	if json.Valid(input) {
		return nil
	}
	return errors.New("the input is not JSON: write it as JSON '{…}' or json_object('field', value)")
}

// cardinality is how many rows DuckDB plans for. Nobody knows how long a list is; without a guess it plans for one.
func (s *scan) cardinality() int {
	if s.op.Single {
		return 1
	}
	return 1000
}

// scanRun is one run of a scan. DuckDB calls it on several of its threads, though on one at a time.
type scanRun struct {
	scan  *scan
	query *query

	mu      sync.Mutex
	rows    *host.Rows
	page    []json.RawMessage // what of it DuckDB has not got yet
	asked   []int             // which of the operation's columns the query wants, by those of a chunk; -1 is none of them
	vectors []vector
	into    []int // of vectors, by the columns of rows
}

// run begins a run. It is of the statement that is running, which need not be the one that was bound: EXECUTE runs
// what PREPARE bound.
func (s *scan) run(asked []int) *scanRun {
	return &scanRun{scan: s, query: s.db.running.Load(), asked: asked, vectors: make([]vector, len(asked))}
}

// fill fills a chunk with what is left of a page, none at the end. It never asks for another page to fill it up, since
// DuckDB says nothing of a LIMIT but stops asking.
func (r *scanRun) fill(chunk mapping.DataChunk) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	if len(r.page) == 0 {
		var err error
		if r.page, err = r.query.next(r.rows); err != nil {
			return err
		}
	}
	n := min(len(r.page), int(mapping.VectorSize()))
	for i, at := range r.asked {
		if at >= 0 {
			r.vectors[i] = newVector(mapping.DataChunkGetVector(chunk, mapping.IdxT(i)), r.scan.op.Columns[at].Type, r.rows.Time)
		}
	}
	for row, record := range r.page[:n] {
		for i, cell := range r.rows.Cells(record) {
			r.vectors[r.into[i]].set(row, cell)
		}
	}
	r.page = r.page[n:]
	mapping.DataChunkSetSize(chunk, mapping.IdxT(n))
	return nil
}

// begin asks for the rows, with the columns that the query wants.
func (r *scanRun) begin() error {
	names := []string{} // may stay empty: count(*)
	for i, at := range r.asked {
		if at >= 0 {
			names, r.into = append(names, r.scan.op.Columns[at].Name), append(r.into, i)
		}
	}
	rows, err := r.scan.conn.Table(r.query.ctx, r.scan.op.Name, r.scan.input, host.TableOptions{Columns: names, Warn: r.query.warner(r.scan.op.Name)})
	r.rows = rows
	return err
}

// release ends a run, of which DuckDB says nothing else when a LIMIT is reached.
func (r *scanRun) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows != nil {
		_ = r.scan.db.guarded(func() error { // logged
			r.rows.Close()
			return nil
		})
	}
}
