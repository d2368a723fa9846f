package conformance

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// Modules that no compiler would write are put together here, byte by byte. The names are those of the binary format:
// https://webassembly.github.io/spec/core/binary/modules.html

func leb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

func vec(entries ...string) string { return leb(len(entries)) + strings.Join(entries, "") }

func name(s string) string { return leb(len(s)) + s }

func section(id byte, content string) string { return string([]byte{id}) + leb(len(content)) + content }

func custom(n, data string) string { return section(0, name(n)+data) }

// i32 and i64 are instructions that push a constant.
func i32(n int64) string { return "\x41" + sleb(n) }
func i64(n int64) string { return "\x42" + sleb(n) }

func sleb(n int64) string {
	var b []byte
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return string(append(b, c))
		}
		b = append(b, c|0x80)
	}
}

const (
	drop = "\x1a"
	end  = "\x0b"
)

// loop repeats code for ever. What stands behind it is never reached, and of any type.
func loop(code string) string { return "\x03\x40" + code + "\x0c\x00" + end + "\x00" }

// assembly is a module in the making. The zero value is a sound one whose exports return 0 at once.
type assembly struct {
	types         []string // behind type 0, () -> i32
	imports       []string // of functions; see imported
	memory        string   // limits; default one page
	memories      int      // default 1; -1 is none
	table         string
	tables        int // default 1, where there is a table
	globals       []string
	start         bool
	elements      string
	segments      string // an element section as it stands
	globalSection string // likewise
	count         string // the data count section
	data          string
	more          []string          // further exports
	exports       map[string]string // by name, in place of a sound one; "" leaves it out
	invoke        string            // code of the function behind invoke, without its end; default i32.const 0
	locals        string
	manifest      []string // default the kit's; empty strings are sections too
	tail          string   // sections at the end
	noManif       bool
}

// imported is an import of a function of a type.
func imported(module, field string, typ int) string {
	return name(module) + name(field) + "\x00" + leb(typ)
}

func (m assembly) build() []byte {
	if m.memory == "" {
		m.memory = "\x00\x01"
	}
	if m.memories == 0 {
		m.memories = 1
	}
	if m.invoke == "" {
		m.invoke = i32(0)
	}
	if m.locals == "" {
		m.locals = "\x00"
	}
	if m.manifest == nil && !m.noManif {
		m.manifest = []string{string(encode(manifest()))}
	}
	n := len(m.imports) // function n is what invoke calls, n+1 returns 0 at once
	var exports []string
	for _, e := range []string{"describe", "invoke", "source", "table"} {
		entry, ok := m.exports[e]
		if !ok {
			entry = name(e) + "\x00" + leb(n+1)
			if e == "invoke" {
				entry = name(e) + "\x00" + leb(n)
			}
		}
		if entry != "" {
			exports = append(exports, entry)
		}
	}
	if m.memories > 0 {
		exports = append(exports, name("memory")+"\x02\x00")
	}
	exports = append(exports, m.more...)
	body := func(locals, code string) string { return leb(len(locals+code+end)) + locals + code + end }
	if m.start {
		m.types = append(slices.Clone(m.types), "\x60\x00\x00")
	}
	out := "\x00asm\x01\x00\x00\x00"
	out += section(1, vec(append([]string{"\x60\x00\x01\x7f"}, m.types...)...))
	if m.imports != nil {
		out += section(2, vec(m.imports...))
	}
	functions, bodies := []string{"\x00", "\x00"}, []string{body(m.locals, m.invoke), body("\x00", i32(0))}
	if m.start {
		functions, bodies = append(functions, leb(len(m.types))), append(bodies, body("\x00", loop("")))
	}
	out += section(3, vec(functions...))
	if m.table != "" {
		out += section(4, vec(slices.Repeat([]string{m.table}, max(m.tables, 1))...))
	}
	out += section(5, vec(slices.Repeat([]string{m.memory}, max(m.memories, 0))...))
	if m.globals != nil {
		out += section(6, vec(m.globals...))
	}
	out += m.globalSection
	out += section(7, vec(exports...))
	if m.start {
		out += section(8, leb(n+2))
	}
	if m.elements != "" {
		out += section(9, vec(m.elements))
	}
	out += m.segments
	if m.count != "" {
		out += section(12, m.count)
	}
	out += section(10, vec(bodies...))
	if m.data != "" {
		out += section(11, vec(m.data))
	}
	out += m.tail
	for _, text := range m.manifest {
		out += custom(abi.ManifestSection, text)
	}
	return []byte(out)
}
