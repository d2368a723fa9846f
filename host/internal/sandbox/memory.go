package sandbox

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// pageBytes is the page size of WebAssembly memory.
const pageBytes = 64 << 10

// linear is an instance's linear memory. It enforces the limit and can be restored to a snapshot. memory_linux.go and
// memory_other.go implement it.
type linear struct {
	space
	limit   uint64 // maximum size in bytes, messages included
	size    uint64 // current size in bytes
	refused atomic.Bool

	meter    *meter
	messages *Messages // counts against the limit; nil until it exists
}

// messageBytes returns how many bytes of the limit belong to messages.
func (l *linear) messageBytes() uint64 {
	if l.messages == nil {
		return 0
	}
	return uint64(max(0, cap(l.messages.buf)-messagesFree))
}

// Reallocate implements experimental.LinearMemory. After nil, the guest's memory.grow returns -1.
func (l *linear) Reallocate(size uint64) []byte {
	if size+l.messageBytes() > l.limit {
		l.refused.Store(true)
		return nil
	}
	if !l.meter.take(int64(size - l.size)) {
		return nil
	}
	b := l.space.resize(l.size, size)
	if b != nil {
		l.size = size
	}
	return b
}

// Free implements experimental.LinearMemory. It does nothing, since a call may still be running when wazero closes
// the module. Instance.close frees the memory.
func (l *linear) Free() {}

// allocator allocates an instance's memory. wazero cannot return its errors, so err keeps them.
type allocator struct {
	limit  uint64
	memory *linear
	err    error
}

// Allocate implements experimental.MemoryAllocator.
func (a *allocator) Allocate(_, most uint64) experimental.LinearMemory {
	a.memory = &linear{limit: a.limit}
	a.memory.space, a.err = reserve(min(most, a.limit))
	return a.memory
}

// free releases the memory. The instance must be closed.
func (a *allocator) free() {
	if a.memory != nil {
		a.memory.space.free()
	}
}

// snapshot is the state of a module after initialisation. Each call starts from it.
type snapshot struct {
	size    uint64
	globals []uint64
	ticks   int64

	mu     sync.RWMutex
	pages  pages
	closed bool
}

func (s *snapshot) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.pages.close()
	}
}

// capture takes a snapshot of an idle instance and makes the instance share its pages.
func (in *Instance) capture() (*snapshot, error) {
	b, ok := in.module.Memory().Read(0, in.module.Memory().Size())
	if !ok {
		return nil, errors.New("the module's memory cannot be read")
	}
	p, err := newPages(b)
	if err != nil {
		return nil, err
	}
	s := &snapshot{pages: p, size: in.memory.size, ticks: in.ticks, globals: make([]uint64, len(in.globals))}
	for i, g := range in.globals {
		s.globals[i] = g.Get()
	}
	return s, in.adopt(s)
}

// adopt puts a new instance into the state of a snapshot without running any code.
func (in *Instance) adopt(s *snapshot) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("%w: the module", ErrClosed)
	}
	if now := in.memory.size; now < s.size {
		if _, ok := in.module.Memory().Grow(uint32((s.size - now) / pageBytes)); !ok {
			return MemoryError{Needed: s.size, Limit: in.memory.limit}
		}
	}
	if err := in.memory.adopt(s); err != nil {
		return err
	}
	in.reset(s)
	in.snapshot = s
	return nil
}

// restore returns the instance to the snapshot. It returns false if that is impossible and the instance must be
// replaced. The last call must have ended without an error.
func (in *Instance) restore() bool {
	s := in.snapshot
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed || !in.memory.restore(s) {
		return false
	}
	in.reset(s)
	return true
}

// reset restores the state outside the guest's memory.
func (in *Instance) reset(s *snapshot) {
	for i, g := range in.globals {
		g.Set(s.globals[i])
	}
	in.ticks = s.ticks
	in.memory.refused.Store(false)
	in.stderr.buf = in.stderr.buf[:0]
	in.messages.reset()
}

// Verify returns an error that says how an idle instance differs from its snapshot. It compares all of the memory and
// is meant for tests.
func (in *Instance) Verify() error {
	s := in.snapshot
	if s == nil {
		return errors.New("it has no snapshot")
	}
	memory, _ := in.module.Memory().Read(0, in.module.Memory().Size())
	if len(memory) != len(s.pages.all) {
		return fmt.Errorf("memory has %d bytes, the snapshot has %d", len(memory), len(s.pages.all))
	}
	for i := range memory {
		if memory[i] != s.pages.all[i] {
			return fmt.Errorf("byte %#x differs from the snapshot", i)
		}
	}
	for i, g := range in.globals {
		if g.Get() != s.globals[i] {
			return fmt.Errorf("global %d differs from the snapshot", i)
		}
	}
	switch {
	case in.interrupt.Get() != 0:
		return errors.New("its interrupt flag is set")
	case !in.messages.empty():
		return errors.New("its message memory is not empty")
	case in.ticks != s.ticks:
		return errors.New("its clock advanced")
	case len(in.stderr.buf) > 0:
		return errors.New("its standard error is not empty")
	}
	return nil
}

// Snapshot returns the memory of the instance's snapshot, which must not be changed. It is meant for tests.
func (in *Instance) Snapshot() []byte { return in.snapshot.pages.all }
