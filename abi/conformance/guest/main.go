//go:build wasip1

// Command guest is the module of the conformance kit. It does what its input says, permitted or not. The input is a
// list of steps. Each step calls an import with any arguments, or misbehaves in some other way. The output has the
// result of each step.
//
//	{"steps": [{"do": "http_send", "text": "{…}"}, {"do": "body_read", "args": ["{handle}", "0", "64"]}]}
//
// In a text, {{auth}}, {{scheme}} and {{secret}} are replaced by what secret_get returned, and {{escaped}} by the
// last with each byte escaped. As arguments, {handle} is the body of the last response, {text} the offset of the
// step's text as a message, and {last} the last import's result.
package main

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/mach5/okta-connector/guest/jsonval"
)

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

//go:wasmimport extism:host/env alloc
func alloc(n uint64) uint64

//go:wasmimport extism:host/env free
func free(offset uint64)

//go:wasmimport extism:host/env length
func length(offset uint64) uint64

//go:wasmimport extism:host/env length_unsafe
func lengthUnsafe(offset uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(offset uint64) uint32

//go:wasmimport extism:host/env load_u64
func loadU64(offset uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, v uint32)

//go:wasmimport extism:host/env store_u64
func storeU64(offset, v uint64)

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env output_set
func outputSet(offset, length uint64)

//go:wasmimport extism:host/env error_set
func errorSet(offset uint64)

//go:wasmimport wasi_snapshot_preview1 fd_write
func fdWrite(fd uint32, vectors unsafe.Pointer, count uint32, written unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 fd_read
func fdRead(fd uint32, vectors unsafe.Pointer, count uint32, read unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 fd_close
func fdClose(fd uint32) uint32

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(at unsafe.Pointer, n uint32) uint32

//go:wasmimport wasi_snapshot_preview1 clock_time_get
func clockTimeGet(id uint32, precision uint64, at unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 fd_prestat_get
func fdPrestatGet(fd uint32, at unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 environ_sizes_get
func environSizesGet(count, size unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 args_sizes_get
func argsSizesGet(count, size unsafe.Pointer) uint32

//go:wasmexport describe
func describe() int32 { return 0 }

//go:wasmexport invoke
func invoke() int32 { return act("input") }

//go:wasmexport source
func source() int32 { return act("config") }

//go:wasmexport table
func table() int32 { return act("input") }

func main() {}

// State that a call could leave for the next.
var (
	planted  []string
	kept     string
	sink     [][]byte
	sinkInt  int
	lastBody uint64
	last     uint64
)

// act runs the steps of the call.
func act(field string) int32 {
	call, _ := jsonval.Parse(read(hostInput()))
	in := call.Get(field)
	var secret jsonval.Value
	var results []string
	for step := range in.Get("steps").Elements() {
		text := step.Get("text").Str()
		if strings.Contains(text, "{{") && secret.Raw() == "" {
			secret, _ = jsonval.Parse(message(secretGet(put("token"))))
		}
		auth := secret.Get("placeholder").Str()
		if scheme := secret.Get("scheme").Str(); scheme != "" {
			auth = scheme + " " + auth
		}
		text = strings.ReplaceAll(text, "{{auth}}", auth)
		text = strings.ReplaceAll(text, "{{scheme}}", secret.Get("scheme").Str())
		text = strings.ReplaceAll(text, "{{secret}}", secret.Get("placeholder").Str())
		text = strings.ReplaceAll(text, "{{escaped}}", escaped(secret.Get("placeholder").Str()))
		if strings.Contains(text, "{{next}}") { // another number on each page
			page, _ := strconv.Atoi(call.Get("cursor").Str())
			text = strings.ReplaceAll(text, "{{next}}", strconv.Itoa(page+1))
		}
		if n := step.Get("grow").Int(); n > 0 { // a text that is not in the input
			text = strings.ReplaceAll(text, "{{grow}}", strings.Repeat(step.Get("with").Str(), int(n)))
		}
		repeat := max(step.Get("times").Int(), 1)
		var v uint64
		var out string
		for range repeat {
			offset := uint64(0)
			var args [4]uint64
			i := 0
			for a := range step.Get("args").Elements() {
				switch s := a.Str(); s {
				case "{handle}":
					args[i] = lastBody
				case "{last}":
					args[i] = last
				case "{text}":
					if offset == 0 {
						offset = put(text)
					}
					args[i] = offset
				default:
					args[i], _ = strconv.ParseUint(s, 0, 64)
				}
				i++
			}
			var code int32
			v, out, code = do(step.Get("do").Str(), text, args, i)
			last = v
			if code != 0 {
				return code - 1
			}
		}
		var w jsonval.Writer
		results = append(results, w.Str("value", strconv.FormatUint(v, 10)).Str("text", out).String())
	}
	answer := `{"outcome":"succeeded","output":{"steps":[` + strings.Join(results, ",") + `]}}`
	if field == "config" {
		answer = `{"outcome":"succeeded","checkpoint":{"n":1},"caught_up":true}`
	}
	offset := put(answer)
	outputSet(offset, length(offset))
	return 0
}

// do makes one step. If code is not 0, the export returns code-1 at once.
func do(what, text string, args [4]uint64, n int) (v uint64, out string, code int32) {
	first := func() uint64 { // the first argument, or else the text as a message
		if n > 0 {
			return args[0]
		}
		return put(text)
	}
	switch what {
	case "http_send":
		v = httpSend(first())
		out = message(v)
		resp, _ := jsonval.Parse(out)
		if h := resp.Get("body").Int(); h > 0 {
			lastBody = uint64(h)
		}
	case "body_read":
		v = bodyRead(args[0], args[1], args[2])
		out = message(v)
	case "records_emit":
		o := args[1]
		if n < 2 {
			o = put(text)
		}
		v = recordsEmit(args[0], o)
		out = message(v)
	case "record_emit":
		v = recordEmit(first())
	case "secret_get":
		v = secretGet(first())
		out = message(v)
	case "wait":
		v = wait(args[0])
	case "alloc":
		v = alloc(args[0])
	case "free":
		free(args[0])
	case "free twice":
		free(args[0])
		free(args[0])
	case "length":
		v = length(args[0])
	case "length of the middle": // the length in the middle of a message
		v = length(put(text) + 8)
	case "length of what was freed":
		offset := put(text)
		free(offset)
		v = length(offset)
	case "length_unsafe":
		v = lengthUnsafe(args[0])
	case "load_u8":
		v = uint64(loadU8(args[0]))
	case "load_u64":
		v = loadU64(args[0])
	case "store_u8":
		storeU8(args[0], uint32(args[1]))
	case "store_u64":
		storeU64(args[0], args[1])
	case "input_length":
		v = inputLength()
	case "input_load_u8":
		v = uint64(inputLoadU8(args[0]))
	case "input_load_u64":
		v = inputLoadU64(args[0])
	case "output_set":
		outputSet(args[0], args[1])
		return 0, "", 1
	case "error_set":
		errorSet(first())
		return 0, "", 2
	case "message": // the message at an offset
		out = message(args[0])
	case "message of": // the length of a message of so many bytes
		v = put(strings.Repeat("x", int(args[0])))
	case "answer": // any text as the whole output, with the export's return value
		offset := put(text)
		outputSet(offset, length(offset))
		return 0, "", int32(args[0]) + 1
	case "return":
		return 0, "", int32(args[0]) + 1

	case "fd_write":
		v = uint64(write(uint32(args[0]), text))
	case "fd_write vectors": // the same text in so many buffers
		v = uint64(writeVectors(uint32(args[0]), text, int(args[1])))
	case "fd_write nowhere":
		var got uint32
		v = uint64(fdWrite(1, unsafe.Pointer(uintptr(args[0])), uint32(args[1]), unsafe.Pointer(&got)))
	case "fd_read":
		var b [64]byte
		vec := [2]uint32{uint32(uintptr(unsafe.Pointer(&b))), 64}
		var got uint32
		v = uint64(fdRead(uint32(args[0]), unsafe.Pointer(&vec), 1, unsafe.Pointer(&got)))
		out = string(b[:got])
	case "fd_close":
		v = uint64(fdClose(uint32(args[0])))
	case "fd_prestat_get":
		var b [8]byte
		v = uint64(fdPrestatGet(uint32(args[0]), unsafe.Pointer(&b)))
	case "environ":
		var count, size uint32
		environSizesGet(unsafe.Pointer(&count), unsafe.Pointer(&size))
		v = uint64(count)
	case "args":
		var count, size uint32
		argsSizesGet(unsafe.Pointer(&count), unsafe.Pointer(&size))
		v = uint64(count)
	case "random_get":
		v = uint64(randomGet(unsafe.Pointer(uintptr(args[0])), uint32(args[1])))
	case "clock":
		clockTimeGet(uint32(args[0]), 0, unsafe.Pointer(&v))
	case "spin":
		for {
		}
	case "spin with calls":
		for {
			wait(0)
		}
	case "recurse": // without a loop
		sinkInt = fib(80)
	case "recurse deeper":
		sinkInt = deeper(1)
	case "eat":
		for {
			sink = append(sink, make([]byte, 1<<20))
		}
	case "eat messages":
		for {
			alloc(1 << 20)
		}
	case "eat small messages":
		for {
			alloc(1)
		}
	case "scribble": // over everything where messages are
		for at := args[0]; at < args[1]; at += 8 {
			storeU64(at, args[2])
		}
	case "churn messages":
		for {
			free(alloc(1 << 16))
		}
	case "send endlessly":
		for {
			httpSend(put(text))
		}
	case "read endlessly":
		for {
			free(bodyRead(lastBody, 0, 1<<20))
		}
	case "emit endlessly":
		for {
			free(recordsEmit(lastBody, put(text)))
		}
	case "emit endlessly at once": // in a single call
		offset := put(text)
		for {
			free(recordsEmit(lastBody, offset))
		}
	case "emit values endlessly":
		offset := put(text)
		for {
			recordEmit(offset)
		}
	case "print endlessly":
		for {
			write(2, text)
		}
	case "goroutines":
		for range 100_000 {
			go func() { select {} }()
		}
		runtime.Gosched()
		for {
		}
	case "deadlock":
		select {}
	case "panic":
		panic("the module panics: " + text)
	case "nil":
		var p *[1 << 20]int
		sinkInt = p[1<<19]
	case "divide":
		sinkInt /= n - n
	case "exit":
		syscall.Exit(int(args[0]))
	case "write code": // below the first address of data
		*(*uint64)(unsafe.Pointer(uintptr(args[0]))) = args[1]

	case "plant": // on the heap, on the stack, in a message, in a variable
		planted = append(planted, text+strconv.Itoa(len(planted)))
		kept = text
		put(text)
		v = uint64(deep(64, text))
	case "search": // in all memory and messages, for a marker given in two halves
		v = search(strings.ReplaceAll(text, "|", ""), uintptr(args[0]))
	case "remember": // the placeholder of the first call
		if kept == "" {
			kept = message(secretGet(put("token")))
		}
		out = kept
	case "kept":
		out = kept
	default:
		return 0, "", 100
	}
	return v, out, 0
}

// escaped returns a text percent-encoded.
func escaped(s string) string {
	const hex = "0123456789abcdef"
	var b []byte
	for i := range len(s) {
		b = append(b, '%', hex[s[i]>>4], hex[s[i]&15])
	}
	return string(b)
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:noinline
func deeper(n int) int { return deeper(n+1) + 1 }

// deep leaves a text in the frames of a deep stack.
//
//go:noinline
func deep(n int, text string) int {
	var b [128]byte
	copy(b[:], text)
	if n == 0 {
		return int(b[0])
	}
	return deep(n-1, text) + int(b[n%128])
}

// search counts how often a marker occurs in the first size bytes of linear memory and in the messages, without its
// own copy.
func search(marker string, size uintptr) uint64 {
	var count uint64
	head := marker[:4]
	for at := uintptr(4096); at+uintptr(len(marker)) <= size; at++ {
		p := (*[4]byte)(unsafe.Pointer(at))
		if p[0] != head[0] || p[1] != head[1] || p[2] != head[2] || p[3] != head[3] {
			continue
		}
		same := true
		for i := 4; i < len(marker); i++ {
			if *(*byte)(unsafe.Pointer(at + uintptr(i))) != marker[i] {
				same = false
				break
			}
		}
		if same && at != uintptr(unsafe.Pointer(unsafe.StringData(marker))) {
			count++
		}
	}
	for offset := uint64(64); offset < 1<<20; offset += 8 { // the range of the host's messages
		if length(offset) == 0 {
			continue
		}
		if strings.Contains(message(offset), marker) {
			count++
		}
	}
	return count
}

func write(fd uint32, text string) uint32 { return writeVectors(fd, text, 1) }

func writeVectors(fd uint32, text string, count int) uint32 {
	b := []byte(text)
	vec := make([][2]uint32, count)
	for i := range vec {
		vec[i] = [2]uint32{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))}
	}
	var got uint32
	code := fdWrite(fd, unsafe.Pointer(unsafe.SliceData(vec)), uint32(count), unsafe.Pointer(&got))
	runtime.KeepAlive(b)
	return code
}

// put writes a message, padded with spaces to whole words.
func put(s string) uint64 {
	for len(s)%8 != 0 {
		s += " "
	}
	if s == "" {
		return 0
	}
	offset := alloc(uint64(len(s)))
	if offset == 0 {
		return 0
	}
	for i := 0; i < len(s); i += 8 {
		var v uint64
		for j := 7; j >= 0; j-- {
			v = v<<8 | uint64(s[i+j])
		}
		storeU64(offset+uint64(i), v)
	}
	return offset
}

// message returns the message at an offset.
func message(offset uint64) string {
	n := length(offset)
	if n == 0 {
		return ""
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(loadU8(offset + uint64(i)))
	}
	return strings.TrimRight(string(b), " ")
}

func hostInput() uint64 { return inputLength() }

// read returns the input.
func read(n uint64) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(inputLoadU8(uint64(i)))
	}
	return string(b)
}
