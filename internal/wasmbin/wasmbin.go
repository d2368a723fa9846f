// Package wasmbin reads and changes the structure of a WebAssembly binary without compiling or running it. With it, a
// host refuses a module before any of it runs, and a packer changes its custom sections.
//
// A module that Parse accepts is not necessarily valid: function bodies, tables, globals, elements and data are
// skipped by their size, and left to the compiler.
package wasmbin

import (
	"errors"
	"fmt"
)

// ErrFormat is wrapped by every error about an invalid module. The message names the section and the byte.
var ErrFormat = errors.New("not a valid WebAssembly module")

// Limits of Parse. They limit what it allocates for a hostile module, like the limits of the JavaScript API
// (https://webassembly.github.io/spec/js-api/#limits), and are far above what compilers emit.
const (
	MaxTypes     = 100_000
	MaxImports   = 10_000
	MaxFunctions = 1_000_000 // imported and defined
	MaxMemories  = 100
	MaxExports   = 10_000
	MaxCustoms   = 10_000
	MaxArity     = 1_000 // parameters of a function, and results
)

// Kind is the kind of an import or export.
type Kind byte

// The kinds, as encoded.
const (
	KindFunction Kind = 0
	KindTable    Kind = 1
	KindMemory   Kind = 2
	KindGlobal   Kind = 3
)

// String returns the name of the kind in the text format: "func", "table", "memory" or "global".
func (k Kind) String() string {
	switch k {
	case KindFunction:
		return "func"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return fmt.Sprintf("kind(0x%02x)", byte(k))
}

// ValueType is the type of a parameter or result, as encoded.
type ValueType byte

// The value types.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the name of the type in the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("type(0x%02x)", byte(t))
}

// Module is a parsed module. It is immutable and safe for concurrent use.
type Module struct {
	Imports  []Import
	Memories []Memory // imported ones first
	Exports  []Export
	Customs  []Custom // in the order of the binary
	HasStart bool     // a function runs at instantiation
	Size     int      // size of the binary, in bytes
}

// Import is one import. Params and Results are those of a function. Functions of one type share them: do not change
// them.
type Import struct {
	Module, Name    string
	Kind            Kind
	Params, Results []ValueType
}

// Export is one export. Params and Results are those of a function, as in Import.
type Export struct {
	Name            string
	Kind            Kind
	Params, Results []ValueType
}

// Memory is one linear memory. Min and Max are in pages of 64 KiB. Max is valid if HasMax is set.
type Memory struct {
	Min, Max uint32
	HasMax   bool
	Shared   bool // between threads
	Imported bool
}

// Custom is one custom section.
type Custom struct {
	Name   string
	Data   []byte // a view of the module's bytes, without the name
	Offset int    // position of the section's id in the module

	end int
}

// Section returns the custom sections with a name, in order.
func (m *Module) Section(name string) []Custom {
	var found []Custom
	for _, c := range m.Customs {
		if c.Name == name {
			found = append(found, c)
		}
	}
	return found
}
