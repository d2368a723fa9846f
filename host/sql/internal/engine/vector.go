//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// vector is a column of a chunk that is being filled. It writes to DuckDB's memory as its C API lays down: an array of
// values, and a bit for each that is not NULL. A call into C for each would cost more than all the rest.
type vector struct {
	raw      mapping.Vector
	typ      abi.ColumnType
	data     unsafe.Pointer
	validity []uint64    // made with the first NULL
	seen     *tree.Value // gets the value of each row, unless nil
}

func newVector(raw mapping.Vector, t abi.ColumnType) vector {
	return vector{raw: raw, typ: t, data: mapping.VectorGetData(raw)}
}

// set sets a row to the next cell.
func (v *vector) set(row int, cells *wire.Cells) {
	var value tree.Value
	switch {
	case cells.Null():
		v.setNull(row)
	case v.typ == abi.Boolean:
		b := cells.Bool()
		put(v, row, b)
		if v.seen != nil {
			value = b
		}
	case v.typ == abi.BigInt || v.typ == abi.TimestampTZ:
		n := cells.Int()
		put(v, row, n)
		if v.seen != nil {
			value = n
		}
	case v.typ == abi.Double:
		put(v, row, cells.Double())
		value = 0.0 // no condition compares it
	default:
		text := cells.Text()
		v.setText(row, text)
		if v.seen != nil {
			value = text
		}
	}
	if v.seen != nil {
		*v.seen = value
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
		v.validity = unsafe.Slice((*uint64)(mapping.VectorGetValidity(v.raw)), (mapping.VectorSize()+63)/64)
	}
	v.validity[row/64] &^= 1 << (row % 64)
}

// texts reads a VARCHAR column of a chunk.
type texts struct {
	data     unsafe.Pointer
	validity unsafe.Pointer // nil where nothing is NULL
}

func newTexts(chunk mapping.DataChunk, column int) texts {
	raw := mapping.DataChunkGetVector(chunk, mapping.IdxT(column))
	return texts{mapping.VectorGetData(raw), mapping.VectorGetValidity(raw)}
}

// at returns the text of a row; NULL is not ok.
func (t texts) at(row int) (text string, ok bool) {
	if t.validity != nil && *(*uint64)(unsafe.Add(t.validity, row/64*8))&(1<<(row%64)) == 0 {
		return "", false
	}
	return mapping.StringTData((*mapping.StringT)(unsafe.Add(t.data, uintptr(row)*unsafe.Sizeof(mapping.StringT{})))), true
}
