package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// MaxMessage is the size limit of one message that a guest passes to a host function or returns, in bytes.
const MaxMessage = 1 << 20

// Messages is the message memory of one instance; Extism calls it the kernel. Guests use it through the imports of
// extism:host/env. Its bookkeeping is in Go memory, out of the guest's reach (see RATIONALE.md). Messages do not
// outlive the call.
//
// A block is identified by its offset; offset 0 means no block. Messages is not safe for concurrent use.
type Messages struct {
	buf     []byte // from offset 0; bytes between len and cap are zero
	space   space  // holds buf
	limit   int    // size limit of buf and linear memory together
	linear  *linear
	meter   *meter // may be nil
	blocks  []block
	free    []int // indices of freed blocks
	input   span
	output  span
	failure uint64 // offset of the guest's error text
}

// block is the place of one message. Size 0 marks a freed block.
type block struct {
	offset uint32
	room   uint32 // allocated bytes
	size   uint32 // requested bytes
}

// span is a range of the message memory.
type span struct{ offset, length uint64 }

const (
	messagesBase = 64       // offset of the first block
	maxBlocks    = 1 << 17  // blocks of one call; a block's bookkeeping takes 20 bytes
	messagesKeep = 64 << 10 // buf and blocks each keep at most this many bytes while idle
	messagesStep = 1 << 20  // buf doubles up to this step, and grows by it from then on
	messagesFree = 4 << 20  // buf may have this many bytes in addition to linear memory of the largest size
)

// errOutside is the error for a load, store or length outside the call's messages.
var errOutside = errors.New("outside the call's messages")

// newMessages returns an empty memory. It shares the limit with a linear memory, which may be nil. Close it after use.
func newMessages(limit int, l *linear) (*Messages, error) {
	m := &Messages{limit: wholeSteps(limit), linear: l}
	var err error
	if m.space, err = reserve(uint64(m.limit)); err != nil {
		return nil, err
	}
	if m.buf = m.space.resize(0, messagesKeep); m.buf == nil {
		m.close()
		return nil, errors.New("there is no memory for messages")
	}
	m.reset()
	return m, nil
}

// reset deletes all messages. It runs before and after each call, so that an idle instance keeps no data of its
// callers.
func (m *Messages) reset() {
	clear(m.buf)
	if cap(m.buf) > messagesKeep {
		m.buf = m.space.renew(messagesKeep)
	}
	m.buf = m.buf[:messagesBase]
	if cap(m.blocks) > messagesKeep/12 {
		m.blocks, m.free = nil, nil
	}
	m.blocks, m.free = m.blocks[:0], m.free[:0]
	m.input, m.output, m.failure = span{}, span{}, 0
}

// close frees the memory. No message can be used afterwards.
func (m *Messages) close() {
	m.buf = nil
	m.space.free()
}

// wholeSteps rounds a size up.
func wholeSteps(size int) int { return (size + messagesKeep - 1) &^ (messagesKeep - 1) }

// grow makes room for size bytes, without copying where the system can. It returns false at the limit.
func (m *Messages) grow(size int) bool {
	if size <= cap(m.buf) {
		return true
	}
	most := m.limit
	if m.linear != nil {
		most = max(min(messagesFree, m.limit), m.limit-int(m.linear.size))
	}
	if size = wholeSteps(size); size > most {
		return false
	}
	size = min(max(size, wholeSteps(cap(m.buf)+min(cap(m.buf), messagesStep))), most)
	if !m.meter.take(int64(size - cap(m.buf))) {
		return false
	}
	b := m.space.resize(uint64(cap(m.buf)), uint64(size))
	if b == nil {
		return false
	}
	m.buf = b[:len(m.buf):size]
	return true
}

// empty reports whether m is in the state after reset.
func (m *Messages) empty() bool {
	for _, b := range m.buf[:cap(m.buf)] {
		if b != 0 {
			return false
		}
	}
	return len(m.buf) == messagesBase && len(m.blocks) == 0 && len(m.free) == 0 && m.input == span{} && m.output == span{} && m.failure == 0
}

// Read returns the message at an offset. It returns an empty message if there is none or it is over MaxMessage. The
// slice is valid until the next message is written.
func (m *Messages) Read(offset uint64) []byte {
	n := m.length(offset)
	if n > MaxMessage {
		return nil
	}
	b, _ := m.view(offset, n)
	return b
}

// Write stores a message in a new block, padded with spaces to whole 8-byte words, and returns the block's offset. It
// returns 0 for an empty message, and if there is no room.
func (m *Messages) Write(message []byte) uint64 {
	n := (len(message) + 7) &^ 7
	offset := m.alloc(uint64(n))
	if offset == 0 {
		return 0
	}
	at := copy(m.buf[offset:], message)
	copy(m.buf[int(offset)+at:int(offset)+n], "       ")
	return offset
}

// WriteJSON is Write for a value as JSON. It returns 0 for a value that has none.
func (m *Messages) WriteJSON(v any) uint64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return m.Write(b)
}

// alloc returns the offset of a new block of n bytes, or 0 if there is no room.
func (m *Messages) alloc(n uint64) uint64 {
	if n == 0 || n > uint64(m.limit) {
		return 0
	}
	const searched = 64 // freed blocks; bounds the time of alloc
	for i := max(0, len(m.free)-searched); i < len(m.free); i++ {
		if b := &m.blocks[m.free[i]]; uint64(b.room) >= n {
			m.free = append(m.free[:i], m.free[i+1:]...)
			b.size = uint32(n)
			clear(m.buf[b.offset : b.offset+b.room])
			return uint64(b.offset)
		}
	}
	offset, room := len(m.buf), int(n+7)&^7
	if len(m.blocks) >= maxBlocks || !m.grow(offset+room) {
		return 0
	}
	m.buf = m.buf[:offset+room]
	m.blocks = append(m.blocks, block{uint32(offset), uint32(room), uint32(n)})
	return uint64(offset)
}

// release frees the block at an offset, if there is one.
func (m *Messages) release(offset uint64) {
	if i := m.find(offset); i >= 0 && m.blocks[i].size > 0 {
		m.blocks[i].size = 0
		m.free = append(m.free, i)
	}
}

// find returns the index of the block that starts at an offset, or -1.
func (m *Messages) find(offset uint64) int {
	i := sort.Search(len(m.blocks), func(i int) bool { return uint64(m.blocks[i].offset) >= offset })
	if i == len(m.blocks) || uint64(m.blocks[i].offset) != offset {
		return -1
	}
	return i
}

// length returns the size of the message at an offset, or 0 if there is none.
func (m *Messages) length(offset uint64) uint64 {
	if i := m.find(offset); i >= 0 {
		return uint64(m.blocks[i].size)
	}
	return 0
}

// inside reports whether n bytes at an offset are within the allocated blocks.
func (m *Messages) inside(offset, n uint64) bool {
	return offset >= messagesBase && offset <= uint64(len(m.buf)) && n <= uint64(len(m.buf))-offset
}

// view returns a range of the memory, valid until the next alloc.
func (m *Messages) view(offset, n uint64) (b []byte, ok bool) {
	if !m.inside(offset, n) {
		return nil, false
	}
	return m.buf[offset : offset+n : offset+n], true
}

// guestError returns the error text set by the guest's error_set, if any, to append to a sentence.
func (m *Messages) guestError() string {
	text, ok := m.view(m.failure, min(m.length(m.failure), tailSize))
	if !ok || len(text) == 0 {
		return ""
	}
	return ": " + strings.TrimRight(string(text), " ")
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// messageFunctions returns the imports of extism:host/env that a module may use. If one returns an error, the guest
// traps.
func messageFunctions() []function {
	words := func(types ...api.ValueType) []api.ValueType { return types }
	define := func(name string, params, results []api.ValueType, f func(m *Messages, s []uint64) error) function {
		return function{name, params, results, func(g *guestContext, s []uint64) {
			if err := f(g.instance.messages, s); err != nil {
				panic(fmt.Errorf("%s: %w", name, err))
			}
		}}
	}
	load8 := func(m *Messages, offset uint64) (uint64, error) {
		if !m.inside(offset, 1) {
			return 0, fmt.Errorf("at %#x: %w", offset, errOutside)
		}
		return uint64(m.buf[offset]), nil
	}
	load64 := func(m *Messages, offset uint64) (uint64, error) {
		if !m.inside(offset, 8) {
			return 0, fmt.Errorf("at %#x: %w", offset, errOutside)
		}
		return binary.LittleEndian.Uint64(m.buf[offset:]), nil
	}
	fromInput := func(m *Messages, offset uint64) uint64 { return m.input.offset + min(offset, 1<<32) }
	return []function{
		define("alloc", words(i64), words(i64), func(m *Messages, s []uint64) error { s[0] = m.alloc(s[0]); return nil }),
		define("free", words(i64), nil, func(m *Messages, s []uint64) error { m.release(s[0]); return nil }),
		define("length", words(i64), words(i64), func(m *Messages, s []uint64) error { s[0] = m.length(s[0]); return nil }),
		define("length_unsafe", words(i64), words(i64), func(m *Messages, s []uint64) error { s[0] = m.length(s[0]); return nil }),
		define("load_u8", words(i64), words(i32), func(m *Messages, s []uint64) (err error) { s[0], err = load8(m, s[0]); return err }),
		define("load_u64", words(i64), words(i64), func(m *Messages, s []uint64) (err error) { s[0], err = load64(m, s[0]); return err }),
		define("input_length", nil, words(i64), func(m *Messages, s []uint64) error { s[0] = m.input.length; return nil }),
		define("input_load_u8", words(i64), words(i32), func(m *Messages, s []uint64) (err error) { s[0], err = load8(m, fromInput(m, s[0])); return err }),
		define("input_load_u64", words(i64), words(i64), func(m *Messages, s []uint64) (err error) { s[0], err = load64(m, fromInput(m, s[0])); return err }),
		define("store_u8", words(i64, i32), nil, func(m *Messages, s []uint64) error {
			if !m.inside(s[0], 1) {
				return fmt.Errorf("at %#x: %w", s[0], errOutside)
			}
			m.buf[s[0]] = byte(s[1])
			return nil
		}),
		define("store_u64", words(i64, i64), nil, func(m *Messages, s []uint64) error {
			if !m.inside(s[0], 8) {
				return fmt.Errorf("at %#x: %w", s[0], errOutside)
			}
			binary.LittleEndian.PutUint64(m.buf[s[0]:], s[1])
			return nil
		}),
		define("output_set", words(i64, i64), nil, func(m *Messages, s []uint64) error {
			if !m.inside(s[0], s[1]) && s[1] > 0 {
				return fmt.Errorf("%d bytes at %#x: %w", s[1], s[0], errOutside)
			}
			m.output = span{s[0], s[1]}
			return nil
		}),
		define("error_set", words(i64), nil, func(m *Messages, s []uint64) error { m.failure = s[0]; return nil }),
	}
}
