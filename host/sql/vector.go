//go:build cgo && ((linux || darwin) && (amd64 || arm64) || windows && amd64)

package sql

import (
	"reflect"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// rawVector is the DuckDB vector behind duckdb-go's: RATIONALE.md, "Why does SQL read unexported fields of duckdb-go?".
func rawVector(v duckdb.Vector) mapping.Vector {
	inner := reflect.ValueOf(v).FieldByName("v")
	if inner.Kind() == reflect.Pointer && !inner.IsNil() {
		if raw := inner.Elem().FieldByName("vec"); raw.IsValid() && raw.Type() == reflect.TypeFor[mapping.Vector]() {
			return mapping.Vector{Ptr: raw.FieldByName("Ptr").UnsafePointer()}
		}
	}
	panic("duckdb-go has renamed the fields of its vectors: host/sql/vector.go reads them")
}

// assign sets a string. DuckDB copies it, and makes NULL of what is not UTF-8.
func assign(v mapping.Vector, row int, s string) {
	mapping.VectorAssignStringElement(v, mapping.IdxT(row), s)
}

// assignBytes is assign for JSON, byte for byte.
func assignBytes(v mapping.Vector, row int, b []byte) {
	mapping.VectorAssignStringElementLen(v, mapping.IdxT(row), b)
}

func setNull(v mapping.Vector, row int) {
	mapping.VectorEnsureValidityWritable(v)
	mapping.ValiditySetRowInvalid(mapping.VectorGetValidity(v), mapping.IdxT(row))
}
