package tree

import (
	"encoding/json"
	"slices"
	"strings"
)

// NameElements gives the column of some table functions the name of the call's alias: f(x) AS y becomes f(x) AS y(y). functions are their
// names, in lower case. parsed is the tree of the query.
func NameElements(query string, parsed any, functions map[string]bool) string {
	type insertion struct {
		at   int
		text string
	}
	var all []insertion
	Each(parsed, func(v map[string]any) {
		alias := Text(v, "alias")
		if Text(v, "type") != "TABLE_FUNCTION" || alias == "" || len(List(v, "column_name_alias")) > 0 || !functions[strings.ToLower(Text(v, "function", "function_name"))] {
			return
		}
		number, _ := At(v, "function", "query_location").(json.Number)
		from, err := number.Int64()
		if err != nil || from < 0 || from > int64(len(query)) {
			return
		}
		if at, text := aliasEnd(query, int(from), alias); text != "" {
			all = append(all, insertion{at, "(" + text + ")"})
		}
	})
	slices.SortFunc(all, func(a, b insertion) int { return b.at - a.at })
	for _, one := range all {
		query = query[:one.at] + one.text + query[one.at:]
	}
	return query
}

// aliasEnd returns where the alias of a call ends, and the alias as the query writes it; "" if it is not there. The call begins at from.
func aliasEnd(query string, from int, alias string) (at int, text string) {
	depth, called := 0, false
	for at = from; at < len(query); {
		n := token(query[at:])
		word := query[at : at+n]
		switch {
		case word == "(":
			depth, called = depth+1, true
		case word == ")":
			depth--
		case !called || depth > 0 || strings.TrimSpace(word) == "" || strings.HasPrefix(word, "--") || strings.HasPrefix(word, "/*") || strings.EqualFold(word, "as"):
		case strings.EqualFold(strings.Trim(word, `"`), alias):
			return at + n, word
		default:
			return 0, ""
		}
		at += n
	}
	return 0, ""
}

// token returns the length of the first token of SQL.
func token(text string) int {
	until := func(from int, end string) int {
		if i := strings.Index(text[from:], end); i >= 0 {
			return from + i + len(end)
		}
		return len(text)
	}
	switch c := text[0]; {
	case c == '\'' || c == '"':
		return until(1, string(c)) // a doubled quote begins the next token
	case strings.HasPrefix(text, "--"):
		return until(2, "\n")
	case strings.HasPrefix(text, "/*"):
		return until(2, "*/")
	case !wordByte(c):
		return 1
	}
	n := 1
	for n < len(text) && wordByte(text[n]) {
		n++
	}
	return n
}

// wordByte reports whether a name can have a byte.
func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
