// Package links parses the links from one page of a list to the next.
package links

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// NextLink returns the target of the link with rel="next" in the values of Link headers, "" if there is none.
func NextLink(values []string) string { return LinkOf(values, "next") }

// LinkOf returns the target of the link with a relation. A header may have several links, joined by commas, with
// parameters in any order, quoted or not. A target may itself contain commas.
func LinkOf(values []string, rel string) string {
	for _, v := range values {
		for {
			start := strings.IndexByte(v, '<')
			if start < 0 {
				break
			}
			end := strings.IndexByte(v[start:], '>')
			if end < 0 {
				break
			}
			target := v[start+1 : start+end]
			params, rest := cutUnquoted(v[start+end+1:], ',')
			if hasRel(params, rel) {
				return target
			}
			v = rest
		}
	}
	return ""
}

// cutUnquoted cuts s around the first sep outside of quotes.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func hasRel(params, rel string) bool {
	for params != "" {
		var p string
		p, params = cutUnquoted(params, ';')
		name, value, ok := strings.Cut(p, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		// rel may hold several relation types. Only the first rel parameter counts.
		for r := range strings.SplitSeq(strings.Trim(strings.TrimSpace(value), `"`), " ") {
			if strings.EqualFold(r, rel) {
				return true
			}
		}
		return false
	}
	return false
}

// WithoutOrigin returns the path and query of a link. The host ignores the origin, so a cursor need not store it.
func WithoutOrigin(link string) string {
	if i := strings.Index(link, "://"); i >= 0 && !strings.HasPrefix(link, "/") {
		rest := link[i+3:]
		if j := strings.IndexByte(rest, '/'); j >= 0 {
			return rest[j:]
		}
		return "/"
	}
	return link
}

// LinkFits reports whether a link matches an endpoint, with any origin, and the host accepts it, unless its query has a
// name that the endpoint does not declare. delimiters are abi.Endpoint.Delimiters.
func LinkFits(endpoint, link string, delimiters ...string) bool {
	path, query, _ := strings.Cut(WithoutOrigin(link), "?")
	_, template, _ := strings.Cut(endpoint, " ")
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(link) > abi.MaxLink || len(query) > abi.MaxQuery || len(want) != len(have) || strings.ContainsAny(link, "#;") || abi.CheckQuery(link) != nil {
		return false
	}
	for i := range want {
		if name, blank := abi.Blank(want[i]); blank {
			if v, ok := Unescape(have[i]); !ok || abi.CheckBlank(v, contains(delimiters, name)) != nil {
				return false
			}
		} else if want[i] != have[i] {
			return false
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		v, ok := Unescape(value)
		if part != "" && (name == "" || strings.Contains(name, "%") || !ok || abi.CheckQuery(v) != nil) {
			return false
		}
	}
	return true
}

// QueryNames returns the names in a link's query.
func QueryNames(link string) (names []string) {
	_, query, _ := strings.Cut(link, "?")
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(part, "="); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Unescape decodes the escapes in a part of a link. ok is false if an escape is invalid.
func Unescape(s string) (text string, ok bool) {
	const digits = "0123456789abcdef"
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := strings.IndexByte(digits, s[i+1]|0x20), strings.IndexByte(digits, s[i+2]|0x20)
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i += 2
	}
	return string(b), true
}
