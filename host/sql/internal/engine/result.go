//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"bytes"
	dbsql "database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/records"
)

// reader is how a column of a result becomes a value that a connector's rows could have too.
type reader struct {
	typ  abi.ColumnType
	cast string // what of it DuckDB is asked for, %s being the column; empty is the column as it is
	raw  bool   // the text is JSON
}

// readerOf is the reader of a type.
func readerOf(info duckdb.TypeInfo) reader {
	text := reader{typ: abi.Varchar, cast: "CAST(%s AS VARCHAR)"}
	if info == nil {
		return text
	}
	if info.Alias() == "JSON" {
		return reader{abi.JSON, "CAST(%s AS VARCHAR)", true}
	}
	switch info.InternalType() {
	case duckdb.TYPE_BOOLEAN:
		return reader{typ: abi.Boolean}
	case duckdb.TYPE_TINYINT, duckdb.TYPE_SMALLINT, duckdb.TYPE_INTEGER, duckdb.TYPE_BIGINT, duckdb.TYPE_UTINYINT,
		duckdb.TYPE_USMALLINT, duckdb.TYPE_UINTEGER:
		return reader{typ: abi.BigInt}
	case duckdb.TYPE_FLOAT, duckdb.TYPE_DOUBLE:
		return reader{typ: abi.Double}
	case duckdb.TYPE_TIMESTAMP_TZ:
		return reader{typ: abi.TimestampTZ}
	case duckdb.TYPE_UBIGINT, duckdb.TYPE_HUGEINT, duckdb.TYPE_UHUGEINT, duckdb.TYPE_BIGNUM, duckdb.TYPE_DECIMAL: // digits are a JSON number
		return reader{abi.Double, "CAST(%s AS VARCHAR)", true}
	case duckdb.TYPE_LIST, duckdb.TYPE_ARRAY, duckdb.TYPE_STRUCT, duckdb.TYPE_MAP, duckdb.TYPE_UNION:
		return reader{abi.JSON, "CAST(system.main.to_json(%s) AS VARCHAR)", true}
	case duckdb.TYPE_VARCHAR:
		if info.Alias() == "" {
			return reader{typ: abi.Varchar}
		}
	case duckdb.TYPE_SQLNULL:
		return reader{typ: abi.Varchar}
	}
	return text
}

// readable wraps a query, where its columns have types that duckdb-go would hand over with a loss: JSON as parsed,
// numbers as floats, members without their order.
func readable(statement string, p prepared) (string, []reader) {
	if p.kind != duckdb.STATEMENT_TYPE_SELECT || len(p.types) == 0 {
		return statement, nil
	}
	readers := make([]reader, len(p.types))
	wrap := false
	var list, names strings.Builder
	for i, t := range p.types {
		readers[i] = readerOf(t)
		column := "c" + strconv.Itoa(i)
		if i > 0 {
			list.WriteString(", ")
			names.WriteString(", ")
		}
		names.WriteString(column)
		if readers[i].cast == "" {
			list.WriteString(column)
			continue
		}
		wrap = true
		fmt.Fprintf(&list, readers[i].cast, column)
	}
	if !wrap {
		return statement, readers
	}
	// The line break ends a comment that the statement may end in.
	return "SELECT " + list.String() + " FROM (" + statement + "\n) AS q(" + names.String() + ")", readers
}

// Result is what a statement answers.
type Result struct {
	Columns []abi.Column
	Changed int64 // rows that a statement without rows wrote; -1 where that does not apply

	rows    *dbsql.Rows
	readers []reader
	more    [][]any // rows after those of DuckDB
}

func newResult(p prepared, readers []reader, rows *dbsql.Rows) (*Result, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	r := &Result{Changed: -1, rows: rows, readers: readers}
	if readers == nil { // no query: what it answers is known when it has run
		switch {
		case len(names) == 0 || p.kind == duckdb.STATEMENT_TYPE_VARIABLE_SET || p.kind == duckdb.STATEMENT_TYPE_SET:
			return r, drain(rows)
		case len(names) == 1 && names[0] == "Count" && counts(p.kind):
			if rows.Next() {
				if err := rows.Scan(&r.Changed); err != nil {
					return nil, err
				}
			}
			return r, drain(rows)
		case len(names) == 1 && names[0] == "Success":
			return r, drain(rows)
		}
		r.readers = make([]reader, len(names))
	} else {
		names = p.names
	}
	for i, n := range names {
		r.Columns = append(r.Columns, abi.Column{Name: n, Type: r.readers[i].typ})
	}
	return r, nil
}

// counts reports whether a statement of a kind answers how many rows it wrote.
func counts(kind duckdb.StmtType) bool {
	switch kind {
	case duckdb.STATEMENT_TYPE_INSERT, duckdb.STATEMENT_TYPE_UPDATE, duckdb.STATEMENT_TYPE_DELETE, duckdb.STATEMENT_TYPE_COPY,
		duckdb.STATEMENT_TYPE_CREATE, duckdb.STATEMENT_TYPE_EXPORT:
		return true
	}
	return false
}

func drain(rows *dbsql.Rows) error {
	for rows.Next() {
	}
	return rows.Err()
}

// Rows walks the rows. Their values are by Columns: nil for NULL, else string, bool, int64, float64, time.Time or
// json.RawMessage. A row is valid until the iteration goes on. They are read once.
func (r *Result) Rows() iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		values := make([]any, len(r.Columns))
		targets := make([]any, len(r.Columns))
		for i := range values {
			targets[i] = &values[i]
		}
		for len(values) > 0 && r.rows.Next() {
			if err := r.rows.Scan(targets...); err != nil {
				yield(nil, err)
				return
			}
			for i, v := range values {
				values[i] = plain(v, r.readers[i].raw)
			}
			if !yield(values, nil) {
				return
			}
		}
		if err := r.rows.Err(); err != nil {
			yield(nil, err)
			return
		}
		for _, row := range r.more {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// plain is a value of duckdb-go as one of a row.
func plain(v any, raw bool) any {
	switch v := v.(type) {
	case nil, bool, int64:
		return v
	case string:
		if raw {
			return rawJSON(v)
		}
		return v
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case float32:
		return double(float64(v))
	case float64:
		return double(v)
	case time.Time:
		return v.UTC()
	case uint64:
		return json.RawMessage(strconv.FormatUint(v, 10))
	case *big.Int:
		return json.RawMessage(v.String())
	case []byte:
		return string(v)
	case fmt.Stringer:
		return v.String()
	}
	b, err := json.Marshal(withTimes(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return json.RawMessage(b)
}

// double is a number, or as text one that JSON has no form for.
func double(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

// rawJSON is a JSON text on one line.
func rawJSON(s string) any {
	if strings.ContainsAny(s, "\n\r") {
		var b bytes.Buffer
		if json.Compact(&b, []byte(s)) == nil {
			return json.RawMessage(b.Bytes())
		}
	}
	return json.RawMessage(s)
}

// withTimes is a list or struct of DuckDB's with its times as text of one length.
func withTimes(v any) any {
	switch v := v.(type) {
	case time.Time:
		return records.FormatTime(v)
	case []any:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = withTimes(e)
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for name, e := range v {
			all[name] = withTimes(e)
		}
		return all
	}
	return v
}
