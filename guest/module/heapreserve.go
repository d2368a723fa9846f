//go:build wasip1

package module

import "runtime"

// heapReserve is how many bytes of the heap are free when the host takes the snapshot from which every call starts. A
// call that fits into it does not grow the module's memory, which cannot shrink. So the instance can serve the next
// call. Unused reserve costs an instance nothing.
const heapReserve = 2 << 20

var reserve []byte

func init() {
	reserve = make([]byte, heapReserve)
	reserve = nil
	runtime.GC()
}
