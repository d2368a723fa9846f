package egress

import (
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffer holds one response body. Release it when its bytes are no longer used. A nil Buffer is empty.
type Buffer struct {
	b        []byte
	class    int    // index of its pool; -1 if it is not pooled
	memory   Memory // counts the memory until Release; may be nil
	released atomic.Bool
}

// Pooled buffers have sizes that are powers of two from 4 KiB to 64 MiB.
const (
	minClass = 12
	maxClass = 26
)

var pools [maxClass - minClass + 1]sync.Pool

// newBuffer returns an empty buffer for at least size bytes, which memory counts until it is released.
func newBuffer(size int64, memory Memory) (*Buffer, error) {
	class := max(bits.Len64(uint64(max(size, 1)-1)), minClass)
	if class > maxClass {
		class = -1
	} else {
		size = 1 << class
		class -= minClass
	}
	if memory != nil {
		if err := memory.Take(size); err != nil {
			return nil, memoryError{err}
		}
	}
	b := &Buffer{class: class, memory: memory}
	if class >= 0 {
		if p, ok := pools[class].Get().(*[]byte); ok {
			b.b = (*p)[:0]
			return b, nil
		}
	}
	b.b = make([]byte, 0, size)
	return b, nil
}

// memoryError is the error for a body that memory has no room for.
type memoryError struct{ error }

// Bytes returns the body, or nil after Release. Its capacity ends with the body.
func (b *Buffer) Bytes() []byte {
	if b == nil {
		return nil
	}
	return b.b[:len(b.b):len(b.b)]
}

// Len returns the length of the body in bytes.
func (b *Buffer) Len() int {
	if b == nil {
		return 0
	}
	return len(b.b)
}

// Shorten keeps the first n bytes of the body.
func (b *Buffer) Shorten(n int) { b.b = b.b[:n] }

// Held returns the size of the memory of the body in bytes: up to twice its length.
func (b *Buffer) Held() int64 {
	if b == nil {
		return 0
	}
	return int64(cap(b.b))
}

// Release frees the memory. Further calls do nothing, even concurrent ones: otherwise two bodies could share memory.
func (b *Buffer) Release() {
	if b == nil || b.released.Swap(true) {
		return
	}
	if b.memory != nil {
		b.memory.Give(int64(cap(b.b)))
	}
	if b.class >= 0 {
		mem := b.b[:0]
		pools[b.class].Put(&mem)
	}
	b.b = nil
}

var errTooLarge = errors.New("larger than the body limit")

// readBuffer reads a body of at most limit bytes. It returns nil for an empty one. expected is its length according
// to the server, or -1.
func readBuffer(r io.Reader, expected, limit int64, memory Memory) (*Buffer, error) {
	if expected > limit {
		return nil, errTooLarge
	}
	if expected < 0 {
		expected = 16 << 10
	}
	b, err := newBuffer(expected+1, memory) // one more, to notice the end without growing
	if err != nil {
		return nil, err
	}
	for {
		if len(b.b) == cap(b.b) {
			bigger, err := newBuffer(int64(cap(b.b))*2, memory)
			if err != nil {
				b.Release()
				return nil, err
			}
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
