package wasmbin

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Work estimates how much work a module is for wazero's compiler. It is the sum over all functions of
//
//	blocks × (blocks + values × (values + 4 × loops))
//
// which follows measurements: one unit takes 4 to 15 ns for the worst functions that were found. Values are the locals, the
// parameters and the operands on the stack. A sum that does not fit is math.MaxUint64.
//
// Compilers make functions of many blocks with few values. A small module with much work was made to keep a compiler busy.
// Work takes time linear in the size of the module. An instruction that Interruptible refuses is an error that wraps
// ErrInstruction.
func Work(wasm []byte) (uint64, error) {
	p, err := parse(wasm)
	if err != nil {
		return 0, err
	}
	m := workParser{parser: p}
	for _, t := range p.types {
		m.arity = max(m.arity, uint64(max(len(t.params), len(t.results))))
	}
	imported := 0
	for _, im := range p.module.Imports {
		if im.Kind == KindFunction {
			imported++
		}
	}
	var sum uint64
	file := reader{b: wasm, pos: len(magic) + len(version), end: len(wasm), section: "module"}
	for file.pos < file.end {
		id := file.byte("section id")
		s := reader{b: wasm, section: sections[id].name}
		if s.pos, s.end = file.span("the " + s.section + " section"); file.err != nil {
			return 0, file.err
		}
		if id != sectionCode {
			continue
		}
		next := imported
		s.each(MaxFunctions, 0, "function bodies", func() {
			from, to := s.span("a function body")
			if s.err == nil && next >= len(m.funcs) {
				s.fail(from, "a body without a function")
			}
			if s.err != nil {
				return
			}
			work, err := m.functionWork(m.types[m.funcs[next]], reader{b: wasm, pos: from, end: to, section: s.section})
			if err != nil {
				s.err = err
			}
			next++
			sum = add(sum, work)
		})
		if s.err != nil {
			return 0, s.err
		}
	}
	return sum, nil
}

// workParser is what Work knows of a module.
type workParser struct {
	*parser
	arity uint64 // the most parameters or results of a type
}

// openBlock is a block, loop or if whose end was not seen yet.
type openBlock struct{ height, results uint64 }

// counted is what is counted in a function.
type counted struct {
	open            []openBlock
	blocks, loops   uint64
	height, highest uint64 // operands on the stack, at least as many as there are
	labels          uint64 // values that the labels of branches take
}

func (m workParser) functionWork(t signature, f reader) (uint64, error) {
	from, locals := f.pos, uint64(len(t.params))
	f.each(MaxTypes, 0, "groups of locals", func() { locals += uint64(f.u32("number of locals")); f.valueType() })
	if f.err != nil {
		return 0, f.err
	}
	c := counted{blocks: 1}
	code := f.b[f.pos:f.end]
	for i := 0; i < len(code); {
		next, ok := skip(code, i)
		if !ok {
			return 0, fmt.Errorf("%w, in the function at byte %d", ErrInstruction, from)
		}
		c.count(m, &instruction{op: code[i], text: code[i:next]})
		i = next
	}
	values := add(locals, c.highest)
	perBlock := add(c.blocks, multiply(values, add(values, 4*c.loops)))
	return add(multiply(c.blocks, perBlock), c.labels), nil
}

const (
	opBlock        = 0x02
	opIf           = 0x04
	opElse         = 0x05
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
)

// count counts an instruction. If it does not know how many operands the instruction pops, it counts none.
func (c *counted) count(m workParser, in *instruction) {
	switch in.op {
	case opBlock, opLoop, opIf:
		if in.op == opIf {
			c.pop(1)
		}
		t := m.blockType(in.text[1:])
		b := openBlock{height: c.height, results: uint64(len(t.results))}
		if n := uint64(len(t.params)); n < b.height {
			b.height -= n
		}
		c.open = append(c.open, b)
		c.blocks += 2 // and the one behind it
		if in.op == opLoop {
			c.loops++
		}
	case opElse, opEnd:
		if len(c.open) == 0 {
			return
		}
		b := c.open[len(c.open)-1]
		c.height = b.height
		c.push(b.results)
		if in.op == opElse {
			c.blocks++
			return
		}
		c.open = c.open[:len(c.open)-1]
	case opBr, opReturn:
		c.blocks++
	case opBrIf:
		c.pop(1)
		c.blocks++
	case opBrTable:
		c.pop(1)
		n, _ := binary.Uvarint(in.text[1:])
		c.blocks = add(c.blocks, n+1)
		c.labels = add(c.labels, multiply(n+1, m.arity))
	case opCall, opCallIndirect:
		n, _ := binary.Uvarint(in.text[1:])
		t := signature{}
		if in.op == opCallIndirect {
			c.pop(1)
			if n < uint64(len(m.types)) {
				t = m.types[n]
			}
		} else if n < uint64(len(m.funcs)) {
			t = m.types[m.funcs[n]]
		}
		c.pop(uint64(len(t.params)))
		c.push(uint64(len(t.results)))
	default:
		pops, pushes, known := effect(in)
		if c.pop(uint64(pops)); pushes || !known {
			c.push(1)
		}
	}
}

func (c *counted) push(n uint64) {
	c.height += n
	c.highest = max(c.highest, c.height)
}

func (c *counted) pop(n uint64) { c.height -= min(n, c.height) }

// blockType returns the type of a block.
func (m workParser) blockType(text []byte) signature {
	switch n, _ := signed(text); {
	case n >= 0 && n < int64(len(m.types)):
		return m.types[n]
	case n == -0x40:
		return signature{}
	}
	return signature{results: make([]ValueType, 1)}
}

// add and multiply return math.MaxUint64 for what does not fit.
func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func multiply(a, b uint64) uint64 {
	if b != 0 && a > math.MaxUint64/b {
		return math.MaxUint64
	}
	return a * b
}
