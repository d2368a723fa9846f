// Package assemble builds modules byte by byte that no compiler would write.
//
// The names are those of the binary format: https://webassembly.github.io/spec/core/binary/modules.html
package assemble

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
)

// LEB returns n as an unsigned LEB128 number.
func LEB(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

// Vec returns a vector of entries.
func Vec(entries ...string) string { return LEB(len(entries)) + strings.Join(entries, "") }

// Name returns a name.
func Name(s string) string { return LEB(len(s)) + s }

// Section returns a section.
func Section(id byte, content string) string { return string([]byte{id}) + LEB(len(content)) + content }

// Custom returns a custom section.
func Custom(n, data string) string { return Section(0, Name(n)+data) }

// I32 returns the instruction that pushes a constant.
func I32(n int64) string { return "\x41" + sleb(n) }

// I64 returns the instruction that pushes a constant.
func I64(n int64) string { return "\x42" + sleb(n) }

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

// Instructions.
const (
	Drop = "\x1a"
	End  = "\x0b"
)

// Loop repeats code endlessly. Code after it is never reached and may have any type.
func Loop(code string) string { return "\x03\x40" + code + "\x0c\x00" + End + "\x00" }

// Module describes a module to build. The zero value is a valid one whose exports return 0 at once.
type Module struct {
	Types         []string // after type 0, () -> i32
	Imports       []string // imports of functions; see Imported
	Memory        string   // limits; default one page
	Memories      int      // default 1; -1 is none
	Table         string
	Tables        int // default 1 if there is a table
	Globals       []string
	Start         bool
	Elements      string
	Segments      string // a whole element section
	GlobalSection string // likewise
	Count         string // the data count section
	Data          string
	More          []string          // additional exports
	Exports       map[string]string // by name, replacing a valid one; "" omits it
	Invoke        string            // code of the invoke function, without its end; default i32.const 0
	Locals        string
	Initialise    string   // code of the function behind _initialize, which returns an i32; "" leaves it out
	Manifest      []string // default the kit's; empty strings are sections too
	Tail          string   // sections at the end
	NoManifest    bool
}

// Imported returns the import of a function with this type.
func Imported(module, field string, typ int) string {
	return Name(module) + Name(field) + "\x00" + LEB(typ)
}

// Build returns the binary module.
func (m Module) Build() []byte {
	if m.Memory == "" {
		m.Memory = "\x00\x01"
	}
	if m.Memories == 0 {
		m.Memories = 1
	}
	if m.Invoke == "" {
		m.Invoke = I32(0)
	}
	if m.Locals == "" {
		m.Locals = "\x00"
	}
	if m.Manifest == nil && !m.NoManifest {
		m.Manifest = []string{string(kit.Encode(kit.Manifest()))}
	}
	n := len(m.Imports) // function n is called by invoke, and n+1 returns 0 at once
	var exports []string
	for _, e := range []string{"describe", "invoke", "source", "table"} {
		entry, ok := m.Exports[e]
		if !ok {
			entry = Name(e) + "\x00" + LEB(n+1)
			if e == "invoke" {
				entry = Name(e) + "\x00" + LEB(n)
			}
		}
		if entry != "" {
			exports = append(exports, entry)
		}
	}
	if m.Memories > 0 {
		exports = append(exports, Name("memory")+"\x02\x00")
	}
	exports = append(exports, m.More...)
	body := func(locals, code string) string { return LEB(len(locals+code+End)) + locals + code + End }
	if m.Start {
		m.Types = append(slices.Clone(m.Types), "\x60\x00\x00")
	}
	out := "\x00asm\x01\x00\x00\x00"
	out += Section(1, Vec(append([]string{"\x60\x00\x01\x7f"}, m.Types...)...))
	if m.Imports != nil {
		out += Section(2, Vec(m.Imports...))
	}
	functions, bodies := []string{"\x00", "\x00"}, []string{body(m.Locals, m.Invoke), body("\x00", I32(0))}
	if m.Start {
		functions, bodies = append(functions, LEB(len(m.Types))), append(bodies, body("\x00", Loop("")))
	}
	if m.Initialise != "" {
		exports = append(exports, Name("_initialize")+"\x00"+LEB(n+len(functions)))
		functions, bodies = append(functions, "\x00"), append(bodies, body("\x00", m.Initialise))
	}
	out += Section(3, Vec(functions...))
	if m.Table != "" {
		out += Section(4, Vec(slices.Repeat([]string{m.Table}, max(m.Tables, 1))...))
	}
	out += Section(5, Vec(slices.Repeat([]string{m.Memory}, max(m.Memories, 0))...))
	if m.Globals != nil {
		out += Section(6, Vec(m.Globals...))
	}
	out += m.GlobalSection
	out += Section(7, Vec(exports...))
	if m.Start {
		out += Section(8, LEB(n+2))
	}
	if m.Elements != "" {
		out += Section(9, Vec(m.Elements))
	}
	out += m.Segments
	if m.Count != "" {
		out += Section(12, m.Count)
	}
	out += Section(10, Vec(bodies...))
	if m.Data != "" {
		out += Section(11, Vec(m.Data))
	}
	out += m.Tail
	for _, text := range m.Manifest {
		out += Custom(abi.ManifestSection, text)
	}
	return []byte(out)
}
