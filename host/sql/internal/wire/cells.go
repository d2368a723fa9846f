package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// A batch of rows is encoded row by row, and a row cell by cell. A cell is a byte, 0 for NULL and 1 for a value, followed
// by the value in the column's type: 1 byte for BOOLEAN, 8 for BIGINT, DOUBLE and TIMESTAMPTZ (microseconds since 1970), a
// length of 4 bytes and the text for VARCHAR and JSON.

// AppendNull encodes NULL.
func AppendNull(b []byte) []byte { return append(b, 0) }

// AppendBool encodes a BOOLEAN.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1, 1)
	}
	return append(b, 1, 0)
}

// AppendInt encodes a BIGINT, or the microseconds of a TIMESTAMPTZ.
func AppendInt(b []byte, v int64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, 1), uint64(v))
}

// AppendDouble encodes a DOUBLE.
func AppendDouble(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, 1), math.Float64bits(v))
}

// AppendText encodes a VARCHAR or JSON.
func AppendText[T string | []byte](b []byte, v T) []byte {
	return append(binary.LittleEndian.AppendUint32(append(b, 1), uint32(len(v))), v...)
}

// ErrBatch means that a batch is not what its columns say.
var ErrBatch = errors.New("the batch of rows is damaged")

// Cells decodes the cells of a batch one after another. After an error all cells are NULL.
type Cells struct {
	b   []byte
	err error
}

// NewCells returns the cells of a batch.
func NewCells(batch []byte) Cells { return Cells{b: batch} }

// Err returns ErrBatch if a cell could not be decoded.
func (c *Cells) Err() error { return c.err }

// take splits n bytes off.
func (c *Cells) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.err = nil, ErrBatch
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// Null reports whether the cell is NULL. If it is not, its value must be taken next.
func (c *Cells) Null() bool {
	b := c.take(1)
	return b == nil || b[0] == 0
}

// Bool takes a BOOLEAN.
func (c *Cells) Bool() bool {
	b := c.take(1)
	return b != nil && b[0] == 1
}

// Int takes a BIGINT or TIMESTAMPTZ.
func (c *Cells) Int() int64 {
	b := c.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// Double takes a DOUBLE.
func (c *Cells) Double() float64 { return math.Float64frombits(uint64(c.Int())) }

// Text takes a VARCHAR or JSON. It is a view into the batch.
func (c *Cells) Text() []byte {
	b := c.take(4)
	if b == nil {
		return nil
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(c.b)) {
		c.b, c.err = nil, ErrBatch
		return nil
	}
	return c.take(int(n))
}
