package wasmbin

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Strip returns the module without the custom sections for which keep returns false. Everything else stays the same.
// keep is called once per section, in order.
func Strip(wasm []byte, keep func(name string) bool) ([]byte, error) {
	m, err := Parse(wasm)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(wasm))
	from := 0
	for _, c := range m.Customs {
		if !keep(c.Name) {
			out = append(out, wasm[from:c.Offset]...)
			from = c.end
		}
	}
	return append(out, wasm[from:]...), nil
}

// AppendCustom returns the module with an additional custom section at its end. It does not replace a section of that
// name: Strip it first.
func AppendCustom(wasm []byte, name string, data []byte) ([]byte, error) {
	m, err := Parse(wasm)
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(name) {
		return nil, fmt.Errorf("the name of a custom section must be UTF-8, found %q", name)
	}
	if len(m.Customs) == MaxCustoms {
		return nil, fmt.Errorf("the module already has the maximum of %d custom sections", MaxCustoms)
	}
	header := append(binary.AppendUvarint(nil, uint64(len(name))), name...) // uvarint is LEB128
	size := uint64(len(header)) + uint64(len(data))
	if size > math.MaxUint32 {
		return nil, fmt.Errorf("a custom section may have at most %[2]d bytes, found %[1]d", size, uint32(math.MaxUint32))
	}
	out := make([]byte, 0, len(wasm)+1+binary.MaxVarintLen32+int(size))
	out = append(append(out, wasm...), sectionCustom)
	out = binary.AppendUvarint(out, size)
	return append(append(out, header...), data...), nil
}
