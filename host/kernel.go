package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"github.com/tetratelabs/wazero/api"
)

// kernel is the memory of messages of one instance: what Extism calls its kernel. go-sdk brings one as a Wasm module,
// whose books lie in the very memory that guests write in, so that a guest could have it walk in a circle for ever, in
// code that nothing stops (RATIONALE.md, "Why does the host have a kernel of its own?"). This one answers go-sdk's
// imports in its place, as a module whose functions are Go: its books are out of reach, and every message ends with the
// call.
//
// A block is named by its offset, from kernelBase on; 0 is none. It is not safe for concurrent use, like the instance.
type kernel struct {
	api.Module // go-sdk's, for what no import asks for

	buf       []byte // from offset 0 on; what lies behind its length is zero
	limit     int    // most bytes of buf
	blocks    []block
	free      []int // indices of blocks that may be used again
	input     span
	output    span
	failure   uint64 // offset of the guest's error text
	functions map[string]api.Function
	memory    kernelMemory
}

// block is a message's place. The zero size of a freed one is no length of a message.
type block struct {
	offset uint32
	room   uint32 // bytes that lie there
	size   uint32 // bytes that were asked for; 0 is free
}

// span is a part of the kernel's memory.
type span struct{ offset, length uint64 }

const (
	kernelBase = 64       // no block is at 0, and none is at an offset that a confused guest would hit
	maxBlocks  = 1 << 20  // of a call: their books take 12 bytes each
	kernelKeep = 64 << 10 // of buf and blocks, in bytes, that an idle instance keeps
)

// errOutside is a load, store or length that lies outside of all messages of the call.
var errOutside = errors.New("outside of the call's messages")

func newKernel(behind api.Module, limit int) *kernel {
	k := &kernel{Module: behind, limit: limit}
	k.memory.k = k
	k.reset()
	def := func(f func(stack []uint64) error) api.Function { return &kernelFunction{f: f} }
	k.functions = map[string]api.Function{
		"alloc":         def(func(s []uint64) error { s[0] = k.alloc(s[0]); return nil }),
		"free":          def(func(s []uint64) error { k.release(s[0]); return nil }),
		"length":        def(func(s []uint64) error { s[0] = k.length(s[0]); return nil }),
		"length_unsafe": def(func(s []uint64) error { s[0] = k.length(s[0]); return nil }),
		"load_u8":       def(func(s []uint64) (err error) { s[0], err = k.byteAt(s[0]); return err }),
		"input_load_u8": def(func(s []uint64) (err error) { s[0], err = k.byteAt(k.input.offset + min(s[0], 1<<32)); return err }),
		"store_u8": def(func(s []uint64) error {
			if !k.inside(s[0], 1) {
				return fmt.Errorf("store_u8 at %#x: %w", s[0], errOutside)
			}
			k.buf[s[0]] = byte(s[1])
			return nil
		}),
		"input_length":  def(func(s []uint64) error { s[0] = k.input.length; return nil }),
		"input_offset":  def(func(s []uint64) error { s[0] = k.input.offset; return nil }),
		"output_length": def(func(s []uint64) error { s[0] = k.output.length; return nil }),
		"output_offset": def(func(s []uint64) error { s[0] = k.output.offset; return nil }),
		"output_set": def(func(s []uint64) error {
			if !k.inside(s[0], s[1]) && s[1] > 0 {
				return fmt.Errorf("output_set with %d bytes at %#x: %w", s[1], s[0], errOutside)
			}
			k.output = span{s[0], s[1]}
			return nil
		}),
		"error_set": def(func(s []uint64) error { k.failure = s[0]; return nil }),
		"error_get": def(func(s []uint64) error { s[0] = k.failure; return nil }),
	}
	return k
}

// reset forgets every message: before a call, and after it, so that an idle instance holds nothing of anybody's.
func (k *kernel) reset() {
	clear(k.buf)
	if cap(k.buf) > kernelKeep || k.buf == nil {
		k.buf = make([]byte, kernelBase, kernelBase+4<<10)
	}
	k.buf = k.buf[:kernelBase]
	if cap(k.blocks) > kernelKeep/12 {
		k.blocks = nil
	}
	k.blocks, k.free = k.blocks[:0], k.free[:0]
	k.input, k.output, k.failure = span{}, span{}, 0
}

// alloc is the offset of a new block of n bytes, 0 when there is no room.
func (k *kernel) alloc(n uint64) uint64 {
	if n == 0 || n > uint64(k.limit) {
		return 0
	}
	for i, at := range k.free[max(0, len(k.free)-64):] { // a bound, so that no list makes it slow
		if b := &k.blocks[at]; uint64(b.room) >= n {
			i += max(0, len(k.free)-64)
			k.free = append(k.free[:i], k.free[i+1:]...)
			b.size = uint32(n)
			clear(k.buf[b.offset : b.offset+b.room])
			return uint64(b.offset)
		}
	}
	offset, room := len(k.buf), int(n+7)&^7
	if offset+room > k.limit || len(k.blocks) >= maxBlocks {
		return 0
	}
	if offset+room <= cap(k.buf) {
		k.buf = k.buf[:offset+room]
	} else {
		k.buf = append(k.buf, make([]byte, room)...)
	}
	k.blocks = append(k.blocks, block{uint32(offset), uint32(room), uint32(n)})
	return uint64(offset)
}

// release is free.
func (k *kernel) release(offset uint64) {
	if i := k.find(offset); i >= 0 && k.blocks[i].size > 0 {
		k.blocks[i].size = 0
		k.free = append(k.free, i)
	}
}

// find is the index of the block at an offset, -1 when none begins there.
func (k *kernel) find(offset uint64) int {
	i := sort.Search(len(k.blocks), func(i int) bool { return uint64(k.blocks[i].offset) >= offset })
	if i == len(k.blocks) || uint64(k.blocks[i].offset) != offset {
		return -1
	}
	return i
}

// length is that of the message at an offset, 0 when there is none.
func (k *kernel) length(offset uint64) uint64 {
	if i := k.find(offset); i >= 0 {
		return uint64(k.blocks[i].size)
	}
	return 0
}

// inside reports whether so many bytes lie where blocks are.
func (k *kernel) inside(offset, n uint64) bool {
	return offset >= kernelBase && offset <= uint64(len(k.buf)) && n <= uint64(len(k.buf))-offset
}

func (k *kernel) byteAt(offset uint64) (uint64, error) {
	if !k.inside(offset, 1) {
		return 0, fmt.Errorf("load_u8 at %#x: %w", offset, errOutside)
	}
	return uint64(k.buf[offset]), nil
}

// view is a part of the memory, until the next alloc.
func (k *kernel) view(offset, n uint64) (b []byte, ok bool) {
	if !k.inside(offset, n) {
		return nil, false
	}
	return k.buf[offset : offset+n : offset+n], true
}

// put makes a block of a message, padded with spaces to whole words; its offset is 0 when there is no room for it.
func (k *kernel) put(message []byte) uint64 {
	n := (len(message) + 7) &^ 7
	offset := k.alloc(uint64(n))
	if offset == 0 {
		return 0
	}
	at := copy(k.buf[offset:], message)
	copy(k.buf[int(offset)+at:int(offset)+n], "       ")
	return offset
}

// ExportedFunction implements api.Module, for go-sdk.
func (k *kernel) ExportedFunction(name string) api.Function { return k.functions[name] }

// ExportedMemory implements api.Module, for go-sdk's load_u64 and store_u64.
func (k *kernel) ExportedMemory(string) api.Memory { return &k.memory }

// kernelMemory is the kernel's memory as go-sdk's imports see it.
type kernelMemory struct {
	api.Memory // nil: no import asks for the rest
	k          *kernel
}

// ReadUint64Le implements api.Memory.
func (m *kernelMemory) ReadUint64Le(offset uint32) (uint64, bool) {
	k := m.k
	if !k.inside(uint64(offset), 8) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(k.buf[offset:]), true
}

// WriteUint64Le implements api.Memory.
func (m *kernelMemory) WriteUint64Le(offset uint32, v uint64) bool {
	k := m.k
	if !k.inside(uint64(offset), 8) {
		return false
	}
	binary.LittleEndian.PutUint64(k.buf[offset:], v)
	return true
}

// kernelFunction is one of the kernel's functions, as go-sdk calls them. An error traps the guest.
type kernelFunction struct {
	api.Function
	f func(stack []uint64) error
}

// CallWithStack implements api.Function.
func (f *kernelFunction) CallWithStack(_ context.Context, stack []uint64) error { return f.f(stack) }
