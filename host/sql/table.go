//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// table is connector_table. Which columns it has depends on its arguments.
func (db *DB) table() duckdb.ChunkTableFunction {
	varchar := info(duckdb.TYPE_VARCHAR)
	return duckdb.ChunkTableFunction{
		Config: duckdb.TableFunctionConfig{Arguments: []duckdb.TypeInfo{varchar, varchar, varchar}},
		BindArguments: func(_ map[string]any, args ...any) (duckdb.ChunkTableSource, error) {
			q := db.running.Load()
			s, err := db.bind(q, args)
			if err != nil {
				return nil, q.fail(err)
			}
			return s, nil
		},
	}
}

// bind checks the arguments, all that can be checked before a request.
func (db *DB) bind(q *query, args []any) (*scan, error) {
	var texts [3]string
	for i, arg := range args {
		var ok bool
		if texts[i], ok = arg.(string); !ok {
			return nil, fmt.Errorf("connector_table(connection, operation, input): argument %d is NULL", i+1)
		}
	}
	c, err := db.find(texts[0])
	if err != nil {
		return nil, err
	}
	s := &scan{db: db, conn: c, operation: texts[1], input: json.RawMessage(texts[2])}
	if err := checkJSON(s.input); err != nil {
		return nil, err
	}
	if _, err := c.Table(q.ctx, s.operation, s.input, host.TableOptions{}); err != nil {
		return nil, err
	}
	op, err := c.Module().Operation(s.operation)
	if err != nil {
		return nil, err
	}
	s.columns, s.single = op.Columns, op.Single
	return s, nil
}

// checkJSON says how to write an input. Whether it fits the operation is for the host to say.
func checkJSON(input json.RawMessage) error {
	if json.Valid(input) {
		return nil
	}
	return fmt.Errorf("the input is not JSON: write it as JSON '{…}' or json_object('field', value)")
}

// info is the description of a type that needs none of its own.
func info(t duckdb.Type) duckdb.TypeInfo {
	i, err := duckdb.NewTypeInfo(t)
	if err != nil {
		panic(err) // the types here are constants
	}
	return i
}

// scan is one connector_table in a statement. DuckDB may run it several times, and on several of its threads, though
// on one at a time.
type scan struct {
	db        *DB
	conn      *host.Connection
	operation string
	input     json.RawMessage
	columns   []abi.Column
	single    bool

	mu    sync.Mutex
	query *query
	rows  *host.Rows
	page  []json.RawMessage // what of it DuckDB has not got yet

	asked   []int    // the columns that the query wants
	vectors []vector // where they go, by asked
}

// ColumnInfos implements duckdb.ChunkTableSource.
func (s *scan) ColumnInfos() []duckdb.ColumnInfo {
	all := make([]duckdb.ColumnInfo, len(s.columns))
	for i, c := range s.columns {
		all[i] = duckdb.ColumnInfo{Name: c.Name, T: s.db.typeInfo(c.Type)}
	}
	return all
}

func (db *DB) typeInfo(t abi.ColumnType) duckdb.TypeInfo {
	switch t {
	case abi.Boolean:
		return info(duckdb.TYPE_BOOLEAN)
	case abi.BigInt:
		return info(duckdb.TYPE_BIGINT)
	case abi.Double:
		return info(duckdb.TYPE_DOUBLE)
	case abi.TimestampTZ:
		return info(duckdb.TYPE_TIMESTAMP_TZ)
	case abi.JSON:
		return db.jsonIs
	}
	return info(duckdb.TYPE_VARCHAR)
}

// guess is how many rows a list is planned for. Nobody knows; without a guess DuckDB plans for one.
const guess = 1000

// Cardinality implements duckdb.ChunkTableSource.
func (s *scan) Cardinality() *duckdb.CardinalityInfo {
	if s.single {
		return &duckdb.CardinalityInfo{Cardinality: 1}
	}
	return &duckdb.CardinalityInfo{Cardinality: guess}
}

// Init implements duckdb.ChunkTableSource. It is called for each run, which may be another statement's than the one
// that bound the scan: EXECUTE runs what PREPARE bound.
func (s *scan) Init() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.query, s.rows, s.page = s.db.running.Load(), nil, nil
}

// FillChunk implements duckdb.ChunkTableSource. It answers the rest of a page and never asks for another one to fill
// the chunk, since DuckDB says nothing of a LIMIT but stops asking.
func (s *scan) FillChunk(chunk duckdb.DataChunk) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fill(chunk); err != nil {
		return s.query.fail(err)
	}
	return nil
}

func (s *scan) fill(chunk duckdb.DataChunk) error {
	if s.rows == nil {
		if err := s.begin(chunk); err != nil {
			return err
		}
	}
	if len(s.page) == 0 {
		var err error
		if s.page, err = s.rows.Next(); err != nil {
			return err
		}
	}
	n := min(len(s.page), duckdb.GetDataChunkCapacity())
	for i, at := range s.asked {
		v, err := chunk.GetVector(at)
		if err != nil {
			return err
		}
		s.vectors[i] = newVector(v, s.columns[at].Type)
	}
	for row, record := range s.page[:n] {
		for i, cell := range s.rows.Cells(record) {
			s.vectors[i].set(row, cell)
		}
	}
	s.page = s.page[n:]
	return chunk.SetSize(n)
}

// begin asks for the columns that the chunk has: those that the query wants.
func (s *scan) begin(chunk duckdb.DataChunk) error {
	s.asked = s.asked[:0]
	names := []string{} // no column at all: count(*)
	for i, c := range s.columns {
		if _, err := chunk.GetVector(i); err == nil {
			s.asked, names = append(s.asked, i), append(names, c.Name)
		}
	}
	s.vectors = make([]vector, len(s.asked))
	rows, err := s.conn.Table(s.query.ctx, s.operation, s.input, host.TableOptions{Columns: names})
	if err != nil {
		return err
	}
	s.rows = rows
	s.query.hold(rows)
	return nil
}
