package compile

import (
	"encoding/binary"
	"slices"
)

// bombShape is the shape of a function that keeps a compiler busy.
type bombShape struct {
	locals int
	nested int // loops in each other
	after  int // loops after each other
	ifs    int // ifs after each other
	labels int // labels of a br_table
	stack  int // operands on the stack around them
}

// bomb returns a module with the exports of config and one more function of a shape.
func bomb(shape bombShape) []byte {
	u := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	section := func(id byte, b []byte) []byte { return slices.Concat([]byte{id}, u(len(b)), b) }
	vector := func(all ...[]byte) []byte { return slices.Concat(u(len(all)), slices.Concat(all...)) }
	var exports, bodies [][]byte
	for i, name := range exportNames {
		exports = append(exports, slices.Concat(u(len(name)), []byte(name), []byte{0}, u(i)))
		bodies = append(bodies, []byte{4, 0, 0x41, 0, 0x0b})
	}
	code := slices.Concat(u(1), u(shape.locals), []byte{0x7f})
	addOne := func() {
		for i := range shape.locals {
			code = slices.Concat(code, []byte{0x20}, u(i), []byte{0x41, 1, 0x6a, 0x21}, u(i)) // local.get, i32.const 1, i32.add, local.set
		}
	}
	for i := range shape.stack {
		code = slices.Concat(code, []byte{0x20}, u(i%shape.locals))
	}
	loop, end := []byte{0x03, 0x40}, []byte{0x20, 0, 0x0d, 0, 0x0b} // loop; local.get 0, br_if 0, end
	for range shape.nested {
		code = append(code, loop...)
	}
	addOne()
	for range shape.nested {
		code = append(code, end...)
	}
	for range shape.after {
		code = slices.Concat(code, loop, end)
	}
	for range shape.ifs {
		code = append(code, 0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6a, 0x21, 0, 0x0b) // if local 0 { local 0 += 1 }
	}
	if shape.labels > 0 {
		code = slices.Concat(code, []byte{0x02, 0x40, 0x20, 0, 0x0e}, u(shape.labels-1), make([]byte, shape.labels), []byte{0x0b}) // block, br_table, end
	}
	addOne()
	for range shape.stack {
		code = append(code, 0x21, 0) // local.set 0
	}
	code = append(code, 0x41, 0, 0x0b)
	bodies = append(bodies, slices.Concat(u(len(code)), code))
	types := vector([]byte{0x60, 0, 1, 0x7f})
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), section(1, types), section(3, slices.Concat(u(len(bodies)), make([]byte, len(bodies)))),
		section(5, vector([]byte{0, 1})), section(7, vector(exports...)), section(10, vector(bodies...)))
}
