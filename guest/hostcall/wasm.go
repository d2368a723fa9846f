//go:build wasip1

package hostcall

import "unsafe"

// The part of Extism's kernel that the module uses. go-pdk has these functions too, but adds encoding/json to the
// module (docs/measurements.md).

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env output_set
func outputSet(offset, length uint64)

//go:wasmimport extism:host/env alloc
func alloc(length uint64) uint64

//go:wasmimport extism:host/env length
func blockLength(offset uint64) uint64

//go:wasmimport extism:host/env load_u64
func loadU64(offset uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(offset uint64) uint32

//go:wasmimport extism:host/env store_u64
func storeU64(offset, value uint64)

//go:wasmimport mach5:connector/v1 http_send
func httpSend(request uint64) uint64

//go:wasmimport mach5:connector/v1 body_read
func bodyRead(handle, offset, length uint64) uint64

//go:wasmimport mach5:connector/v1 records_emit
func recordsEmit(handle, options uint64) uint64

//go:wasmimport mach5:connector/v1 record_emit
func recordEmit(record uint64) uint64

//go:wasmimport mach5:connector/v1 secret_get
func secretGet(ref uint64) uint64

//go:wasmimport mach5:connector/v1 wait
func wait(ms uint64) uint64

// Wasm implements Imports with the module's imports.
type Wasm struct{}

// HTTPSend implements Imports.
func (Wasm) HTTPSend(request string) string { return get(httpSend(put(request))) }

// BodyRead implements Imports.
func (Wasm) BodyRead(handle uint64, offset, length int64) string {
	return get(bodyRead(handle, uint64(offset), uint64(length)))
}

// RecordsEmit implements Imports.
func (Wasm) RecordsEmit(handle uint64, options string) string {
	return get(recordsEmit(handle, put(options)))
}

// RecordEmit implements Imports.
func (Wasm) RecordEmit(record string) bool { return recordEmit(put(record)) != 0 }

// SecretGet implements Imports.
func (Wasm) SecretGet(ref string) string { return get(secretGet(put(ref))) }

// Wait implements Imports.
func (Wasm) Wait(ms int64) bool { return wait(uint64(ms)) != 0 }

// Input returns the host's message for the running export.
func Input() string {
	b := make([]byte, inputLength())
	i := 0
	for ; i+8 <= len(b); i += 8 {
		*wordAt(b, i) = inputLoadU64(uint64(i))
	}
	for ; i < len(b); i++ {
		b[i] = byte(inputLoadU8(uint64(i)))
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) // b is not changed after this
}

// Output sets the result of the running export.
func Output(s string) { outputSet(store(s)) }

// put copies a message into the host's memory.
func put(s string) (offset uint64) { offset, _ = store(s); return offset }

// get copies a message out of the host's memory. Input does the same with other imports. They do not share code,
// because calls through function values are slower.
func get(offset uint64) string {
	if offset == 0 {
		return ""
	}
	b := make([]byte, blockLength(offset))
	i := 0
	for ; i+8 <= len(b); i += 8 {
		*wordAt(b, i) = loadU64(offset + uint64(i))
	}
	for ; i < len(b); i++ {
		b[i] = byte(loadU8(offset + uint64(i)))
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// wordAt returns the 8-byte word at an index. Wasm allows any alignment, and has the kernel's byte order,
// little-endian.
func wordAt(b []byte, i int) *uint64 {
	_ = b[i+7]
	return (*uint64)(unsafe.Pointer(&b[i]))
}

// store copies a message into a new block of the host's memory. It pads the message with spaces to a multiple of 8
// bytes, which JSON ignores. Extism's memory is copied in 8-byte words, and each byte after the last whole word costs
// as much as a hundred words.
func store(s string) (offset, length uint64) {
	length = (uint64(len(s)) + 7) &^ 7
	offset = alloc(length)
	whole := uint64(len(s)) &^ 7
	for i := uint64(0); i < whole; i += 8 {
		storeU64(offset+i, wordOf(s[i:i+8]))
	}
	if whole < length {
		storeU64(offset+whole, wordOf((s[whole:] + "        ")[:8]))
	}
	return offset, length
}

// wordOf is wordAt for the first bytes of a text.
func wordOf(s string) uint64 {
	_ = s[7]
	return *(*uint64)(unsafe.Pointer(unsafe.StringData(s)))
}
