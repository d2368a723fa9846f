//go:build wasip1

package hostcall

import "github.com/extism/go-pdk"

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

// Wasm are the module's imports.
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

// Input is what the host gave to the export that runs.
func Input() string { return string(pdk.Input()) }

// Output is what the export answers.
func Output(s string) { pdk.OutputMemory(pdk.AllocateBytes(pad(s))) }

// put copies a message into the host's memory.
func put(s string) uint64 { m := pdk.AllocateBytes(pad(s)); return m.Offset() }

// get copies a message out of the host's memory.
func get(offset uint64) string {
	if offset == 0 {
		return ""
	}
	m := pdk.FindMemory(offset)
	return string(m.ReadBytes())
}

// pad fills a message with spaces to a multiple of 8 bytes, which JSON does not mind: Extism's memory is crossed in
// words of 8, and each byte behind the last whole word costs as much as a hundred words.
func pad(s string) []byte {
	n := (len(s) + 7) &^ 7
	b := make([]byte, n)
	for i := copy(b, s); i < n; i++ {
		b[i] = ' '
	}
	return b
}
