//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"bytes"
	"unicode/utf8"
)

// replacement stands for what is no character, as in Go and in most decoders.
var (
	replacement        = []byte("\uFFFD")
	escapedReplacement = []byte(`\ufffd`)
)

// repaired returns JSON that DuckDB takes: half of a surrogate pair, which a service may write when it cuts a text, and
// bytes that are not UTF-8 become U+FFFD. One such value would fail a whole query. text is not changed; it is returned
// itself where it needs no repair.
func repaired(text []byte) []byte {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, replacement)
	}
	var out []byte // a copy, made with the first repair
	for i := 0; ; {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 || i+next+1 >= len(text) {
			break
		}
		if i += next; text[i+1] != 'u' {
			i += 2
			continue
		}
		unit, ok := escapedUnit(text[i:])
		low, isPair := escapedUnit(text[min(i+6, len(text)):])
		switch {
		case !ok || unit < 0xD800 || unit > 0xDFFF:
			i += 6
			continue
		case unit < 0xDC00 && isPair && low >= 0xDC00 && low <= 0xDFFF:
			i += 12
			continue
		}
		if out == nil {
			out = bytes.Clone(text)
		}
		copy(out[i:], escapedReplacement)
		i += 6
	}
	if out == nil {
		return text
	}
	return out
}

// escapedUnit is the UTF-16 unit of an escape such as \ud83d at the beginning of a text.
func escapedUnit(text []byte) (unit uint16, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | uint16(c)
	}
	return unit, true
}
