//go:build wasip1

package module

import "runtime"

// headroom is how much of the heap is free when the host takes the image with which every call begins, in bytes. A call
// that fits into it does not grow the module's memory, which could not shrink again, so that its instance can serve the
// next; nothing of it is in use, and so costs no instance anything.
const headroom = 2 << 20

var room []byte

func init() {
	room = make([]byte, headroom)
	room = nil
	runtime.GC()
}
