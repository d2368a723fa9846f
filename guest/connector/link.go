package connector

import "strings"

// NextLink finds the target of the link with rel="next" among the values of Link headers.
func NextLink(values []string) string { return linkOf(values, "next") }

// linkOf finds the target of the link of a relation among the values of Link headers: one link a header, several joined
// by commas, parameters in any order, quoted or not. A target may itself hold commas.
func linkOf(values []string, rel string) string {
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

// cutUnquoted cuts s around the first sep that stands outside of quotes.
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
		// rel may hold several relation types; of several rel parameters the first counts.
		for r := range strings.SplitSeq(strings.Trim(strings.TrimSpace(value), `"`), " ") {
			if strings.EqualFold(r, rel) {
				return true
			}
		}
		return false
	}
	return false
}

// WithoutOrigin is the path and query of a link. The host ignores the origin anyway; a cursor need not carry it.
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
