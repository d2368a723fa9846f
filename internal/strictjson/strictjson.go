// Package strictjson finds what makes valid JSON text ambiguous or expensive to work with. Its functions take text that is
// valid JSON, and need time linear in its length.
package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// DuplicateKey returns the first member that an object has twice, at any depth. Of two such members, one reader takes the
// first and another takes the last.
func DuplicateKey(text []byte) (key string, twice bool) {
	if bytes.Count(text, []byte{':'}) < 2 {
		return "", false
	}
	var open []map[string]struct{} // the members of each open object; nil for an array
	names := false                 // the next string is a member's name
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			open, names = append(open, map[string]struct{}{}), true
		case '[':
			open, names = append(open, nil), false
		case '}', ']':
			open, names = open[:max(len(open)-1, 0)], false
		case ',':
			names = len(open) > 0 && open[len(open)-1] != nil
		case '"':
			end := stringEnd(text, i)
			if names && end < len(text) {
				name := text[i : end+1]
				members := open[len(open)-1]
				key := memberName(name)
				if _, twice := members[key]; twice {
					return key, true
				}
				members[key], names = struct{}{}, false
			}
			i = end
		}
	}
	return "", false
}

// memberName returns the text of a JSON string. Escapes and invalid UTF-8 are read as encoding/json does.
func memberName(quoted []byte) string {
	plain := quoted[1 : len(quoted)-1]
	for _, c := range plain {
		if c == '\\' || c >= 0x80 {
			var name string
			_ = json.Unmarshal(quoted, &name) // the text is valid
			return name
		}
	}
	return string(plain)
}

// Depth returns how many objects and arrays are nested within each other.
func Depth(text []byte) int {
	deepest, now := 0, 0
	outside(text, func(i int) int {
		switch text[i] {
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
		return i
	})
	return deepest
}

// Values returns an upper bound of the number of values and member names.
func Values(text []byte) int {
	n := 1
	outside(text, func(i int) int {
		switch text[i] {
		case '{', '[', ',', ':':
			n++
		}
		return i
	})
	return n
}

// The limits of a number: the length of its text, and the size of its exponent. Doubles need exponents up to 324. A number
// such as 1e999999999 takes exact arithmetic hours and gigabytes.
const (
	MaxNumber   = 128
	MaxExponent = 400
)

// WideNumber returns the first number that exceeds MaxNumber or MaxExponent.
func WideNumber(text []byte) (number string, found bool) {
	outside(text, func(i int) int {
		if c := text[i]; found || c != '-' && (c < '0' || c > '9') {
			return i
		}
		end := i
		for end < len(text) && bytes.IndexByte([]byte("+-.0123456789eE"), text[end]) >= 0 {
			end++
		}
		if digits := text[i:end]; wide(digits) {
			number, found = string(digits[:min(len(digits), MaxNumber)]), true
		}
		return end - 1
	})
	return number, found
}

func wide(number []byte) bool {
	if len(number) > MaxNumber {
		return true
	}
	e := bytes.IndexAny(number, "eE")
	if e < 0 {
		return false
	}
	exponent, err := strconv.Atoi(string(number[e+1:]))
	return err != nil || exponent > MaxExponent || exponent < -MaxExponent
}

// outside calls f for each byte outside of strings, quotes excluded. f returns the index of the last byte that it read.
func outside(text []byte, f func(i int) int) {
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			i = f(i)
			continue
		}
		i = stringEnd(text, i)
	}
}

// stringEnd returns the index of the quote that ends the string beginning at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}
