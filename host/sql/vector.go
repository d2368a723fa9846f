//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
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

// vector is a column of a chunk that is being filled. It writes to DuckDB's memory as its C API lays down: an array of
// values, and a bit for each that is not NULL. A call into C for each would cost more than all the rest.
type vector struct {
	raw      mapping.Vector
	typ      abi.ColumnType
	data     unsafe.Pointer
	validity []uint64 // made with the first NULL
}

func newVector(v duckdb.Vector, t abi.ColumnType) vector {
	raw := rawVector(v)
	return vector{raw: raw, typ: t, data: mapping.VectorGetData(raw)}
}

// set sets a row to what a cell is in the vector's type, NULL where it does not fit.
func (v *vector) set(row int, cell host.Cell) {
	ok := false
	switch v.typ {
	case abi.Boolean:
		var value bool
		if value, ok = cell.Boolean(); ok {
			put(v, row, value)
		}
	case abi.BigInt:
		var value int64
		if value, ok = cell.BigInt(); ok {
			put(v, row, value)
		}
	case abi.Double:
		var value float64
		if value, ok = cell.Double(); ok {
			put(v, row, value)
		}
	case abi.TimestampTZ:
		var value time.Time
		if value, ok = cell.Time(); ok {
			put(v, row, value.UnixMicro())
		}
	case abi.JSON:
		if ok = !cell.Null(); ok {
			v.setText(row, cell)
		}
	default:
		var value string
		if value, ok = cell.Text(); ok {
			v.setText(row, unsafe.Slice(unsafe.StringData(value), len(value)))
		}
	}
	if !ok {
		v.setNull(row)
	}
}

func put[T any](v *vector, row int, value T) {
	*(*T)(unsafe.Add(v.data, uintptr(row)*unsafe.Sizeof(value))) = value
}

// setText sets a row to a text byte for byte. DuckDB copies it, and makes NULL of what is not UTF-8.
func (v *vector) setText(row int, text []byte) {
	mapping.VectorAssignStringElementLen(v.raw, mapping.IdxT(row), text)
}

func (v *vector) setNull(row int) {
	if v.validity == nil {
		mapping.VectorEnsureValidityWritable(v.raw)
		mask := mapping.VectorGetValidity(v.raw)
		v.validity = unsafe.Slice((*uint64)(mask), (duckdb.GetDataChunkCapacity()+63)/64)
	}
	v.validity[row/64] &^= 1 << (row % 64)
}
