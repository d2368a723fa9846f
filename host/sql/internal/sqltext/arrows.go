package sqltext

import (
	"slices"
	"strings"
)

// GroupArrows puts parentheses around members of JSON, such as a.b -> 'c' ->> 'd'. In Postgres, -> comes before AND and NOT. In DuckDB it does
// not: x AND a -> 'c' is (x AND a) -> 'c'. Only arrows with a text or number on their right are changed.
func GroupArrows(statement string) string {
	if !strings.Contains(statement, "->") {
		return statement
	}
	words := lexeme.FindAllStringIndex(statement, -1)
	words = slices.DeleteFunc(words, func(w []int) bool {
		text := statement[w[0]:w[1]]
		return strings.HasPrefix(text, "--") || strings.HasPrefix(text, "/*")
	})
	at := func(i int) string {
		if i < 0 || i >= len(words) {
			return ""
		}
		return statement[words[i][0]:words[i][1]]
	}
	opens, closes := map[int]bool{}, map[int]bool{} // by places in the statement
	for i := 0; i < len(words); i++ {
		if !arrow(at(i)) || !constant(at(i+1)) {
			continue
		}
		first, last := primary(at, i-1), i+1
		if first < 0 {
			continue
		}
		for {
			switch {
			case at(last+1) == "::" && at(last+2) != "":
				last += 2
				continue
			case arrow(at(last+1)) && constant(at(last+2)):
				last += 2
				continue
			}
			break
		}
		opens[words[first][0]], closes[words[last][1]] = true, true
		i = last
	}
	var b strings.Builder
	for i := range len(statement) + 1 {
		if closes[i] {
			b.WriteByte(')')
		}
		if opens[i] {
			b.WriteByte('(')
		}
		if i < len(statement) {
			b.WriteByte(statement[i])
		}
	}
	return b.String()
}

func arrow(word string) bool { return word == "->" || word == "->>" }

// constant reports whether a word is a text or a number.
func constant(word string) bool {
	return word != "" && (word[0] == '\'' || word[0] >= '0' && word[0] <= '9')
}

// primary returns the first word of the expression that ends with word i: a name, a call, a text or what is in parentheses, with casts; -1 is
// none.
func primary(at func(int) string, i int) int {
	for at(i-1) == "::" {
		i -= 2
	}
	if at(i) == ")" || at(i) == "]" {
		depth := 0
		for ; i >= 0; i-- {
			switch at(i) {
			case ")", "]":
				depth++
			case "(", "[":
				depth--
			}
			if depth == 0 {
				break
			}
		}
		if i < 0 || !name(at(i-1)) {
			return i
		}
		i-- // the call's name
	}
	if !name(at(i)) {
		if constant(at(i)) {
			return i
		}
		return -1
	}
	for at(i-1) == "." && name(at(i-2)) {
		i -= 2
	}
	return i
}

// keywords are words before parentheses that do not name a function.
var keywords = map[string]bool{"and": true, "or": true, "not": true, "in": true, "where": true, "select": true, "on": true, "when": true, "then": true,
	"else": true, "by": true, "having": true, "case": true, "distinct": true, "from": true, "as": true, "like": true, "ilike": true, "is": true, "between": true}

func name(word string) bool {
	return word != "" && !keywords[strings.ToLower(word)] && (word[0] == '"' || lexeme.FindString(word) == word && plain.MatchString(word))
}
