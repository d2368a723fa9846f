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

// CheckBlank returns an error if a value must not be in a segment of a path, however often a server decodes it. With
// delimiters, it may have characters that divide a URL: a slash, a question mark, a number sign and a semicolon. Some
// gateways decode a path before they route it, so that an escaped slash leads to another endpoint.
//
// A host treats a request with such a value as a violation, so a module must check values from people and services
// first.
func CheckBlank(v string, delimiters bool) error {
	switch {
	case strings.TrimSpace(v) == "":
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
		case !delimiters && divides(v):
			return errors.New("it contains one of / ? # ; which divide a URL, and the endpoint does not declare that it may")
		}
		plain, escaped := unescape(v)
		if !escaped {
			return nil
		}
		v = plain
	}
	return errors.New("it has too many layers of escapes")
}

// divides reports whether a value contains a character that divides a URL, or one that a server may turn into one: a
// wide form, as Unicode calls it.
func divides(v string) bool {
	return strings.ContainsAny(v, "/?#;") || strings.ContainsAny(v, "\uff0f\u2215\u2044\uff1f\uff03\uff1b")
}

// wide replaces characters that a server may turn into a dot, a slash or a backslash.
func wide(v string) string {
	ascii := true
	for i := 0; i < len(v); i++ {
		ascii = ascii && v[i] < 0x80
	}
	if ascii {
		return v
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case 0xff0e, 0x2024: // a wide full stop, a one-dot leader
			return '.'
		case 0xff0f, 0x2215, 0x2044: // a wide slash, a division slash, a fraction slash
			return '/'
		case 0xff3c, 0xfe68: // a wide backslash, a small one
			return '\\'
		}
		return r
	}, strings.ReplaceAll(v, "\u2025", "..")) // a two-dot leader
}

// steps reports whether a server could read a value as a path step. Some servers remove what follows a semicolon
// first.
func steps(v string) bool {
	v = wide(v)
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

// OverridesMethod reports whether some servers read a query parameter or header of a name as the request's method.
func OverridesMethod(name string) bool {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(name))
	return strings.HasPrefix(name, "_") && plain == "method" || strings.Contains(plain, "httpmethod") || strings.Contains(plain, "methodoverride")
}

// plainName are the characters of a query's name, and of an entity tag without quotes.
const plainName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// EntityTag reports whether a value is a single entity tag for If-Match: "abc", W/"abc", or what some services send
// without quotes. It is neither * nor a list.
func EntityTag(v string) bool {
	tag := strings.TrimPrefix(v, "W/")
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		tag = tag[1 : len(tag)-1]
		return !strings.ContainsFunc(tag, func(r rune) bool { return r <= 0x20 || r == '"' || r > 0x7e })
	}
	return tag != "" && tag == v && strings.Trim(tag, plainName+"+/=:~") == ""
}
