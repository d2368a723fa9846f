package abi

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Size limits of parts of a request, in bytes.
const (
	MaxBlank = 512      // value of a blank
	MaxQuery = 8 << 10  // query, escaped
	MaxLink  = 16 << 10 // next link
)

// CheckQuery returns an error if a value must not be in a query.
func CheckQuery(v string) error {
	if !utf8.ValidString(v) {
		return errors.New("it is not UTF-8")
	}
	if hasControl(v) {
		return errors.New("it contains a control character")
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

// maxEscapes is how many layers of escapes a value may have. Removing any of them could reveal a path step.
const maxEscapes = 4

// CheckBlank returns an error if a value must not be in a segment of a path, however often a server decodes it. A
// host treats a request with such a value as a violation, so a module must check values from people and services
// first.
func CheckBlank(v string) error {
	switch {
	case v == "":
		return errors.New("it is empty")
	case len(v) > MaxBlank:
		return errors.New("it has " + strconv.Itoa(len(v)) + " bytes, and at most " + strconv.Itoa(MaxBlank) + " are allowed")
	}
	for range maxEscapes {
		switch {
		case !utf8.ValidString(v):
			return errors.New("it is not UTF-8")
		case hasControl(v):
			return errors.New("it contains a control character")
		case steps(v):
			return errors.New("it contains a path step")
		}
		plain, escaped := unescape(v)
		if !escaped {
			return nil
		}
		v = plain
	}
	return errors.New("it has too many layers of escapes")
}

// steps reports whether a server could read a value as a path step. Some servers remove what follows a semicolon
// first.
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

// unescape removes one layer of escapes. Like a careless server, it keeps invalid escapes.
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
