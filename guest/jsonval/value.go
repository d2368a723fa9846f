// Package jsonval parses and writes JSON without reflection, so that a module stays small. encoding/json, which gjson
// uses, would add a third to its size and start time (RATIONALE.md has the figures).
//
// A Value is JSON text that was checked as a whole when it was parsed. Its parts are text again, byte for byte. So a
// field that this code does not know is preserved by a read and a write.
package jsonval

import (
	"errors"
	"iter"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 256

// ErrSyntax is returned for text that is not JSON.
var ErrSyntax = errors.New("not JSON")

// ErrDepth is returned for JSON that is nested deeper than MaxDepth.
var ErrDepth = errors.New("JSON nested too deeply")

// Kind is the type of a Value.
type Kind byte

// Values of Kind. None is the kind of the zero Value, which is absent.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is one JSON value. The zero Value is absent; all methods can be called on it.
type Value struct {
	doc *document
	at  int32 // index of its node
}

// document is checked text and the positions of its values. Each byte is examined once, since loops and function calls
// are slow in a guest.
type document struct {
	text  string
	nodes []node // in the order of the text: an array or object before its content, a name before its value
}

type node struct {
	start, end int32 // position of its text
	next       int32 // the node after it and its content
	kind       Kind
	escaped    bool // a string with a backslash
}

// Parse checks that text is one JSON value, with optional whitespace around it.
func Parse(text string) (Value, error) {
	doc := &document{text: text, nodes: make([]node, 0, 4+len(text)/16)}
	end, err := doc.value(skipSpace(text, 0), 0)
	if err != nil {
		return Value{}, err
	}
	if skipSpace(text, end) != len(text) {
		return Value{}, ErrSyntax
	}
	return Value{doc, 0}, nil
}

func (v Value) node() *node { return &v.doc.nodes[v.at] }

// Raw returns the text of the value; "" if it is absent.
//
//go:noinline
func (v Value) Raw() string {
	if v.doc == nil {
		return ""
	}
	n := v.node()
	return v.doc.text[n.start:n.end]
}

// Exists reports whether the value is present. null is present.
//
//go:noinline
func (v Value) Exists() bool { return v.doc != nil }

// Kind returns the type of the value.
//
//go:noinline
func (v Value) Kind() Kind {
	if v.doc == nil {
		return None
	}
	return v.node().kind
}

// At follows object keys, like several calls of Get.
//
//go:noinline
func (v Value) At(path ...string) Value {
	for _, key := range path {
		v = v.Get(key)
	}
	return v
}

// Get returns a member of an object. The last member of a name counts, as in most parsers.
func (v Value) Get(name string) (found Value) {
	if v.Kind() != Object {
		return Value{}
	}
	nodes := v.doc.nodes
	for i, end := v.at+1, v.node().next; i < end; i = nodes[i+1].next {
		n := &nodes[i]
		if !n.escaped && int(n.end-n.start) != len(name)+2 {
			continue
		}
		if v.doc.str(n) == name {
			found = Value{v.doc, i + 1}
		}
	}
	return found
}

// str returns the string of a node.
func (d *document) str(n *node) string {
	if n.escaped {
		return unquote(d.text[n.start+1 : n.end-1])
	}
	return d.text[n.start+1 : n.end-1]
}

// Str returns the string; "" for any other kind.
func (v Value) Str() string {
	if v.Kind() != String {
		return ""
	}
	return v.doc.str(v.node())
}

// Int returns a whole number that fits into 64 bits, and 0 otherwise. 5.0 and 1e1 are whole numbers too.
func (v Value) Int() int64 {
	if v.Kind() != Number {
		return 0
	}
	text := v.Raw()
	if n, ok := plainInt(text); ok { // the common case
		return n
	}
	d, _ := decimalOf(text)
	return d.int64()
}

// True reports whether the value is true.
//
//go:noinline
func (v Value) True() bool { return v.Raw() == "true" }

// Members yields the members of an object in the order of its text; none for any other kind.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		nodes := v.doc.nodes
		for i, end := v.at+1, v.node().next; i < end; i = nodes[i+1].next {
			if !yield(v.doc.str(&nodes[i]), Value{v.doc, i + 1}) {
				return
			}
		}
	}
}

// Elements yields the elements of an array; none for any other kind.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		nodes := v.doc.nodes
		for i, end := v.at+1, v.node().next; i < end; i = nodes[i].next {
			if !yield(Value{v.doc, i}) {
				return
			}
		}
	}
}

// Contains reports whether v has all of want: for objects each member of want, recursively; for any other kind the same
// value. It compares a state that a service added members to with the requested one.
func (v Value) Contains(want Value) bool {
	if want.Kind() == Object && v.Kind() == Object {
		for k := range want.Members() {
			if !v.Get(k).Contains(want.Get(k)) {
				return false
			}
		}
		return true
	}
	return v.Equal(want)
}

// Equal compares by meaning. It ignores the order of members, whitespace, and the spelling of strings and numbers.
func (v Value) Equal(w Value) bool {
	if v.Raw() == w.Raw() {
		return true
	}
	kind := v.Kind()
	if kind != w.Kind() {
		return false
	}
	switch kind {
	case String:
		return v.Str() == w.Str()
	case Number:
		a, okA := decimalOf(v.Raw())
		b, okB := decimalOf(w.Raw())
		return okA && okB && a == b
	case Object:
		n := 0
		for k := range v.Members() {
			n++
			if !w.Get(k).Exists() || !v.Get(k).Equal(w.Get(k)) {
				return false
			}
		}
		for range w.Members() {
			n--
		}
		return n == 0
	case Array:
		var rest []Value
		for e := range w.Elements() {
			rest = append(rest, e)
		}
		for e := range v.Elements() {
			if len(rest) == 0 || !e.Equal(rest[0]) {
				return false
			}
			rest = rest[1:]
		}
		return len(rest) == 0
	}
	return false
}

func skipSpace(s string, i int) int {
	for i < len(s) && s[i] <= ' ' && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainEnd returns the index of the first special byte of a string from i on. Special are quotes, backslashes and
// control characters. It examines 8 bytes at once, since loops are slow in an interruptible guest.
func plainEnd(s string, i int) int {
	for i+8 <= len(s) {
		x := *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))
		quote := x ^ lows*'"'
		slash := x ^ lows*'\\'
		hit := ((quote-lows)&^quote | (slash-lows)&^slash | (x-lows*0x20)&^x) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
		i += 8
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= 0x20 {
		i++
	}
	return i
}

// value checks the value that starts at i, adds its nodes, and returns the index after it.
func (d *document) value(i, depth int) (end int, err error) {
	s := d.text
	if i >= len(s) {
		return 0, ErrSyntax
	}
	at, kind := len(d.nodes), None
	switch c := s[i]; {
	case c == '"':
		return d.string(i)
	case c == '{':
		return d.container(i, depth, Object, '}')
	case c == '[':
		return d.container(i, depth, Array, ']')
	case c == '-' || c >= '0' && c <= '9':
		kind = Number
		if end, err = checkNumber(s, i); err != nil {
			return 0, err
		}
	case strings.HasPrefix(s[i:], "true"):
		kind, end = Bool, i+4
	case strings.HasPrefix(s[i:], "false"):
		kind, end = Bool, i+5
	case strings.HasPrefix(s[i:], "null"):
		kind, end = Null, i+4
	default:
		return 0, ErrSyntax
	}
	d.nodes = append(d.nodes, node{start: int32(i), end: int32(end), next: int32(at + 1), kind: kind})
	return end, nil
}

func (d *document) container(i, depth int, kind Kind, closing byte) (int, error) {
	if depth == MaxDepth {
		return 0, ErrDepth
	}
	s, at := d.text, len(d.nodes)
	d.nodes = append(d.nodes, node{start: int32(i), kind: kind})
	i = skipSpace(s, i+1)
	for empty := i < len(s) && s[i] == closing; !empty; {
		var err error
		if kind == Object {
			if i >= len(s) || s[i] != '"' {
				return 0, ErrSyntax
			}
			if i, err = d.string(i); err != nil {
				return 0, err
			}
			if i = skipSpace(s, i); i >= len(s) || s[i] != ':' {
				return 0, ErrSyntax
			}
			i = skipSpace(s, i+1)
		}
		if i, err = d.value(i, depth+1); err != nil {
			return 0, err
		}
		if i = skipSpace(s, i); i >= len(s) {
			return 0, ErrSyntax
		}
		if s[i] == closing {
			break
		}
		if s[i] != ',' {
			return 0, ErrSyntax
		}
		i = skipSpace(s, i+1)
	}
	d.nodes[at].end, d.nodes[at].next = int32(i+1), int32(len(d.nodes))
	return i + 1, nil
}

func (d *document) string(start int) (int, error) {
	s, escaped := d.text, false
	for i := start + 1; ; i++ {
		if i = plainEnd(s, i); i >= len(s) || s[i] < 0x20 {
			return 0, ErrSyntax
		}
		if s[i] == '"' {
			d.nodes = append(d.nodes, node{start: int32(start), end: int32(i + 1), next: int32(len(d.nodes) + 1), kind: String, escaped: escaped})
			return i + 1, nil
		}
		escaped = true
		if i++; i >= len(s) {
			return 0, ErrSyntax
		}
		if s[i] == 'u' {
			if _, ok := hex4(s, i+1); !ok {
				return 0, ErrSyntax
			}
			i += 4
		} else if strings.IndexByte(`"\/bfnrt`, s[i]) < 0 {
			return 0, ErrSyntax
		}
	}
}

func checkNumber(s string, i int) (int, error) {
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return 0, ErrSyntax
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return 0, ErrSyntax
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0, ErrSyntax
		}
	}
	return i, nil
}

func hex4(s string, i int) (r rune, ok bool) {
	if i+4 > len(s) {
		return 0, false
	}
	for _, c := range []byte(s[i : i+4]) {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// unquote decodes the text between the quotes of a checked string.
func unquote(body string) string {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			out = append(out, body[i])
			continue
		}
		i++
		switch body[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(body, i+1)
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(body) && body[i+1] == '\\' && body[i+2] == 'u' {
				if low, ok := hex4(body, i+3); ok && low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				}
			}
			out = utf8.AppendRune(out, r) // a lone surrogate becomes U+FFFD
		default:
			out = append(out, body[i])
		}
	}
	return string(out)
}
