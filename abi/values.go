package abi

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The most that a host takes of a request, in bytes.
const (
	MaxBlank = 512      // of a blank's value
	MaxQuery = 8 << 10  // of a query, escaped
	MaxLink  = 16 << 10 // of a next link
)

// CheckQuery refuses what must not stand in a value of a query.
func CheckQuery(v string) error {
	if !utf8.ValidString(v) {
		return errors.New("it is not UTF-8")
	}
	if hasControl(v) {
		return errors.New("it holds a control character")
	}
	return nil
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 { // Unicode's category Cc
			return true
		}
	}
	return false
}

// maxEscapes is how many layers of escapes a value may have. Each that a server takes off could bare a path step.
const maxEscapes = 4

// CheckBlank refuses what must never stand in a segment of a path, however many times a server might decode it. A host
// refuses a request with such a value, and takes it for a breach; a module checks what people and services gave it first.
func CheckBlank(v string) error {
	switch {
	case v == "":
		return errors.New("it is empty")
	case len(v) > MaxBlank:
		return errors.New("it has " + strconv.Itoa(len(v)) + " bytes, at most " + strconv.Itoa(MaxBlank) + " are taken")
	}
	for range maxEscapes {
		switch {
		case !utf8.ValidString(v):
			return errors.New("it is not UTF-8")
		case hasControl(v):
			return errors.New("it holds a control character")
		case steps(v):
			return errors.New("it holds a path step")
		}
		plain, escaped := unescape(v)
		if !escaped {
			return nil
		}
		v = plain
	}
	return errors.New("it is escaped over and over")
}

// steps reports whether a server could read a value as a step in a path. Some take what follows a semicolon off a
// segment first.
func steps(v string) bool {
	if !strings.ContainsAny(v, `./\`) {
		return false
	}
	if strings.Contains(v, `\`) || strings.Contains(v, "/..") || strings.Contains(v, "../") {
		return true
	}
	for part := range strings.SplitSeq(v, "/") {
		part, _, _ = strings.Cut(part, ";")
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// unescape takes off one layer of escapes, and like a careless server leaves alone what is no proper escape.
func unescape(v string) (plain string, escaped bool) {
	if !strings.Contains(v, "%") {
		return v, false
	}
	b := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if hi, lo := unhex(v[i+1]), unhex(v[i+2]); hi < 16 && lo < 16 {
				b, escaped = append(b, hi<<4|lo), true
				i += 2
				continue
			}
		}
		b = append(b, v[i])
	}
	return string(b), escaped
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
