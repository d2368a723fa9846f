package host

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// linear is an instance's linear memory: it holds the limit, and can be put back to an image (memory_linux.go, and
// memory_other.go for the rest of the world).
type linear struct {
	space
	limit   uint64 // most bytes
	size    uint64 // bytes now
	refused atomic.Bool
}

// Reallocate implements experimental.LinearMemory. nil is "no" to the guest, whose memory.grow answers -1.
func (l *linear) Reallocate(size uint64) []byte {
	if size > l.limit {
		l.refused.Store(true)
		return nil
	}
	b := l.space.resize(l.size, size)
	if b != nil {
		l.size = size
	}
	return b
}

// Free implements experimental.LinearMemory. It leaves the memory to instance.close: when a module is closed under a
// call that still runs, the call has to find it where it was.
func (l *linear) Free() {}

// memories hands out the memory of one instance. The last one that it gives is the module's own; go-sdk's kernel, which
// comes first, is not used.
type memories struct {
	limit uint64
	all   []*linear
	err   error
}

// Allocate implements experimental.MemoryAllocator.
func (m *memories) Allocate(_, most uint64) experimental.LinearMemory {
	l := &linear{limit: max(m.limit, kernelSize)}
	var err error
	if l.space, err = reserve(min(most, l.limit)); err != nil {
		m.err = err
	}
	m.all = append(m.all, l)
	return l
}

// free gives back every memory; the instance is closed.
func (m *memories) free() {
	for _, l := range m.all {
		l.space.free()
	}
}

// kernelSize is what go-sdk's kernel begins with, whatever the limit.
const kernelSize = 17 * pageBytes

// image is the state of a module that has initialised itself and served nobody: what each call begins with.
type image struct {
	size    uint64
	globals []uint64
	ticks   int64

	mu     sync.RWMutex
	pages  picture
	closed bool
}

func (img *image) close() {
	img.mu.Lock()
	defer img.mu.Unlock()
	if !img.closed {
		img.closed = true
		img.pages.close()
	}
}

// capture takes the image of an instance that rests, and has the instance share it.
func (in *instance) capture() (*image, error) {
	b, ok := in.main.Memory().Read(0, in.main.Memory().Size())
	if !ok {
		return nil, errors.New("the module's memory cannot be read")
	}
	pages, err := newPicture(b)
	if err != nil {
		return nil, err
	}
	img := &image{pages: pages, size: in.memory.size, ticks: in.ticks, globals: make([]uint64, len(in.globals))}
	for i, g := range in.globals {
		img.globals[i] = g.Get()
	}
	return img, in.adopt(img)
}

// adopt makes a new instance what the image shows, without its running an instruction.
func (in *instance) adopt(img *image) error {
	img.mu.RLock()
	defer img.mu.RUnlock()
	if img.closed {
		return fmt.Errorf("%w: the module", ErrClosed)
	}
	if now := in.memory.size; now < img.size {
		if _, ok := in.main.Memory().Grow(uint32((img.size - now) / pageBytes)); !ok {
			return beginsOver(img.size, in.memory.limit)
		}
	}
	if err := in.memory.adopt(img); err != nil {
		return err
	}
	in.rest(img)
	in.image = img
	return nil
}

func beginsOver(size, limit uint64) error {
	return fmt.Errorf("the module begins with %d bytes of memory, over the limit of %d (limits.memory_bytes of the connection): raise it", size, limit)
}

// restore makes the instance what it was before its first call. false: it cannot, and has to be replaced. It must rest,
// after a call that went well.
func (in *instance) restore() bool {
	img := in.image
	if img == nil {
		return false
	}
	img.mu.RLock()
	defer img.mu.RUnlock()
	if img.closed || !in.memory.restore(img) {
		return false
	}
	in.rest(img)
	return true
}

// rest puts back what is not the guest's memory.
func (in *instance) rest(img *image) {
	for i, g := range in.globals {
		g.Set(img.globals[i])
	}
	in.ticks = img.ticks
	in.memory.refused.Store(false)
	in.stderr.buf = in.stderr.buf[:0]
	in.kernel.reset()
}
