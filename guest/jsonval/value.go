// Package jsonval reads and writes JSON without reflection, so that the module stays small: encoding/json, and gjson
// through it, would add a third to its size and to its start (RATIONALE.md has the figures).
//
// A Value is a piece of JSON text that was checked once, as a whole; what is taken out of it afterwards is text again,
// byte for byte, so that a field that nobody here knows survives a read and a write.
package jsonval

import (
	"errors"
	"iter"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how many arrays and objects may stand within each other.
const MaxDepth = 256

// ErrSyntax is returned for text that is not JSON.
var ErrSyntax = errors.New("not JSON")

// ErrDepth is returned for JSON that is nested deeper than MaxDepth.
var ErrDepth = errors.New("JSON nested too deeply")

// Kind is the type of a Value.
type Kind byte

// The kinds. None is the kind of the zero Value: something that is not there.
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
type Value struct{ raw string }

// Parse checks that text is one JSON value, white space around it aside.
func Parse(text string) (Value, error) {
	start := skipSpace(text, 0)
	end, err := check(text, start, 0)
	if err != nil {
		return Value{}, err
	}
	if skipSpace(text, end) != len(text) {
		return Value{}, ErrSyntax
	}
	return Value{text[start:end]}, nil
}

// Raw is the text of the value, "" when it is absent.
func (v Value) Raw() string { return v.raw }

// Exists reports whether the value is there; null is.
func (v Value) Exists() bool { return v.raw != "" }

// Kind tells the type of the value.
func (v Value) Kind() Kind {
	if v.raw == "" {
		return None
	}
	switch v.raw[0] {
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	case '"':
		return String
	case '[':
		return Array
	case '{':
		return Object
	}
	return Number
}

// Get follows object keys. Of members with the same name the last counts, as in most readers.
func (v Value) Get(path ...string) Value {
	for _, key := range path {
		v = v.member(key)
	}
	return v
}

func (v Value) member(name string) (found Value) {
	if v.Kind() != Object {
		return Value{}
	}
	s := v.raw
	i := skipSpace(s, 1)
	for s[i] != '}' {
		end := stringEnd(s, i)
		key := s[i+1 : end-1]
		match := key == name || strings.IndexByte(key, '\\') >= 0 && unquote(s[i:end]) == name
		i = skipSpace(s, skipSpace(s, end)+1)
		end = valueEnd(s, i)
		if match {
			found = Value{s[i:end]}
		}
		if i = skipSpace(s, end); s[i] == ',' {
			i = skipSpace(s, i+1)
		}
	}
	return found
}

// Str is the string, or "" for any other kind.
func (v Value) Str() string {
	if v.Kind() != String {
		return ""
	}
	return unquote(v.raw)
}

// Int is the number when it is a whole one, else 0.
func (v Value) Int() int64 {
	n, err := strconv.ParseInt(v.raw, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// True reports whether the value is true.
func (v Value) True() bool { return v.raw == "true" }

// Members walks an object in the order of its text; any other kind has none.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		i := skipSpace(v.raw, 1)
		for v.raw[i] != '}' {
			end := stringEnd(v.raw, i)
			key := unquote(v.raw[i:end])
			i = skipSpace(v.raw, skipSpace(v.raw, end)+1)
			end = valueEnd(v.raw, i)
			if !yield(key, Value{v.raw[i:end]}) {
				return
			}
			if i = skipSpace(v.raw, end); v.raw[i] == ',' {
				i = skipSpace(v.raw, i+1)
			}
		}
	}
}

// Elements walks an array; any other kind has none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		i := skipSpace(v.raw, 1)
		for v.raw[i] != ']' {
			end := valueEnd(v.raw, i)
			if !yield(Value{v.raw[i:end]}) {
				return
			}
			if i = skipSpace(v.raw, end); v.raw[i] == ',' {
				i = skipSpace(v.raw, i+1)
			}
		}
	}
}

// Contains reports whether v has everything that want has: of objects each member of want, by Contains again; of
// anything else the same value. It is how a state that Okta added to is compared with the one that was asked for.
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

// Equal compares by meaning: the order of members, white space and the spelling of strings and numbers do not count.
func (v Value) Equal(w Value) bool {
	if v.raw == w.raw {
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
		a, errA := strconv.ParseFloat(v.raw, 64)
		b, errB := strconv.ParseFloat(w.raw, 64)
		// Whole numbers beyond a float's precision are equal only when written alike.
		return errA == nil && errB == nil && a == b && a < 1<<53 && a > -1<<53
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

// plainEnd is the index of the first byte from i on that means something in a string: a quote, a backslash, a control
// character. It looks at 8 bytes at once, since a turn of a loop is dear in a guest that can be interrupted.
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

// stringEnd is the index behind the string that starts at i in checked text.
func stringEnd(s string, i int) int {
	for i++; ; i++ {
		if i = plainEnd(s, i); s[i] == '"' {
			return i + 1
		}
		i++ // what is escaped
	}
}

// valueEnd is the index behind the value that starts at i in checked text.
func valueEnd(s string, i int) int {
	switch s[i] {
	case '"':
		return stringEnd(s, i)
	case '{', '[':
		depth := 0
		for {
			switch s[i] {
			case '"':
				i = stringEnd(s, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(s) && s[i] > ' ' && s[i] != ',' && s[i] != ']' && s[i] != '}' {
		i++
	}
	return i
}

// check returns the index behind the value that starts at i.
func check(s string, i, depth int) (int, error) {
	if i >= len(s) {
		return 0, ErrSyntax
	}
	switch c := s[i]; {
	case c == '{' || c == '[':
		return checkContainer(s, i, depth)
	case c == '"':
		return checkString(s, i)
	case c == '-' || c >= '0' && c <= '9':
		return checkNumber(s, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s[i:], word) {
			return i + len(word), nil
		}
	}
	return 0, ErrSyntax
}

func checkContainer(s string, i, depth int) (int, error) {
	if depth == MaxDepth {
		return 0, ErrDepth
	}
	object, closing := s[i] == '{', byte(']')
	if object {
		closing = '}'
	}
	i = skipSpace(s, i+1)
	if i < len(s) && s[i] == closing {
		return i + 1, nil
	}
	for {
		var err error
		if object {
			if i >= len(s) || s[i] != '"' {
				return 0, ErrSyntax
			}
			if i, err = checkString(s, i); err != nil {
				return 0, err
			}
			if i = skipSpace(s, i); i >= len(s) || s[i] != ':' {
				return 0, ErrSyntax
			}
			i = skipSpace(s, i+1)
		}
		if i, err = check(s, i, depth+1); err != nil {
			return 0, err
		}
		if i = skipSpace(s, i); i >= len(s) {
			return 0, ErrSyntax
		}
		switch s[i] {
		case closing:
			return i + 1, nil
		case ',':
			i = skipSpace(s, i+1)
		default:
			return 0, ErrSyntax
		}
	}
}

func checkString(s string, i int) (int, error) {
	for i++; ; i++ {
		if i = plainEnd(s, i); i >= len(s) || s[i] < 0x20 {
			return 0, ErrSyntax
		}
		if s[i] == '"' {
			return i + 1, nil
		}
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

func hex4(s string, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s[i:i+4], 16, 16)
	return rune(n), err == nil && s[i] != '+' && s[i] != '_'
}

// unquote decodes a checked string, quotes included.
func unquote(raw string) string {
	body := raw[1 : len(raw)-1]
	if strings.IndexByte(body, '\\') < 0 {
		return body
	}
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
