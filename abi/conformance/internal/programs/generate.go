// Package programs generates random modules, and runs them against a model of what a host must hold.
package programs

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
)

// function is an import of a program.
type function struct {
	module, name string
	params       string // a letter for each parameter: l is i64, i is i32
	result       string // likewise, or empty
}

// The functions that a module may import. A program imports all of them.
var functions = []function{
	{abi.Namespace, "http_send", "l", "l"}, {abi.Namespace, "body_read", "lll", "l"}, {abi.Namespace, "records_emit", "ll", "l"},
	{abi.Namespace, "record_emit", "l", "l"}, {abi.Namespace, "secret_get", "l", "l"}, {abi.Namespace, "wait", "l", "l"},
	{kernel, "alloc", "l", "l"}, {kernel, "free", "l", ""}, {kernel, "length", "l", "l"}, {kernel, "length_unsafe", "l", "l"},
	{kernel, "load_u8", "l", "i"}, {kernel, "load_u64", "l", "l"}, {kernel, "store_u8", "li", ""}, {kernel, "store_u64", "ll", ""},
	{kernel, "input_length", "", "l"}, {kernel, "input_load_u8", "l", "i"}, {kernel, "input_load_u64", "l", "l"},
	{kernel, "output_set", "ll", ""}, {kernel, "error_set", "l", ""},
	{wasi, "fd_write", "iiii", "i"}, {wasi, "fd_read", "iiii", "i"}, {wasi, "fd_close", "i", "i"}, {wasi, "random_get", "ii", "i"},
	{wasi, "clock_time_get", "ili", "i"}, {wasi, "environ_sizes_get", "ii", "i"},
}

const (
	kernel = "extism:host/env"
	wasi   = "wasi_snapshot_preview1"
)

// Locals of a program, all of type i64.
const (
	values   = 8 // locals 0 to 7 hold results
	message  = 8 // the message that is written
	position = 9 // the position in it
	source   = 10
	counter  = 11 // counters of loops, one for each level
	levels   = 3
	step     = counter + levels
	locals   = step + 1
)

// pages is the initial memory of a program.
const pages = 2

// generator writes one program.
type generator struct {
	*rand.Rand
	texts     strings.Builder // the data segment
	endpoints []string        // what the program mostly asks for
	endless   bool            // whether loops may run for ever
	wild      bool            // whether most statements may end the program
}

// Generate returns the module of a seed, which mostly asks for these endpoints. The same arguments give the same module. Without
// endless, every loop ends.
func Generate(seed uint64, endpoints []string, endless bool) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), endpoints: endpoints, endless: endless}
	g.wild = g.IntN(4) == 0
	var types, imports []string
	for i, f := range functions {
		types = append(types, "\x60"+signature(f.params)+signature(f.result))
		imports = append(imports, assemble.Imported(f.module, f.name, i+1))
	}
	code := g.block(0, 4+g.IntN(12))
	switch g.IntN(8) {
	case 0:
		code += assemble.I32(int64(g.IntN(2)))
	case 1:
		code += g.output(`{"outcome":"`+g.pick("succeeded", "unchanged", "rejected", "denied", "unknown", "")+`","output":{"steps":[]}}`) + assemble.I32(0)
	default:
		code += g.leak() + assemble.I32(0)
	}
	return assemble.Module{Types: types, Imports: imports, Memory: "\x00" + assemble.LEB(pages), Locals: "\x01" + assemble.LEB(locals) + "\x7e",
		Globals: []string{"\x7e\x01\x42\x00\x0b"}, Invoke: code, Data: "\x00\x41\x00\x0b" + assemble.Name(g.texts.String())}.Build()
}

func signature(letters string) string {
	return assemble.Name(strings.NewReplacer("l", "\x7e", "i", "\x7f").Replace(letters))
}

// chance is true for what usually ends the program.
func (g *generator) chance() bool { return g.IntN(map[bool]int{true: 2, false: 12}[g.wild]) == 0 }

func (g *generator) pick(texts ...string) string { return texts[g.IntN(len(texts))] }

func get(local int) string { return "\x20" + assemble.LEB(local) }
func set(local int) string { return "\x21" + assemble.LEB(local) }

// call returns the call of an import.
func call(name string) string {
	for i, f := range functions {
		if f.name == name {
			return "\x10" + assemble.LEB(i)
		}
	}
	panic("no import " + name)
}

// Instructions.
const (
	addI64, subI64, ltI64, eqI64 = "\x7c", "\x7d", "\x54", "\x51"
	addI32, andI32, gtI32        = "\x6a", "\x71", "\x4b"
	wrap, extend                 = "\xa7", "\xad"
	load8, load64, store64       = "\x2d\x00\x00", "\x29\x00\x00", "\x37\x00\x00"
	loop, block, ifThen          = "\x03\x40", "\x02\x40", "\x04\x40"
	again, leaveIf               = "\x0d\x00", "\x0d\x01"
)

// block returns so many random statements.
func (g *generator) block(level, n int) string {
	var code strings.Builder
	for range n {
		code.WriteString(g.statement(level))
	}
	return code.String()
}

// statement returns a random statement. It leaves the stack as it was.
func (g *generator) statement(level int) string {
	to := set(g.IntN(values))
	n := g.IntN(40)
	if !g.wild && n >= 17 && n < 33 && g.IntN(8) > 0 { // these often trap
		n = g.IntN(17)
	}
	switch {
	case n < 8:
		return g.request() + call("http_send") + to
	case n < 12:
		name := "token"
		if g.chance() {
			name = g.pick("", "Token", "other", `{"text":"token"}`)
		}
		return g.message(name) + call("secret_get") + to
	case n < 15:
		return g.message(`{"id":"`+g.pick("a", "b", "c", strings.Repeat("k", 300))+`","n":`+g.pick("1", "1e9", "-0", "[]")+`}`) + call("record_emit") + to
	case n < 17:
		return g.argument('l') + g.message(g.pick(`{}`, `{"path":"items"}`, `{"kind":"k","key":"id"}`, `{"path":"a.b.c","omit":["secret"]}`, `[`)) + call("records_emit") + to
	case n < 26:
		return g.anyCall(to)
	case n < 29:
		operators := []string{addI64, subI64, "\x7e", "\x83", "\x84", "\x85", "\x86", "\x87", "\x88", "\x89"}
		if g.chance() {
			operators = []string{"\x7f", "\x80", "\x81", "\x82"} // they trap for a divisor of 0
		}
		return g.argument('l') + g.argument('l') + g.pick(operators...) + to
	case n < 31:
		return g.address() + g.argument('l') + store64
	case n < 33:
		return g.address() + load64 + to
	case n < 34:
		return assemble.I32(int64(g.IntN(3))) + "\x40\x00" + extend + to // memory.grow
	case n < 35:
		return g.address() + g.address() + assemble.I32(int64(g.IntN(5000))) + "\xfc\x0a\x00\x00" // memory.copy
	case n < 36:
		return g.address() + g.argument('i') + assemble.I32(int64(g.IntN(5000))) + "\xfc\x0b\x00" // memory.fill
	case n < 37:
		return g.argument('l') + "\x24\x00" + "\x23\x00" + to // the global
	case n < 38 && level < levels:
		return get(g.IntN(values)) + get(g.IntN(values)) + ltI64 + ifThen + g.block(level+1, 1+g.IntN(3)) + "\x05" + g.block(level+1, 1) + assemble.End
	case level < levels:
		return g.loop(level)
	}
	return g.anyCall(to)
}

// loop returns a loop.
func (g *generator) loop(level int) string {
	if g.endless && g.IntN(12) == 0 {
		return loop + g.block(level+1, g.IntN(3)) + assemble.I32(1) + again + assemble.End
	}
	n := counter + level
	turns := 1 + g.IntN(6)
	if g.IntN(4) == 0 {
		turns = 1 << g.IntN(16)
		return assemble.I64(0) + set(n) + loop + g.argument('l') + set(g.IntN(values)) + g.count(n, turns) + assemble.End
	}
	return assemble.I64(0) + set(n) + loop + g.block(level+1, 1+g.IntN(3)) + g.count(n, turns) + assemble.End
}

// count ends a loop that runs so many times.
func (g *generator) count(local, turns int) string {
	return get(local) + assemble.I64(1) + addI64 + "\x22" + assemble.LEB(local) + assemble.I64(int64(turns)) + ltI64 + again
}

// anyCall calls any import with any arguments.
func (g *generator) anyCall(to string) string {
	f := functions[g.IntN(len(functions))]
	if f.name == "output_set" || f.name == "error_set" {
		f = functions[g.IntN(6)]
	}
	code := ""
	for _, p := range f.params {
		code += g.argument(p)
	}
	code += call(f.name)
	switch f.result {
	case "l":
		return code + to
	case "i":
		return code + extend + to
	}
	return code
}

// numbers are values at which checks often fail.
var numbers = []int64{0, 1, 2, 7, 8, 16, 255, 256, 4095, 4096, 65535, 65536, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, math.MaxInt64, math.MinInt64, -1, -2, -8, -65536}

// argument pushes any value.
func (g *generator) argument(kind rune) string {
	code := ""
	switch n := g.IntN(10); {
	case n < 5:
		code = get(g.IntN(values))
	case n < 6:
		code = get(g.IntN(values)) + assemble.I64(int64(g.IntN(64)-16)) + addI64
	default:
		code = assemble.I64(numbers[g.IntN(len(numbers))])
	}
	if kind == 'i' {
		code += wrap
	}
	return code
}

// address pushes an address of linear memory, mostly a valid one.
func (g *generator) address() string {
	code := g.argument('i')
	if g.IntN(12) > 0 {
		code += assemble.I32(1<<16-1) + andI32
	}
	return code
}

// text puts a text into linear memory and returns its address.
func (g *generator) text(s string) (address int64) {
	if at := strings.Index(g.texts.String(), s); at >= 0 {
		return int64(at)
	}
	at := g.texts.Len()
	g.texts.WriteString(s)
	return int64(at)
}

// message allocates a message with a text, and pushes its offset.
func (g *generator) message(s string) string {
	return assemble.I64(int64(len(s))) + call("alloc") + set(message) + assemble.I64(0) + set(position) + g.write(s) + get(message)
}

// write appends a text to the message.
func (g *generator) write(s string) string {
	if s == "" {
		return ""
	}
	at := g.text(s)
	return assemble.I64(0) + set(step) + loop +
		get(message) + get(position) + addI64 + get(step) + wrap + assemble.I32(at) + addI32 + load8 + call("store_u8") +
		advance() + g.count(step, len(s)) + assemble.End
}

func advance() string { return get(position) + assemble.I64(1) + addI64 + set(position) }

// request pushes a request, with or without a placeholder of the token.
func (g *generator) request() string {
	endpoint := "GET /svc/v1/feed"
	if len(g.endpoints) > 0 {
		endpoint = g.pick(g.endpoints...)
	}
	if g.chance() {
		endpoint = g.pick("POST /svc/v1/items", "PUT /svc/v1/items/{id}", "DELETE /svc/v1/items/{id}", "POST /svc/v1/items/{id}/condition/reopen",
			"POST /svc/v1/items/{id}/condition/relinquish", "GET /svc/v1/bins", "GET https://evil.example/", "get /svc/v1/feed", "")
	}
	path := ""
	if strings.Contains(endpoint, "{id}") {
		id := g.pick("it01", "it01", "it02", "é", "a?b#c", "a b", "%41")
		if g.chance() {
			id = g.pick("..", ".", "a/b", "%2e%2e", "%2F..", "", strings.Repeat("x", 5000), `\u0000`, `\r\nX-Evil: 1`)
		}
		path = `,"path":{"id":"` + id + `"}`
	}
	query := ""
	if strings.HasPrefix(endpoint, "GET") {
		query = g.pick("", "", `,"query":[["limit","5"]]`)
	}
	body := ""
	if strings.HasPrefix(endpoint, "P") {
		body = g.pick("", `,"body":{"profile":{"login":"x"}}`)
	}
	if g.chance() {
		query = g.pick(`,"query":[["q","x"]]`, `,"link":"/svc/v1/feed?after=1"`, `,"link":"https://evil.example/svc/v1/feed"`, `,"query":[["_method","DELETE"]]`, `,"query":[["a\u0026b","c=d"]]`)
		body = g.pick(`,"body":"text"`, `,"body":null`, `,"body":{}`, body)
	}
	begin, end := `{"endpoint":"`+endpoint+`"`+path+query+body, `}`
	switch g.IntN(3) {
	case 0:
		return g.message(begin + `,"sign":true` + end)
	case 1:
		more := ""
		if g.chance() {
			more = g.pick(`,"headers":{"Accept":"text/html"}`, `,"headers":{"Host":"evil.example"}`, `,"headers":{"Authorization":"Bearer x"}`, `,"unknown":1`)
		}
		return g.message(begin + more + end)
	}
	// The placeholder is a member of what secret_get returns.
	scheme := "Bearer "
	if g.chance() {
		scheme = g.pick("", "Basic ", "Bearer x", "Bearer  ")
	}
	begin += `,"headers":{"Authorization":"` + scheme
	end = `"}` + end
	const most = 256 // bytes of a placeholder
	return g.message("token") + call("secret_get") + assemble.I64(1) + addI64 + set(source) +
		// It begins with the second brace of the answer.
		assemble.I64(0) + set(step) + block + loop + get(source) + call("load_u8") + assemble.I32('{') + "\x46" + leaveIf +
		get(source) + assemble.I64(1) + addI64 + set(source) + g.count(step, most) + assemble.End + assemble.End +
		assemble.I64(int64(len(begin)+most+len(end))) + call("alloc") + set(message) + assemble.I64(0) + set(position) + g.write(begin) +
		assemble.I64(0) + set(step) + block + loop +
		get(source) + get(step) + addI64 + call("load_u8") + extend + "\x22" + assemble.LEB(0) + assemble.I64('"') + eqI64 + leaveIf +
		get(message) + get(position) + addI64 + get(0) + wrap + call("store_u8") + advance() +
		g.count(step, most) + assemble.End + assemble.End +
		g.write(end) +
		// The rest is space.
		loop + get(message) + get(position) + addI64 + assemble.I32(' ') + call("store_u8") + advance() +
		get(position) + assemble.I64(int64(len(begin)+most+len(end))) + ltI64 + again + assemble.End + get(message)
}

// output sets a text as the output.
func (g *generator) output(s string) string {
	return g.message(s) + assemble.I64(int64(len(s))) + call("output_set")
}

// leakBytes is how many bytes leak shows.
const leakBytes = 512

// leak sets an output that shows bytes of the program's memory, or of the messages, from any place.
func (g *generator) leak() string {
	const begin, end = `{"outcome":"succeeded","output":{"steps":[],"x":"`, `"}}`
	const total = len(begin) + 2*leakBytes + len(end)
	read, from := call("load_u8"), assemble.I64(leakBytes)+call("alloc") // what was there before
	switch g.IntN(4) {
	case 0:
		from = get(g.IntN(message+1)) + assemble.I64(int64(g.IntN(2)*leakBytes)) + subI64
	case 1:
		read, from = wrap+assemble.I32(pages<<16-1)+andI32+load8, g.argument('l')
	}
	digit := func(shift string) string {
		nibble := get(0) + assemble.I64(map[string]int64{"high": 4, "low": 0}[shift]) + "\x88" + wrap + assemble.I32(15) + andI32
		return get(message) + get(position) + addI64 + nibble + assemble.I32('0') + addI32 + nibble + assemble.I32(9) + gtI32 + assemble.I32('a'-'0'-10) + "\x6c" + addI32 + call("store_u8") + advance()
	}
	return from + set(source) + assemble.I64(int64(total)) + call("alloc") + set(message) + assemble.I64(0) + set(position) + g.write(begin) +
		assemble.I64(0) + set(step) + loop + get(source) + get(step) + addI64 + read + extend + set(0) + digit("high") + digit("low") + g.count(step, leakBytes) + assemble.End +
		g.write(end) + get(message) + assemble.I64(int64(total)) + call("output_set")
}
