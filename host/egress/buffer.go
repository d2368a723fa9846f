package egress

import (
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffer holds one answer's body. Release it when nothing refers to its bytes any more; a nil Buffer is an empty one.
type Buffer struct {
	b        []byte
	class    int // index of its pool; -1 is none
	released atomic.Bool
}

// Sizes of pooled buffers are powers of two from 4 KiB to 64 MiB.
const (
	minClass = 12
	maxClass = 26
)

var pools [maxClass - minClass + 1]sync.Pool

func newBuffer(size int64) *Buffer {
	class := max(bits.Len64(uint64(max(size, 1)-1)), minClass)
	if class > maxClass {
		return &Buffer{b: make([]byte, 0, size), class: -1}
	}
	if p, ok := pools[class-minClass].Get().(*[]byte); ok {
		return &Buffer{b: (*p)[:0], class: class - minClass}
	}
	return &Buffer{b: make([]byte, 0, 1<<class), class: class - minClass}
}

// Bytes is the body; nil after Release. It gives no way to what lies in the memory behind it.
func (b *Buffer) Bytes() []byte {
	if b == nil {
		return nil
	}
	return b.b[:len(b.b):len(b.b)]
}

// Len is the body's length in bytes.
func (b *Buffer) Len() int {
	if b == nil {
		return 0
	}
	return len(b.b)
}

// Held is the memory behind the body, in bytes: up to twice its length.
func (b *Buffer) Held() int64 {
	if b == nil {
		return 0
	}
	return int64(cap(b.b))
}

// Release gives the memory back. Releasing twice does nothing, also at the same time: memory that went to two bodies
// would show one to the other.
func (b *Buffer) Release() {
	if b == nil || b.released.Swap(true) {
		return
	}
	if b.class >= 0 {
		mem := b.b[:0]
		pools[b.class].Put(&mem)
	}
	b.b = nil
}

var errTooLarge = errors.New("over the body limit")

// readBuffer reads a body of at most limit bytes; nil is an empty one. expected is its length where the server told,
// else -1.
func readBuffer(r io.Reader, expected, limit int64) (*Buffer, error) {
	if expected > limit {
		return nil, errTooLarge
	}
	if expected < 0 {
		expected = 16 << 10
	}
	b := newBuffer(expected + 1) // one more, so that the end is seen without growing
	for {
		if len(b.b) == cap(b.b) {
			bigger := newBuffer(int64(cap(b.b)) * 2)
			bigger.b = append(bigger.b, b.b...)
			b.Release()
			b = bigger
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if int64(len(b.b)) > limit {
			b.Release()
			return nil, errTooLarge
		}
		if err == io.EOF {
			if len(b.b) == 0 {
				b.Release()
				return nil, nil
			}
			return b, nil
		}
		if err != nil {
			b.Release()
			return nil, err
		}
	}
}
