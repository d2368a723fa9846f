package wasmbin

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrData is wrapped by EditData's error for data segments that are not as a linker writes them.
var ErrData = errors.New("data segments that cannot be edited")

// maxImage is the maximum size of the memory image in EditData, in bytes.
const maxImage = 16 << 20

// EditData returns the module with different initial memory. edit changes an image of the memory from the first byte
// of data to the last. The result is divided into segments again, with zeros between them.
//
// The module must have one memory of its own, and active segments with constant addresses that do not overlap.
// Otherwise, the error wraps ErrData.
func EditData(wasm []byte, edit func(image []byte)) ([]byte, error) {
	m, err := Parse(wasm)
	if err != nil {
		return nil, err
	}
	for _, im := range m.Imports {
		if im.Kind == KindMemory {
			return nil, fmt.Errorf("%w: the memory is imported", ErrData)
		}
	}
	out := append(make([]byte, 0, len(wasm)), wasm[:len(magic)+len(version)]...)
	file := reader{b: wasm, pos: len(magic) + len(version), end: len(wasm), section: "module"}
	for file.pos < file.end {
		at := file.pos
		id := file.byte("section id")
		s := reader{b: wasm, section: sections[id].name}
		s.pos, s.end = file.span("the " + s.section + " section")
		switch {
		case file.err != nil:
			return nil, file.err
		case id == sectionDataCount:
			return nil, fmt.Errorf("%w: instructions may name them", ErrData)
		case id != sectionData:
			out = append(out, wasm[at:s.end]...)
			continue
		}
		first, image, err := s.image()
		if err != nil {
			return nil, err
		}
		edit(image)
		out = appendSection(out, sectionData, segments(first, image))
	}
	return out, nil
}

// image reads a data section into an image of the memory that starts at first.
func (r *reader) image() (first uint32, image []byte, err error) {
	type segment struct{ at, from, to int }
	var all []segment
	low, high := int(^uint32(0)), 0
	r.each(MaxSegments, 0, "data segments", func() {
		if r.u32("flags of a data segment") != 0 || r.byte("the address of a data segment") != opI32Const {
			r.fail(r.pos, "a segment without a constant address")
			return
		}
		value, length := signed(r.b[r.pos:r.end])
		if r.pos += length; length == 0 || r.byte("the end of an address") != opEnd {
			r.fail(r.pos, "an address of another form")
			return
		}
		from, to := r.span("the data")
		at := int(uint32(value))
		all = append(all, segment{at, from, to})
		low, high = min(low, at), max(high, at+to-from)
	})
	switch {
	case r.err != nil:
		return 0, nil, fmt.Errorf("%w: %w", ErrData, r.err)
	case len(all) == 0:
		return 0, nil, nil
	case high-low > maxImage:
		return 0, nil, fmt.Errorf("%w: they span %d bytes", ErrData, high-low)
	}
	image = make([]byte, high-low)
	taken := make([]bool, high-low)
	for _, g := range all {
		for i := range g.to - g.from {
			at := g.at - low + i
			if taken[at] {
				return 0, nil, fmt.Errorf("%w: two of them overlap", ErrData)
			}
			image[at], taken[at] = r.b[g.from+i], true
		}
	}
	return uint32(low), image, nil
}

// segments returns the content of a data section for an image. A run of zeros divides two segments if it is longer
// than a segment's header.
func segments(first uint32, image []byte) []byte {
	const header = 7
	var body []byte
	count := 0
	for i := 0; i < len(image); {
		if image[i] == 0 {
			i++
			continue
		}
		end := i + 1 // after the last byte that is not zero
		for j := end; j < len(image) && j-end <= header; j++ {
			if image[j] != 0 {
				end = j + 1
			}
		}
		body = append(appendSigned(append(body, 0, opI32Const), first+uint32(i)), opEnd)
		body = append(binary.AppendUvarint(body, uint64(end-i)), image[i:end]...)
		count++
		i = end
	}
	return append(binary.AppendUvarint(nil, uint64(count)), body...)
}
