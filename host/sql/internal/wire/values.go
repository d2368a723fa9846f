package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// The rows of a result are encoded row by row: the length of the row (4 bytes), and then each value as a letter and its
// bytes. A row may begin in one frame and end in another.

// MaxRow is the size in bytes of the largest row of a result.
const MaxRow = 64 << 20

// AppendRow encodes a row. Its values are nil, bool, int64, float64, time.Time, string or json.RawMessage.
func AppendRow(b []byte, row []any) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	text := func(letter byte, s string) {
		b = append(binary.LittleEndian.AppendUint32(append(b, letter), uint32(len(s))), s...)
	}
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case bool:
			if v {
				b = append(b, 't')
			} else {
				b = append(b, 'f')
			}
		case int64:
			b = binary.LittleEndian.AppendUint64(append(b, 'i'), uint64(v))
		case float64:
			b = binary.LittleEndian.AppendUint64(append(b, 'd'), math.Float64bits(v))
		case time.Time:
			b = binary.LittleEndian.AppendUint64(append(b, 'z'), uint64(v.Unix()))
			b = binary.LittleEndian.AppendUint32(b, uint32(v.Nanosecond()))
		case string:
			text('s', v)
		case json.RawMessage:
			text('j', string(v))
		default:
			return b, fmt.Errorf("a value of type %T has no encoding", v)
		}
		if len(b)-start > MaxRow {
			return b, fmt.Errorf("%w: a row of the result is over %d bytes, the most that a result can have: select fewer or shorter columns", ErrLimit, MaxRow)
		}
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

// ErrRow means that a row is not what AppendRow encodes.
var ErrRow = errors.New("the row is damaged")

// RowReader decodes rows from pieces.
type RowReader struct {
	b   []byte
	row []any
}

// NewRowReader returns a reader of rows of so many columns.
func NewRowReader(columns int) *RowReader { return &RowReader{row: make([]any, columns)} }

// Add gives it the next piece.
func (r *RowReader) Add(piece []byte) { r.b = append(r.b, piece...) }

// Rest returns how many bytes of an unfinished row it holds.
func (r *RowReader) Rest() int { return len(r.b) }

// Next returns the next row, or nil if it needs another piece. The row is valid until the next call; its texts stay
// valid.
func (r *RowReader) Next() ([]any, error) {
	if len(r.b) < 4 {
		return nil, nil
	}
	size := binary.LittleEndian.Uint32(r.b)
	if size > MaxRow {
		return nil, ErrRow
	}
	if uint64(len(r.b)-4) < uint64(size) {
		return nil, nil
	}
	b := r.b[4 : 4+size]
	r.b = r.b[4+size:]
	for i := range r.row {
		var ok bool
		if r.row[i], b, ok = value(b); !ok {
			return nil, ErrRow
		}
	}
	if len(b) > 0 {
		return nil, ErrRow
	}
	return r.row, nil
}

// value splits a value off.
func value(b []byte) (v any, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	letter, b := b[0], b[1:]
	n := 0
	switch letter {
	case 'n', 'f', 't':
	case 'i', 'd':
		n = 8
	case 'z':
		n = 12
	case 's', 'j':
		n = 4
	default:
		return nil, nil, false
	}
	if len(b) < n {
		return nil, nil, false
	}
	head, b := b[:n], b[n:]
	switch letter {
	case 'n':
		return nil, b, true
	case 'f', 't':
		return letter == 't', b, true
	case 'i':
		return int64(binary.LittleEndian.Uint64(head)), b, true
	case 'd':
		return math.Float64frombits(binary.LittleEndian.Uint64(head)), b, true
	case 'z':
		ns := binary.LittleEndian.Uint32(head[8:])
		return time.Unix(int64(binary.LittleEndian.Uint64(head)), int64(ns)).UTC(), b, ns < 1e9
	}
	length := binary.LittleEndian.Uint32(head)
	if uint64(length) > uint64(len(b)) {
		return nil, nil, false
	}
	if letter == 'j' {
		return json.RawMessage(append([]byte(nil), b[:length]...)), b[length:], true
	}
	return string(b[:length]), b[length:], true
}
