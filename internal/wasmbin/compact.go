package wasmbin

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Compact returns a module that does the same with less code. Go's Wasm compiler computes addresses in 64 bits and
// adds constants to them before each access. Compact computes them in 32 bits, and makes the constant the offset of
// the load or store.
//
// There is one difference: if a constant moves an address beyond 4 GiB, the access traps; before, it wrapped around.
// No pointer into the module's memory does this.
//
// If the module has an instruction that Interruptible refuses, the error wraps ErrInstruction.
func Compact(wasm []byte) ([]byte, error) {
	if _, err := Parse(wasm); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(wasm)), wasm[:len(magic)+len(version)]...)
	file := reader{b: wasm, pos: len(magic) + len(version), end: len(wasm), section: "module"}
	for file.pos < file.end {
		at := file.pos
		id := file.byte("section id")
		s := reader{b: wasm, section: sections[id].name}
		s.pos, s.end = file.span("the " + s.section + " section")
		if file.err != nil {
			return nil, file.err
		}
		if id != sectionCode {
			out = append(out, wasm[at:s.end]...)
			continue
		}
		var err error
		if out, err = compactCode(out, &s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// signed reads a signed LEB128 number of 32 or 64 bits. The length is 0 if it is invalid.
func signed(b []byte) (value int64, length int) {
	for shift := uint(0); length < len(b) && shift < 70; shift += 7 {
		c := b[length]
		length++
		value |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				value |= -1 << shift
			}
			return value, length
		}
	}
	return 0, 0
}

// appendSigned appends an i32 in the signed encoding.
func appendSigned(b []byte, n uint32) []byte {
	v := int32(n)
	for ; v < -0x40 || v >= 0x40; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// Opcodes that Compact knows.
const (
	opDrop         = 0x1a
	opSelect       = 0x1b
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opFirstLoad    = 0x28
	opLastLoad     = 0x35
	opLastStore    = 0x3e
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Add       = 0x6a
	opI64Add       = 0x7c
	opI32WrapI64   = 0xa7
	opI64ExtendU32 = 0xad
	opLastNumeric  = 0xc4
)

// instruction is an instruction of a function's body. A deleted one has no text.
type instruction struct {
	op    byte
	text  []byte
	value int64 // the value, if it is a constant
}

// compactCode appends a code section with equivalent functions.
func compactCode(out []byte, s *reader) ([]byte, error) {
	count := s.u32("number of function bodies")
	body := binary.AppendUvarint(make([]byte, 0, s.end-s.pos), uint64(count))
	var code []instruction
	var function []byte
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
		var ok bool
		if code, ok = narrow(code[:0], s.b[f.pos:to]); !ok {
			return nil, fmt.Errorf("%w, in the function at byte %d", ErrInstruction, from)
		}
		foldOffsets(code)
		function = append(function[:0], s.b[from:f.pos]...)
		for _, i := range code {
			function = append(function, i.text...)
		}
		body = append(binary.AppendUvarint(body, uint64(len(function))), function...)
	}
	if s.err == nil && s.pos != s.end {
		s.fail(s.pos, "%d bytes after its last entry", s.end-s.pos)
	}
	return appendSection(out, sectionCode, body), s.err
}

// narrow appends the instructions of a function's body, and computes sums in 32 bits if the upper half is discarded.
// ok is false for an unknown instruction.
func narrow(code []instruction, body []byte) (all []instruction, ok bool) {
	for i := 0; i < len(body); {
		next, ok := skip(body, i)
		if !ok {
			return nil, false
		}
		in := instruction{op: body[i], text: body[i:next:next]}
		switch in.op {
		case opI32Const, opI64Const:
			in.value, _ = signed(in.text[1:])
		case opI32WrapI64:
			if shorter, changed := wrapped(code); changed {
				code, i = shorter, next
				continue
			}
		}
		code, i = append(code, in), next
	}
	return code, true
}

// wrapped returns fewer instructions whose result is the lower half of that of code, if there are such.
func wrapped(code []instruction) (shorter []instruction, changed bool) {
	ops := func(want ...byte) bool {
		if len(code) < len(want) {
			return false
		}
		for i, op := range want {
			if code[len(code)-len(want)+i].op != op {
				return false
			}
		}
		return true
	}
	n := len(code)
	switch {
	case ops(opI64ExtendU32):
		return code[:n-1], true
	case ops(opI64Const):
		return append(code[:n-1], constant(code[n-1].value)), true
	case ops(opI64ExtendU32, opI64Const, opI64Add):
		k := code[n-2].value
		if code = code[:n-3]; int32(k) != 0 {
			code = append(code, constant(k), instruction{op: opI32Add, text: []byte{opI32Add}})
		}
		return code, true
	}
	return code, false
}

// constant returns the lower half of a number as i32.const.
func constant(value int64) instruction {
	return instruction{op: opI32Const, text: appendSigned([]byte{opI32Const}, uint32(value)), value: int64(int32(value))}
}

// foldOffsets turns a constant that is added to an address into the offset of the access. It tracks the operands in
// code without branches, by the instruction that pushed each.
func foldOffsets(code []instruction) {
	var stack []int // indices of the instructions that pushed the operands
	pop := func() int {
		if len(stack) == 0 {
			return -1
		}
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return top
	}
	for i := range code {
		in := &code[i]
		pops, pushes, known := effect(in)
		if !known {
			stack = stack[:0]
			continue
		}
		address := -1
		for range pops {
			address = pop() // the address is the first operand, and popped last
		}
		if in.op >= opFirstLoad && in.op <= opLastStore && address > 0 {
			in.foldOffset(code[address-1 : address+1])
		}
		if pushes {
			stack = append(stack, i)
		}
	}
}

// foldOffset moves the constant of the sum that ends an address into the offset of an access.
func (in *instruction) foldOffset(sum []instruction) {
	add := &sum[0]
	if sum[1].op != opI32Add || sum[1].text == nil || add.op != opI32Const || add.text == nil || add.value < 0 {
		return
	}
	_, aligned := binary.Uvarint(in.text[1:])
	offset, _ := binary.Uvarint(in.text[1+aligned:])
	if offset += uint64(add.value); offset > math.MaxUint32 {
		return
	}
	in.text = binary.AppendUvarint(append([]byte(nil), in.text[:1+aligned]...), offset)
	sum[0].text, sum[1].text = nil, nil
}

// effect returns how many operands an instruction pops, and whether it pushes one. known is false for branches, calls
// and other effects.
func effect(in *instruction) (pops int, pushes, known bool) {
	switch op := in.op; {
	case op == opLocalGet, op == opGlobalGet, op == opMemorySize, op >= opI32Const && op <= opF64Const:
		return 0, true, true
	case op == opLocalSet, op == opGlobalSet, op == opDrop:
		return 1, false, true
	case op == opLocalTee, op == opMemoryGrow, op >= opFirstLoad && op <= opLastLoad:
		return 1, true, true
	case op > opLastLoad && op <= opLastStore:
		return 2, false, true
	case op == opSelect:
		return 3, true, true
	case op > opF64Const && op <= opLastNumeric:
		if unary(op) {
			return 1, true, true
		}
		return 2, true, true
	case op == opMisc && in.text[1] <= 7: // saturating truncations
		return 1, true, true
	}
	return 0, false, false
}

// unary reports whether a numeric instruction has one operand. https://webassembly.github.io/spec/core/appendix/index-instructions.html
func unary(op byte) bool {
	switch {
	case op == 0x45, op == 0x50, // eqz
		op >= 0x67 && op <= 0x69, op >= 0x79 && op <= 0x7b, // clz, ctz, popcnt
		op >= 0x8b && op <= 0x91, op >= 0x99 && op <= 0x9f, // abs to sqrt
		op >= opI32WrapI64: // conversions
		return true
	}
	return false
}
