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
	type level struct {
		members map[string]bool // nil in an array
		value   bool            // the next string is a value
	}
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		t, err := dec.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		switch t := t.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				stack = stack[:top]
				top--
				if top >= 0 {
					stack[top].value = false
				}
				continue
			}
			l := level{}
			if t == '{' {
				l.members = map[string]bool{}
			}
			stack = append(stack, l)
			continue
		case string:
			if top >= 0 && stack[top].members != nil && !stack[top].value {
				if stack[top].members[t] {
					return t, true
				}
				stack[top].members[t], stack[top].value = true, true
				continue
			}
		}
		if top >= 0 {
			stack[top].value = false
		}
	}
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
		for i++; i < len(text) && text[i] != '"'; i++ {
			if text[i] == '\\' {
				i++
			}
		}
	}
}
