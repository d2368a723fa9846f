package pack

import (
	"bytes"
	"encoding/binary"
)

// dropLines clears the tables of files and lines in the memory image of a Go module. Stack traces of the module then have only
// the names of functions; nothing else in Go's runtime reads these tables. It returns how many bytes it cleared: 0 for an image
// without a table in the format of Go 1.20 to 1.26.
//
// The format is defined by package internal/abi and by runtime.pcHeader, _func and pcvalue.
func dropLines(image []byte) (dropped int) {
	for at := 0; ; at++ {
		i := bytes.Index(image[at:], []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8})
		if i < 0 {
			return 0
		}
		at += i
		if t, ok := readLineTable(image[at:]); ok {
			return t.drop()
		}
	}
}

// Offsets in runtime._func, in bytes.
const (
	funcPCSP    = 16
	funcPCFile  = 20
	funcPCLn    = 24
	funcNPCData = 28
	funcNumber  = 43 // number of funcdata entries
	funcHeader  = 44
	tableHeader = 72 // size of runtime.pcHeader
	maxPCTables = 32 // most tables of one function
)

// lineTable is the runtime's table of functions.
type lineTable struct {
	pctab []byte   // several tables for each function, with pairs of steps of value and program counter
	funcs [][]byte // each is a runtime._func
}

// readLineTable reads the table at the beginning of an image. ok is false if its parts are not consistent.
func readLineTable(image []byte) (t lineTable, ok bool) {
	if len(image) < tableHeader {
		return t, false
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(image[8+8*i:]) }
	count, names, pctab, funcs := word(0), word(3), word(6), word(7)
	if names != tableHeader || count == 0 || count > uint64(len(image)) || pctab >= funcs || funcs > uint64(len(image)) || 8*(count+1) > uint64(len(image))-funcs {
		return t, false
	}
	t.pctab = image[pctab:funcs]
	table := image[funcs:]
	for i := range count {
		offset := binary.LittleEndian.Uint32(table[8*i+4:])
		if uint64(offset)+funcHeader > uint64(len(table)) {
			return t, false
		}
		f := table[offset:]
		n := binary.LittleEndian.Uint32(f[funcNPCData:])
		if n > maxPCTables || uint64(funcHeader+4*n) > uint64(len(f)) {
			return t, false
		}
		t.funcs = append(t.funcs, f)
	}
	return t, true
}

// drop clears the tables that only files and lines need, and returns the number of bytes cleared.
func (t lineTable) drop() (dropped int) {
	kept := make([]bool, len(t.pctab))
	keep := func(offset uint32) {
		for i := range t.size(offset) {
			kept[int(offset)+i] = true
		}
	}
	for _, f := range t.funcs {
		keep(binary.LittleEndian.Uint32(f[funcPCSP:]))
		for i := range binary.LittleEndian.Uint32(f[funcNPCData:]) {
			keep(binary.LittleEndian.Uint32(f[funcHeader+4*i:]))
		}
	}
	for _, f := range t.funcs {
		for _, field := range [...]int{funcPCFile, funcPCLn} {
			offset := binary.LittleEndian.Uint32(f[field:])
			for i := range t.size(offset) {
				if at := int(offset) + i; !kept[at] && t.pctab[at] != 0 {
					t.pctab[at] = 0
					dropped++
				}
			}
			binary.LittleEndian.PutUint32(f[field:], 0) // no table
		}
	}
	return dropped
}

// size returns the length of the table at an offset, as runtime.step reads it. The table ends with a value step of 0
// that is not the first. Offset 0 means that there is no table.
func (t lineTable) size(offset uint32) int {
	if offset == 0 || int(offset) >= len(t.pctab) {
		return 0
	}
	i := int(offset)
	for first := true; ; first = false {
		value, n := binary.Uvarint(t.pctab[i:])
		if n <= 0 {
			return 0
		}
		if i += n; value == 0 && !first {
			return i - int(offset)
		}
		if _, n = binary.Uvarint(t.pctab[i:]); n <= 0 {
			return 0
		}
		i += n
	}
}
