package wasmbin

import (
	"fmt"
	"unicode/utf8"
)

// reader reads b from pos to end, which are positions in the whole module. The first failure stays in err, and then
// everything reads as zero.
type reader struct {
	b        []byte
	pos, end int
	section  string
	err      error
}

// fail records what is wrong at a byte of the module, unless an error is recorded.
func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s section, byte %d: %s", ErrFormat, r.section, at, fmt.Sprintf(format, args...))
		if r.section == "module" {
			r.err = fmt.Errorf("%w: byte %d: %s", ErrFormat, at, fmt.Sprintf(format, args...))
		}
	}
}

func (r *reader) byte(what string) byte {
	if r.err != nil {
		return 0
	}
	if r.pos >= r.end {
		r.fail(r.pos, "it ends before the %s", what)
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

// u32 reads an unsigned LEB128 number of at most five bytes, the last of which has four bits.
func (r *reader) u32(what string) uint32 {
	at := r.pos
	var n uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte(what)
		if shift == 28 && c > 0x0f {
			break
		}
		n |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.fail(at, "the %s is not a 32-bit number", what)
	return 0
}

// span reads a length and skips as many bytes.
func (r *reader) span(what string) (from, to int) {
	at := r.pos
	n := r.u32("length of " + what)
	if left := r.end - r.pos; r.err == nil && uint64(n) > uint64(left) {
		r.fail(at, "%s claims %d bytes, but only %d are left", what, n, left)
	}
	if r.err != nil {
		return r.pos, r.pos
	}
	from = r.pos
	r.pos += int(n)
	return from, r.pos
}

// each reads a count and then as many entries. Together with the already existing ones, they must not exceed the
// limit.
func (r *reader) each(limit, already int, what string, entry func()) {
	at := r.pos
	n := r.u32("number of " + what)
	if uint64(n)+uint64(already) > uint64(limit) {
		r.fail(at, "%d %s, and at most %d are allowed", uint64(n)+uint64(already), what, limit)
	}
	for ; n > 0 && r.err == nil; n-- {
		entry()
	}
}

func (r *reader) name() string {
	from, to := r.span("a name")
	if !utf8.Valid(r.b[from:to]) {
		r.fail(from, "the name %q is not UTF-8", r.b[from:min(to, from+64)])
	}
	return string(r.b[from:to])
}

func (r *reader) signature() signature {
	at := r.pos
	if form := r.byte("form of a type"); form != 0x60 {
		r.fail(at, "a type of form 0x%02x, want 0x60 (function)", form)
	}
	return signature{r.valueTypes(), r.valueTypes()}
}

func (r *reader) valueTypes() (types []ValueType) {
	r.each(MaxArity, 0, "parameters or results", func() { types = append(types, r.valueType()) })
	return types
}

func (r *reader) valueType() ValueType {
	at := r.pos
	t := ValueType(r.byte("value type"))
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	default:
		r.fail(at, "value type 0x%02x is not in WebAssembly 2.0", byte(t))
	}
	return t
}

func (r *reader) refType() {
	at := r.pos
	if t := r.valueType(); t != FuncRef && t != ExternRef {
		r.fail(at, "a table of %s, want funcref or externref", t)
	}
}

// limits reads the limits of a table or memory. Only a memory may be shared, and then it must have a maximum.
func (r *reader) limits(largest uint32, memory bool) Memory {
	at := r.pos
	flags := r.byte("flags of limits")
	if flags > 1 && (flags != 3 || !memory) {
		r.fail(at, "limits with flags 0x%02x are not supported", flags)
	}
	m := Memory{HasMax: flags&1 != 0, Shared: flags&2 != 0}
	at = r.pos
	m.Min = r.u32("minimum")
	if m.HasMax {
		m.Max = r.u32("maximum")
	}
	if m.Min > largest || m.HasMax && (m.Max > largest || m.Max < m.Min) {
		r.fail(at, "limits from %d to %d must be ascending and at most %d", m.Min, m.Max, largest)
	}
	return m
}
