package wasmbin

import (
	"fmt"
	"math"
)

// magic and version are the start of every core module.
const (
	magic   = "\x00asm"
	version = "\x01\x00\x00\x00"
)

const maxPages = 1 << 16 // the maximum of a 32-bit memory

// The ids of the sections that Parse reads.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionMemory   = 5
	sectionExport   = 7
	sectionStart    = 8
)

// sections has, by id, the name of each section and its rank in the order. Custom sections may be anywhere.
var sections = [...]struct {
	name string
	rank int
}{
	sectionCustom:   {"custom", 0},
	sectionType:     {"type", 1},
	sectionImport:   {"import", 2},
	sectionFunction: {"function", 3},
	4:               {"table", 4},
	sectionMemory:   {"memory", 5},
	6:               {"global", 6},
	sectionExport:   {"export", 7},
	sectionStart:    {"start", 8},
	9:               {"element", 9},
	10:              {"code", 11},
	11:              {"data", 12},
	12:              {"data count", 10},
}

// Parse reads a module. Errors wrap ErrFormat and name the section and the byte.
//
// It accepts WebAssembly 2.0 core modules with 32-bit memories, and shared memories. A section, type or import of a
// later proposal is an error. It allocates for the bytes that are there, never for what a count claims, and no more
// than the limits of this package. The module's bytes must not change while the result is in use.
func Parse(wasm []byte) (*Module, error) {
	p, err := parse(wasm)
	if err != nil {
		return nil, err
	}
	return p.module, nil
}

func parse(wasm []byte) (*parser, error) {
	if err := checkHeader(wasm); err != nil {
		return nil, err
	}
	p := &parser{module: &Module{Size: len(wasm)}}
	file := reader{b: wasm, pos: len(magic) + len(version), end: len(wasm), section: "module"}
	for last := 0; file.pos < file.end; {
		at := file.pos
		id := file.byte("section id")
		if file.err == nil && int(id) >= len(sections) {
			file.fail(at, "section id %d is not in WebAssembly 2.0", id)
		}
		if file.err != nil {
			return nil, file.err
		}
		s := reader{b: wasm, section: sections[id].name}
		s.pos, s.end = file.span("the " + s.section + " section")
		if rank := sections[id].rank; id != sectionCustom {
			switch {
			case rank == last:
				file.fail(at, "a second %s section", s.section)
			case rank < last:
				file.fail(at, "the %s section comes after one that it must precede", s.section)
			}
			last = rank
		}
		if file.err != nil {
			return nil, file.err
		}
		if p.section(id, at, &s); s.err != nil {
			return nil, s.err
		}
	}
	return p, nil
}

func checkHeader(wasm []byte) error {
	n := len(magic) + len(version)
	switch {
	case len(wasm) < n:
		return fmt.Errorf("%w: it has %d bytes, and the header needs %d", ErrFormat, len(wasm), n)
	case string(wasm[:len(magic)]) != magic:
		return fmt.Errorf("%w: it starts with %q, but a module starts with %q", ErrFormat, wasm[:len(magic)], magic)
	case string(wasm[len(magic):n]) != version:
		return fmt.Errorf("%w: version field %x, want %x: a core module, not a component", ErrFormat, wasm[len(magic):n], version)
	}
	return nil
}

// parser is what reading one section needs from those before it.
type parser struct {
	module *Module
	types  []signature
	funcs  []uint32 // the type of each function, imported ones first; always an index into types
}

type signature struct{ params, results []ValueType }

func (p *parser) section(id byte, at int, s *reader) {
	switch id {
	case sectionCustom:
		p.custom(at, s)
		return
	case sectionType:
		s.each(MaxTypes, 0, "types", func() { p.types = append(p.types, s.signature()) })
	case sectionImport:
		s.each(MaxImports, 0, "imports", func() { p.module.Imports = append(p.module.Imports, p.importEntry(s)) })
	case sectionFunction:
		s.each(MaxFunctions, len(p.funcs), "functions", func() { p.function(s) })
	case sectionMemory:
		s.each(MaxMemories, len(p.module.Memories), "memories", func() { p.memory(s, false) })
	case sectionExport:
		p.exports(s)
	case sectionStart:
		p.module.HasStart = true
		p.index(s, len(p.funcs), "function")
	default:
		return // skipped by its size
	}
	if s.err == nil && s.pos != s.end {
		s.fail(s.pos, "%d bytes after its last entry", s.end-s.pos)
	}
}

func (p *parser) custom(at int, s *reader) {
	if len(p.module.Customs) == MaxCustoms {
		s.fail(at, "more than %d custom sections", MaxCustoms)
		return
	}
	name := s.name()
	if s.err == nil {
		p.module.Customs = append(p.module.Customs, Custom{name, s.b[s.pos:s.end:s.end], at, s.end})
	}
}

func (p *parser) importEntry(s *reader) Import {
	im := Import{Module: s.name(), Name: s.name()}
	at := s.pos
	switch im.Kind = Kind(s.byte("kind")); im.Kind {
	case KindFunction:
		t := p.function(s)
		im.Params, im.Results = t.params, t.results
	case KindTable:
		s.refType()
		s.limits(math.MaxUint32, false)
	case KindMemory:
		p.memory(s, true)
	case KindGlobal:
		s.valueType()
		at := s.pos
		if b := s.byte("mutability"); b > 1 {
			s.fail(at, "mutability 0x%02x, want 0 or 1", b)
		}
	default:
		s.fail(at, "import %q %q is of %s, want func, table, memory or global", im.Module, im.Name, im.Kind)
	}
	return im
}

// function reads the type index of a function and adds the function to the index space.
func (p *parser) function(s *reader) signature {
	t := p.index(s, len(p.types), "type")
	if s.err != nil {
		return signature{}
	}
	p.funcs = append(p.funcs, t)
	return p.types[t]
}

func (p *parser) memory(s *reader, imported bool) {
	m := s.limits(maxPages, true)
	m.Imported = imported
	p.module.Memories = append(p.module.Memories, m)
}

func (p *parser) exports(s *reader) {
	seen := map[string]bool{}
	s.each(MaxExports, 0, "exports", func() {
		at := s.pos
		ex := Export{Name: s.name()}
		if seen[ex.Name] {
			s.fail(at, "a second export %q", ex.Name)
		}
		seen[ex.Name] = true
		at = s.pos
		switch ex.Kind = Kind(s.byte("kind")); ex.Kind {
		case KindFunction:
			if i := p.index(s, len(p.funcs), "function"); s.err == nil {
				t := p.types[p.funcs[i]]
				ex.Params, ex.Results = t.params, t.results
			}
		case KindMemory:
			p.index(s, len(p.module.Memories), "memory")
		case KindTable, KindGlobal:
			s.u32("index")
		default:
			s.fail(at, "export %q is of %s, want func, table, memory or global", ex.Name, ex.Kind)
		}
		p.module.Exports = append(p.module.Exports, ex)
	})
}

// index reads an index into a space of n entries.
func (p *parser) index(s *reader, n int, what string) uint32 {
	at := s.pos
	i := s.u32(what + " index")
	if s.err == nil && uint64(i) >= uint64(n) {
		s.fail(at, "%s %d of %d", what, i, n)
	}
	return i
}
