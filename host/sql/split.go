package sql

import "strings"

// Split takes a script apart into its statements, without the semicolons that end them; comments and space alone are
// no statement. rest is what follows the last semicolon: an unfinished statement, comments and space, or nothing.
//
// It knows what DuckDB's own scanner knows of where a semicolon is text: 'strings', E'strings', "names", $tag$ text
// $tag$, -- comments and /* comments /* in comments */ */.
func Split(script string) (statements []string, rest string) {
	start := 0
	for i := 0; i < len(script); {
		if script[i] == ';' {
			if s := strings.TrimSpace(script[start:i]); !blank(s) {
				statements = append(statements, s)
			}
			i++
			start = i
			continue
		}
		i = skip(script, i)
	}
	return statements, script[start:]
}

// Statements are all statements of a script, the last with or without a semicolon.
func Statements(script string) []string {
	statements, rest := Split(script)
	if rest = strings.TrimSpace(rest); !blank(rest) {
		statements = append(statements, rest)
	}
	return statements
}

// Blank reports whether a text is comments and space alone.
func Blank(text string) bool { return blank(text) }

func blank(s string) bool {
	for i := 0; i < len(s); {
		switch {
		case space(s[i]):
			i++
		case comment(s, i):
			i = skip(s, i)
		default:
			return false
		}
	}
	return true
}

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func comment(s string, i int) bool {
	return strings.HasPrefix(s[i:], "--") || strings.HasPrefix(s[i:], "/*")
}

// skip is where the token ends that begins at i; one that does not end reaches to the end of s.
func skip(s string, i int) int {
	switch c := s[i]; {
	case strings.HasPrefix(s[i:], "--"):
		return until(s, i, "\n")
	case strings.HasPrefix(s[i:], "/*"):
		return blockEnd(s, i)
	case c == '\'':
		return quoteEnd(s, i+1, '\'', false)
	case c == '"':
		return quoteEnd(s, i+1, '"', false)
	case c == '$':
		if tag := dollarTag(s[i:]); tag != "" {
			return until(s, i+len(tag), tag)
		}
	case word(c):
		end := i
		for end < len(s) && (word(s[end]) || s[end] == '$') { // a $ within a name is of the name
			end++
		}
		if end == i+1 && (c == 'e' || c == 'E') && end < len(s) && s[end] == '\'' {
			return quoteEnd(s, end+1, '\'', true)
		}
		return end
	}
	return i + 1
}

// until is behind the next end from i on.
func until(s string, i int, end string) int {
	if n := strings.Index(s[i:], end); n >= 0 {
		return i + n + len(end)
	}
	return len(s)
}

func blockEnd(s string, i int) int {
	for depth := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			i += 2
			if depth--; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// quoteEnd is behind the quote that ends a string; a doubled one does not.
func quoteEnd(s string, i int, quote byte, escapes bool) int {
	for ; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// dollarTag is the $tag$ that s begins with.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '$':
			return s[:i+1]
		case !word(s[i]) || i == 1 && s[i] >= '0' && s[i] <= '9':
			return ""
		}
	}
	return ""
}

func word(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
