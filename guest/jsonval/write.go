package jsonval

import (
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Writer builds one JSON object, with members in the order in which they are added. The zero Writer is ready to use. A
// name that is added twice occurs twice.
type Writer struct{ buf []byte }

// Str adds a string.
func (w *Writer) Str(name, value string) *Writer {
	w.name(name)
	w.buf = AppendString(w.buf, value)
	return w
}

// StrIf adds a string unless it is empty.
//
//go:noinline
func (w *Writer) StrIf(name, value string) *Writer {
	if value != "" {
		w.Str(name, value)
	}
	return w
}

// Int adds a whole number.
func (w *Writer) Int(name string, value int64) *Writer {
	w.name(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
	return w
}

// IntIf adds a whole number unless it is 0.
//
//go:noinline
func (w *Writer) IntIf(name string, value int64) *Writer {
	if value != 0 {
		w.Int(name, value)
	}
	return w
}

// Bool adds true or false.
func (w *Writer) Bool(name string, value bool) *Writer {
	w.name(name)
	w.buf = strconv.AppendBool(w.buf, value)
	return w
}

// BoolIf adds true, or nothing if value is false.
//
//go:noinline
func (w *Writer) BoolIf(name string, value bool) *Writer {
	if value {
		w.Bool(name, true)
	}
	return w
}

// Raw adds JSON text unchanged. The caller must make sure that it is valid.
//
//go:noinline
func (w *Writer) Raw(name, json string) *Writer {
	w.name(name)
	w.buf = append(w.buf, json...)
	return w
}

// RawIf adds JSON text unless it is empty.
//
//go:noinline
func (w *Writer) RawIf(name, json string) *Writer {
	if json != "" {
		w.Raw(name, json)
	}
	return w
}

// Strs adds an array of strings.
func (w *Writer) Strs(name string, values []string) *Writer {
	w.name(name)
	w.buf = append(w.buf, '[')
	for i, v := range values {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = AppendString(w.buf, v)
	}
	w.buf = append(w.buf, ']')
	return w
}

// String returns the object.
//
//go:noinline
func (w *Writer) String() string {
	if w.buf == nil {
		return "{}"
	}
	return string(w.buf) + "}"
}

func (w *Writer) name(name string) {
	if w.buf == nil {
		w.buf = append(make([]byte, 0, 256), '{')
	} else {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(AppendString(w.buf, name), ':')
}

// Quote returns s as a JSON string.
//
//go:noinline
func Quote(s string) string { return string(AppendString(nil, s)) }

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		if end := asciiEnd(s, i); end > i {
			b = append(b, s[i:end]...)
			i = end
			continue
		}
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}

// asciiEnd returns the index of the first byte from i on that must be escaped or is not ASCII.
func asciiEnd(s string, i int) int {
	for i+8 <= len(s) {
		x := *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))
		quote := x ^ lows*'"'
		slash := x ^ lows*'\\'
		del := x ^ lows*0x7f
		hit := ((quote-lows)&^quote | (slash-lows)&^slash | (del-lows)&^del | (x-lows*0x20)&^x | x) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
		i += 8
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= 0x20 && s[i] < 0x7f {
		i++
	}
	return i
}
