// Package wasmbin reads the structure of a WebAssembly binary without compiling or running any of it, so that a host
// can refuse a module before one instruction of it runs, and a packer can change its custom sections.
package wasmbin

import (
	"errors"
	"fmt"
)

// ErrFormat is wrapped by every error of Parse: the bytes are not a WebAssembly 1.0 module, or not a sound one.
var ErrFormat = errors.New("not a sound WebAssembly module")

// Kind is what an import or export is.
type Kind byte

// The kinds.
const (
	KindFunction Kind = 0
	KindTable    Kind = 1
	KindMemory   Kind = 2
	KindGlobal   Kind = 3
)

// ValueType is the type of a parameter or result, as encoded.
type ValueType byte

// The number types.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
	F32 ValueType = 0x7d
	F64 ValueType = 0x7c
)

// Import is one import. Params and Results are those of a function.
type Import struct {
	Module, Name    string
	Kind            Kind
	Params, Results []ValueType
}

// Export is one export. Params and Results are those of a function.
type Export struct {
	Name            string
	Kind            Kind
	Params, Results []ValueType
}

// Custom is one custom section. Data is a view of the module's bytes, Offset where the section begins in them.
type Custom struct {
	Name   string
	Data   []byte
	Offset int
}

// Module is what Parse read.
type Module struct {
	Imports  []Import
	Exports  []Export
	Customs  []Custom
	HasStart bool
}

// Section lists the custom sections of a name.
func (m *Module) Section(name string) []Custom {
	var found []Custom
	for _, c := range m.Customs {
		if c.Name == name {
			found = append(found, c)
		}
	}
	return found
}

type signature struct{ params, results []ValueType }

// rank is the order in which sections stand; a section that is not in it is refused.
var rank = [...]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

var header = []byte("\x00asm\x01\x00\x00\x00")

// Parse reads a module. Code and data are passed over by their size; nothing is allocated for a count that the bytes
// do not bear out.
func Parse(wasm []byte) (*Module, error) {
	if len(wasm) < len(header) || string(wasm[:len(header)]) != string(header) {
		return nil, fmt.Errorf("%w: no WebAssembly 1.0 header", ErrFormat)
	}
	m := &Module{}
	var types []signature
	var funcs []uint32 // type of each function, imported ones first
	last := 0
	r := &reader{b: wasm, i: len(header)}
	for r.i < len(wasm) {
		at := r.i
		id := r.byte()
		size := r.u32()
		if r.failed || int(size) > len(wasm)-r.i {
			return nil, fmt.Errorf("%w: section %d at byte %d is cut off", ErrFormat, id, at)
		}
		s := &reader{b: wasm[r.i : r.i+int(size)]}
		r.i += int(size)
		if id == 0 {
			name := s.name()
			if s.failed {
				return nil, fmt.Errorf("%w: the custom section at byte %d has no name", ErrFormat, at)
			}
			m.Customs = append(m.Customs, Custom{name, s.b[s.i:], at})
			continue
		}
		if int(id) >= len(rank) || rank[id] <= last {
			return nil, fmt.Errorf("%w: section %d at byte %d is not known, out of order or there twice", ErrFormat, id, at)
		}
		last = rank[id]
		whole := true
		switch id {
		case 1:
			types = s.types()
		case 2:
			m.Imports, funcs = s.imports(types)
		case 3:
			for n := s.u32(); n > 0 && !s.failed; n-- {
				funcs = append(funcs, s.u32())
			}
		case 7:
			m.Exports = s.exports(types, funcs)
		case 8:
			m.HasStart = true
			whole = false
		default:
			whole = false
		}
		if s.failed || whole && s.i != len(s.b) {
			return nil, fmt.Errorf("%w: section %d at byte %d does not hold what it says", ErrFormat, id, at)
		}
	}
	return m, nil
}

// Strip removes the custom sections that keep does not want.
func Strip(wasm []byte, keep func(name string) bool) ([]byte, error) {
	m, err := Parse(wasm)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(wasm))
	from := 0
	for _, c := range m.Customs {
		if keep(c.Name) {
			continue
		}
		out = append(out, wasm[from:c.Offset]...)
		r := &reader{b: wasm, i: c.Offset + 1}
		size := r.u32()
		from = r.i + int(size)
	}
	return append(out, wasm[from:]...), nil
}

// AppendCustom adds a custom section at the end.
func AppendCustom(wasm []byte, name string, data []byte) ([]byte, error) {
	if _, err := Parse(wasm); err != nil {
		return nil, err
	}
	content := append(leb(nil, len(name)), name...)
	content = append(content, data...)
	out := make([]byte, 0, len(wasm)+len(content)+8)
	out = append(append(out, wasm...), 0)
	return append(leb(out, len(content)), content...), nil
}

func leb(b []byte, n int) []byte {
	for {
		c := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// reader reads from b; after the first thing that is not there, failed is set and everything reads as zero.
type reader struct {
	b      []byte
	i      int
	failed bool
}

func (r *reader) byte() byte {
	if r.failed || r.i >= len(r.b) {
		r.failed = true
		return 0
	}
	r.i++
	return r.b[r.i-1]
}

func (r *reader) u32() uint32 {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if n > 1<<32-1 {
				break
			}
			return uint32(n)
		}
	}
	r.failed = true
	return 0
}

func (r *reader) bytes(n uint32) []byte {
	if r.failed || int(n) > len(r.b)-r.i {
		r.failed = true
		return nil
	}
	r.i += int(n)
	return r.b[r.i-int(n) : r.i]
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

func (r *reader) types() (types []signature) {
	for n := r.u32(); n > 0 && !r.failed; n-- {
		if r.byte() != 0x60 {
			r.failed = true
			return nil
		}
		types = append(types, signature{r.valueTypes(), r.valueTypes()})
	}
	return types
}

func (r *reader) valueTypes() []ValueType {
	b := r.bytes(r.u32())
	types := make([]ValueType, len(b))
	for i := range b {
		types[i] = ValueType(b[i])
	}
	return types
}

func (r *reader) imports(types []signature) (imports []Import, funcs []uint32) {
	for n := r.u32(); n > 0 && !r.failed; n-- {
		im := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
		switch im.Kind {
		case KindFunction:
			t := r.u32()
			funcs = append(funcs, t)
			if int(t) >= len(types) {
				r.failed = true
				return nil, nil
			}
			im.Params, im.Results = types[t].params, types[t].results
		case KindTable:
			r.byte()
			r.limits()
		case KindMemory:
			r.limits()
		case KindGlobal:
			r.byte()
			r.byte()
		default:
			r.failed = true
		}
		imports = append(imports, im)
	}
	return imports, funcs
}

func (r *reader) limits() {
	flags := r.byte()
	r.u32()
	if flags&1 != 0 {
		r.u32()
	}
	if flags > 3 {
		r.failed = true
	}
}

func (r *reader) exports(types []signature, funcs []uint32) (exports []Export) {
	for n := r.u32(); n > 0 && !r.failed; n-- {
		ex := Export{Name: r.name(), Kind: Kind(r.byte())}
		index := r.u32()
		if ex.Kind == KindFunction {
			if int(index) >= len(funcs) || int(funcs[index]) >= len(types) {
				r.failed = true
				return nil
			}
			t := types[funcs[index]]
			ex.Params, ex.Results = t.params, t.results
		}
		exports = append(exports, ex)
	}
	return exports
}
