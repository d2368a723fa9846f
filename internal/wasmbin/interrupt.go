package wasmbin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrInstruction is wrapped by Interruptible's errors for instructions that it refuses.
var ErrInstruction = errors.New("an instruction that this host does not allow")

const (
	sectionTable     = 4
	sectionGlobal    = 6
	sectionElement   = 9
	sectionData      = 11
	sectionCode      = 10
	sectionDataCount = 12
)

// Limits of Interruptible. Tables are outside a module's memory and its limit. For segments, the compiler allocates
// by their number before it reads the first.
const (
	MaxSegments = 100_000
	MaxTables   = 16
	MaxTable    = 1_000_000 // elements of all tables, at the start
)

// turns is the number of loop iterations and function entries between two checks. With so many, a check costs
// nothing; they take tens of microseconds.
const turns = 1 << 14

// Interruptible returns the module with an additional exported mutable i32 global of the given name, initially 0. The
// module checks it every so many loop iterations and function entries, and traps if it is not 0. Code between two
// such places is finite, so a host that sets the global stops the module, whatever it does. A bulk instruction counts
// as an iteration per 1,024 bytes or elements that it moves.
//
// Before each check, the module grows its memory by 0 pages, which the runtime does in Go. Go's collector stops the
// world. Without this, it would wait forever for a loop of machine code, while the goroutine that should set the
// global is already stopped.
//
// The module's own code cannot name the global, because its index is after all of the module's. Custom sections are
// removed. Interruptible refuses what it does not understand to the last byte. It also refuses:
//   - vector instructions, and instructions of proposals after WebAssembly 2.0,
//   - tables that grow or are large, since no limit on memory covers them,
//   - a module without a memory,
//   - a module that exports the name, or a name that starts with it.
//
// The state says what, besides memory, can differ between two calls. Its globals are exported too, so that a host can
// restore them.
func Interruptible(wasm []byte, global string) (out []byte, state State, err error) {
	m, err := Parse(wasm)
	if err != nil {
		return nil, state, err
	}
	for _, ex := range m.Exports {
		if strings.HasPrefix(ex.Name, global) {
			return nil, state, fmt.Errorf("%w: it exports %q, a name reserved for the host", ErrFormat, ex.Name)
		}
	}
	if len(m.Memories) != 1 {
		return nil, state, fmt.Errorf("%w: it has %d memories, want one", ErrFormat, len(m.Memories))
	}
	r := rewriting{wasm: wasm, global: global, out: make([]byte, 0, len(wasm)+len(wasm)/8)}
	for _, im := range m.Imports {
		if im.Kind == KindGlobal {
			r.index++
		}
	}
	r.out = append(r.out, wasm[:len(magic)+len(version)]...)
	file := reader{b: wasm, pos: len(magic) + len(version), end: len(wasm), section: "module"}
	for file.pos < file.end {
		at := file.pos
		id := file.byte("section id")
		s := reader{b: wasm, section: sections[id].name}
		s.pos, s.end = file.span("the " + s.section + " section")
		if file.err != nil {
			return nil, state, file.err
		}
		if id != sectionCustom {
			r.addBefore(id)
		}
		if err := r.section(id, at, &s); err != nil {
			return nil, state, err
		}
		if s.err != nil {
			return nil, state, s.err
		}
	}
	r.addBefore(sectionData) // after all
	return r.out, r.state, nil
}

// rewriting is the state of Interruptible.
type rewriting struct {
	wasm     []byte
	global   string
	out      []byte // the rewritten module so far
	state    State
	index    int   // index of the added global, once the module's own are counted
	mutable  []int // indices of the globals that are state
	counted  bool  // the global section was written
	exported bool  // the export section was written
}

// addBefore writes the global and export sections, if the module lacks them and they belong before the section id.
func (r *rewriting) addBefore(id byte) {
	rank := sections[id].rank
	if rank >= sections[sectionGlobal].rank && id != sectionGlobal && !r.counted {
		r.addGlobal(0, nil)
	}
	if rank >= sections[sectionExport].rank && id != sectionExport && !r.exported {
		r.addExport(0, nil)
	}
}

// addGlobal writes a global section: count globals of the module, whose bytes are rest, and those of Interruptible.
func (r *rewriting) addGlobal(count uint32, rest []byte) {
	r.index += int(count)
	r.mutable = append(r.mutable, r.index+1, r.index+2)
	body := binary.AppendUvarint(nil, uint64(count)+3)
	body = append(body, rest...)
	body = append(body, byte(I32), 1, 0x41, 0, 0x0b)                          // mutable, i32.const 0, end: whether to stop
	body = append(appendInt32(append(body, byte(I32), 1, 0x41), turns), 0x0b) // iterations until the next check
	body = append(body, byte(I32), 1, 0x41, 0, 0x0b)                          // what a bulk instruction moves
	r.out = appendSection(r.out, sectionGlobal, body)
	r.counted = true
}

// addExport writes an export section: count exports of the module, whose bytes are rest, and the globals.
func (r *rewriting) addExport(count uint32, rest []byte) {
	body := binary.AppendUvarint(nil, uint64(count)+1+uint64(len(r.mutable)))
	body = append(body, rest...)
	add := func(name string, index int) {
		body = append(binary.AppendUvarint(body, uint64(len(name))), name...)
		body = binary.AppendUvarint(append(body, byte(KindGlobal)), uint64(index))
	}
	add(r.global, r.index)
	for _, i := range r.mutable {
		name := fmt.Sprint(r.global, ".", i)
		add(name, i)
		r.state.Globals = append(r.state.Globals, name)
	}
	r.out = appendSection(r.out, sectionExport, body)
	r.exported = true
}

// section checks the section that begins at a byte of the module, and writes it. s reads its content.
func (r *rewriting) section(id byte, at int, s *reader) (err error) {
	switch id {
	case sectionCustom:
		return nil
	case sectionGlobal:
		count := s.u32("number of globals")
		numbers, others, ok := mutableGlobals(r.wasm[s.pos:s.end], r.index, count)
		if !ok {
			return fmt.Errorf("%w: the global section, byte %d: an initial value is not a constant expression", ErrInstruction, s.pos)
		}
		r.mutable = numbers
		r.state.Elsewhere = r.state.Elsewhere || others
		r.addGlobal(count, r.wasm[s.pos:s.end])
		return nil
	case sectionExport:
		count := s.u32("number of exports")
		r.addExport(count, r.wasm[s.pos:s.end])
		return nil
	case sectionCode:
		r.out, err = instrument(r.out, s, r.index, &r.state)
		return err
	case sectionTable:
		start, total := s.pos, 0
		s.each(MaxTables, 0, "tables", func() { s.refType(); total += int(s.limits(math.MaxUint32, false).Min) })
		if s.err == nil && total > MaxTable {
			s.fail(start, "tables of %d elements, and at most %d are allowed", total, MaxTable)
		}
	case sectionElement:
		s.each(MaxSegments, 0, "element segments", s.elementSegment)
	case sectionData:
		s.each(MaxSegments, 0, "data segments", s.dataSegment)
	}
	r.out = append(r.out, r.wasm[at:s.end]...)
	return nil
}

// State is what can differ between two calls of an instance, apart from its memory.
type State struct {
	Globals []string // exports: the mutable globals that are numbers, including the counter of Interruptible
	// Elsewhere says that there is more state: a reference in a mutable global, or an instruction that changes a
	// table or drops a segment.
	Elsewhere bool
}

// dataSegment reads a data segment. https://webassembly.github.io/spec/core/binary/modules.html#data-section
func (r *reader) dataSegment() {
	at := r.pos
	switch flags := r.u32("flags of a data segment"); flags {
	case 0:
		r.expression()
	case 1:
	case 2:
		r.u32("memory")
		r.expression()
	default:
		r.fail(at, "flags %d of a data segment, want 0 to 2", flags)
	}
	r.span("a data segment")
}

// elementSegment reads an element segment. https://webassembly.github.io/spec/core/binary/modules.html#element-section
func (r *reader) elementSegment() {
	at := r.pos
	flags := r.u32("flags of an element segment")
	if flags > 7 {
		r.fail(at, "flags %d of an element segment, want 0 to 7", flags)
		return
	}
	if flags&3 == 2 {
		r.u32("table")
	}
	if flags&1 == 0 {
		r.expression()
	}
	if flags&3 != 0 {
		r.byte("kind of elements")
	}
	at = r.pos
	n := r.u32("number of elements")
	if left := r.end - r.pos; r.err == nil && uint64(n) > uint64(left) {
		r.fail(at, "%d elements in %d bytes", n, left)
	}
	for ; n > 0 && r.err == nil; n-- {
		if flags&4 == 0 {
			r.u32("function")
		} else {
			r.expression()
		}
	}
}

// expression reads instructions to the end of the first expression.
func (r *reader) expression() {
	for r.err == nil {
		at := r.pos
		if at >= r.end {
			r.fail(at, "an expression without an end")
			return
		}
		next, ok := skip(r.b[:r.end], at)
		if !ok {
			r.fail(at, "0x%02x in an expression", r.b[at])
			return
		}
		if r.pos = next; r.b[at] == opEnd {
			return
		}
	}
}

// mutableGlobals returns the indices of the mutable globals in a global section, whose first index is from. It
// excludes those that hold references, and others reports whether there are any.
func mutableGlobals(entries []byte, from int, count uint32) (numbers []int, others, ok bool) {
	i := 0
	for n := range int(count) {
		if len(entries)-i < 2 {
			return nil, false, false
		}
		kind, mutable := ValueType(entries[i]), entries[i+1] != 0
		for i += 2; ; {
			if i >= len(entries) {
				return nil, false, false
			}
			op := entries[i]
			if i, ok = skip(entries, i); !ok {
				return nil, false, false
			}
			if op == opEnd {
				break
			}
		}
		switch {
		case !mutable:
		case kind == I32 || kind == I64 || kind == F32 || kind == F64:
			numbers = append(numbers, from+n)
		default:
			others = true
		}
	}
	return numbers, others, i == len(entries)
}

// changes reports whether the instruction at i changes something other than memory and globals.
func changes(code []byte, i int) bool {
	switch code[i] {
	case 0x26: // table.set
		return true
	case opMisc:
		switch code[i+1] {
		case 9, 12, 13, 14, 17: // data.drop, table.init, elem.drop, table.copy, table.fill
			return true
		}
	}
	return false
}

func appendSection(out []byte, id byte, body []byte) []byte {
	out = binary.AppendUvarint(append(out, id), uint64(len(body)))
	return append(out, body...)
}

// instrument copies the code section with a check at each function's entry and each loop's head.
func instrument(out []byte, s *reader, global int, state *State) ([]byte, error) {
	check, payment := checkFlag(uint64(global)), payment(uint64(global))
	count := s.u32("number of function bodies")
	body := binary.AppendUvarint(make([]byte, 0, s.end-s.pos+(s.end-s.pos)/8), uint64(count))
	var function []byte // the current function
	for ; count > 0 && s.err == nil; count-- {
		from, to := s.span("a function body")
		if s.err != nil {
			break
		}
		f := reader{b: s.b, pos: from, end: to, section: s.section}
		f.each(MaxTypes, 0, "groups of locals", func() { f.u32("number of locals"); f.valueType() })
		if f.err != nil {
			return nil, f.err
		}
		function = append(append(function[:0], s.b[from:f.pos]...), check...)
		code := s.b[f.pos:to]
		copied := 0
		for i := 0; i < len(code); {
			op := code[i]
			if instructions[op] == none { // half of all
				i++
				continue
			}
			next, ok := skip(code, i)
			if !ok {
				return nil, fmt.Errorf("%w: 0x%02x at byte %d: build the module for WebAssembly 2.0 without vector instructions",
					ErrInstruction, op, f.pos+i)
			}
			if !state.Elsewhere && changes(code, i) {
				state.Elsewhere = true
			}
			if op == opMisc && bulk(code[i+1]) {
				function = append(append(function, code[copied:i]...), payment...)
				copied = i
			}
			if i = next; op == opLoop {
				function = append(append(function, code[copied:i]...), check...)
				copied = i
			}
		}
		function = append(function, code[copied:]...)
		body = append(binary.AppendUvarint(body, uint64(len(function))), function...)
	}
	if s.err == nil && s.pos != s.end {
		s.fail(s.pos, "%d bytes after its last entry", s.end-s.pos)
	}
	return appendSection(out, sectionCode, body), s.err
}

// checkFlag returns the code at each function's entry and each loop's head: left--; if left == 0 { call the runtime; left
// = turns; if stop { trap } }
func checkFlag(stop uint64) []byte {
	left := binary.AppendUvarint(nil, stop+1)
	op := func(b []byte, code byte, operand []byte) []byte { return append(append(b, code), operand...) }
	b := op(nil, 0x23, left)                         // global.get
	b = append(b, 0x41, 1, 0x6b)                     // i32.const 1, i32.sub
	b = op(b, 0x24, left)                            // global.set
	b = op(b, 0x23, left)                            // global.get
	b = append(b, 0x45, 0x04, 0x40)                  // i32.eqz, if
	b = append(b, 0x41, 0, 0x40, 0)                  // i32.const 0, memory.grow
	b = append(b, 0x1a, 0x41)                        // drop, i32.const
	b = appendInt32(b, turns)                        //
	b = op(b, 0x24, left)                            // global.set
	b = op(b, 0x23, binary.AppendUvarint(nil, stop)) // global.get
	return append(b, 0x04, 0x40, 0x00, 0x0b, 0x0b)   // if, unreachable, end, end
}

// bulk reports whether a second opcode is an instruction that moves a number of bytes or elements. The number is on top of the
// stack.
func bulk(second byte) bool {
	switch second {
	case 8, 10, 11, 12, 14, 17: // memory.init, memory.copy, memory.fill, table.init, table.copy, table.fill
		return true
	}
	return false
}

// payment returns the code before each bulk instruction, with the amount that it moves on top of the stack: turns :=
// moves>>10; left = turns < left ? left-turns : 1
func payment(stop uint64) []byte {
	left, moves := binary.AppendUvarint(nil, stop+1), binary.AppendUvarint(nil, stop+2)
	op := func(b []byte, code byte, operand []byte) []byte { return append(append(b, code), operand...) }
	turns := func(b []byte) []byte { return append(op(b, 0x23, moves), 0x41, 10, 0x76) } // global.get, i32.const 10, i32.shr_u
	b := op(nil, 0x24, moves)                                                            // global.set
	b = append(turns(b), 0x23)                                                           // global.get
	b = append(append(b, left...), 0x49, 0x04, byte(I32))                                // i32.lt_u, if (result i32)
	b = append(turns(op(b, 0x23, left)), 0x6b)                                           // global.get, i32.sub
	b = append(b, 0x05, 0x41, 1, 0x0b)                                                   // else, i32.const 1, end
	b = op(b, 0x24, left)                                                                // global.set
	return op(b, 0x23, moves)                                                            // global.get
}

// appendInt32 appends a small positive number in the signed encoding.
func appendInt32(b []byte, n uint32) []byte {
	for ; n >= 0x40; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

const (
	opLoop = 0x03
	opEnd  = 0x0b
	opMisc = 0xfc // bulk instructions and others
)

// operands is what follows an instruction's first byte.
type operands byte

const (
	refused    operands = iota
	none                // nothing
	number32            // one LEB128 number of up to 5 bytes: an index, an i32, a block type
	number64            // one of up to 10 bytes
	twoNumbers          // two of up to 5: an alignment and an offset, a type and a table
	bytes1              // one byte: a memory, a reference type
	bytes4              // an f32
	bytes8              // an f64
	branches            // a list of labels and one more
	types               // a list of value types
	prefixed            // a second opcode, see misc
)

// instructions is WebAssembly 2.0 without vectors. https://webassembly.github.io/spec/core/binary/instructions.html
var instructions = func() (t [256]operands) {
	span := func(from, to int, o operands) {
		for i := from; i <= to; i++ {
			t[i] = o
		}
	}
	span(0x00, 0x01, none)       // unreachable, nop
	span(0x02, 0x04, number32)   // block, loop, if
	span(0x05, 0x05, none)       // else
	span(0x0b, 0x0b, none)       // end
	span(0x0c, 0x0d, number32)   // br, br_if
	span(0x0e, 0x0e, branches)   // br_table
	span(0x0f, 0x0f, none)       // return
	span(0x10, 0x10, number32)   // call
	span(0x11, 0x11, twoNumbers) // call_indirect
	span(0x1a, 0x1b, none)       // drop, select
	span(0x1c, 0x1c, types)      // select with types
	span(0x20, 0x26, number32)   // locals, globals, table.get, table.set
	span(0x28, 0x3e, twoNumbers) // loads and stores
	span(0x3f, 0x40, bytes1)     // memory.size, memory.grow
	span(0x41, 0x41, number32)   // i32.const
	span(0x42, 0x42, number64)   // i64.const
	span(0x43, 0x43, bytes4)     // f32.const
	span(0x44, 0x44, bytes8)     // f64.const
	span(0x45, 0xc4, none)       // comparisons, arithmetic, conversions
	span(0xd0, 0xd0, bytes1)     // ref.null
	span(0xd1, 0xd1, none)       // ref.is_null
	span(0xd2, 0xd2, number32)   // ref.func
	span(0xfc, 0xfc, prefixed)
	return t
}()

// misc is the numbers and bytes that follow 0xfc and a second opcode.
var misc = [...]struct{ numbers, bytes int }{
	0: {}, 1: {}, 2: {}, 3: {}, 4: {}, 5: {}, 6: {}, 7: {}, // saturating truncations
	8:  {1, 1},  // memory.init
	9:  {1, 0},  // data.drop
	10: {0, 2},  // memory.copy
	11: {0, 1},  // memory.fill
	12: {2, 0},  // table.init
	13: {1, 0},  // elem.drop
	14: {2, 0},  // table.copy
	15: {-1, 0}, // table.grow, refused
	16: {1, 0},  // table.size
	17: {1, 0},  // table.fill
}

// skip returns the index after the instruction at i.
func skip(code []byte, i int) (next int, ok bool) {
	kind := instructions[code[i]]
	i++
	switch kind {
	case none:
	case number32:
		if i < len(code) && code[i] < 0x80 {
			return i + 1, true
		}
		i = number(code, i, 5)
	case number64:
		i = number(code, i, 10)
	case twoNumbers:
		if i = number(code, i, 5); i >= 0 {
			i = number(code, i, 5)
		}
	case bytes1:
		i++
	case bytes4:
		i += 4
	case bytes8:
		i += 8
	case branches, types:
		n, length := binary.Uvarint(code[min(i, len(code)):])
		if length <= 0 || length > 5 || n > uint64(len(code)) {
			return 0, false
		}
		i += length
		if kind == types {
			i += int(n)
			break
		}
		for range n + 1 {
			if i = number(code, i, 5); i < 0 {
				return 0, false
			}
		}
	case prefixed:
		if i >= len(code) || int(code[i]) >= len(misc) { // a second opcode that is encoded in more bytes is refused
			return 0, false
		}
		m := misc[code[i]]
		if m.numbers < 0 {
			return 0, false
		}
		i++
		for range m.numbers {
			if i = number(code, i, 5); i < 0 {
				return 0, false
			}
		}
		i += m.bytes
	default:
		return 0, false
	}
	return i, i >= 0 && i <= len(code)
}

// number returns the index after the LEB128 number at i, or -1 if it is too long.
func number(code []byte, i, most int) int {
	for end := min(i+most, len(code)); i < end; i++ {
		if code[i] < 0x80 {
			return i + 1
		}
	}
	return -1
}
