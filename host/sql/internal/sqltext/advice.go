package sqltext

import (
	"regexp"
	"strings"
)

// whatToDo says what to do about some of DuckDB's own errors.
var whatToDo = map[string]string{
	"Can only delete from base table":   onlyRead,
	"Can only update base table":        onlyRead,
	" is not an table":                  onlyRead,
	"the configuration has been locked": "a query cannot change settings: --max-memory sets the memory limit",
}

const onlyRead = "tables of a connection can only be read: use an action to change the service"

var (
	// ago matches DuckDB's error for a time such as -24h. An operation's input may have such times. SQL wants an interval.
	ago = regexp.MustCompile(`invalid timestamp field format: "-(\d+)([smhdw])"`)
	// units are SQL's names of the units in ago.
	units = map[string]string{"s": "SECOND", "m": "MINUTE", "h": "HOUR", "d": "DAY", "w": "WEEK"}
	plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Plain reports whether a name needs no quotes.
func Plain(name string) bool { return plain.MatchString(name) }

// Advised returns DuckDB's message with what to do about it. quoted are the names of schemas that need quotes.
func Advised(message, statement string, quoted []string) string {
	for said, todo := range whatToDo {
		message = strings.Replace(message, said, said+": "+todo, 1)
	}
	if m := ago.FindStringSubmatch(message); m != nil {
		return advise(message, "write now() - INTERVAL "+m[1]+" "+units[m[2]])
	}
	if !strings.HasPrefix(message, "Parser Error") {
		return message
	}
	for _, name := range quoted {
		if regexp.MustCompile(`(?i)(^|[^"\w-])` + regexp.QuoteMeta(name) + `\.`).MatchString(statement) {
			return advise(message, `the connection's name needs quotes: write "`+name+`".`)
		}
	}
	return message
}

// advise adds todo to the first line of a message.
func advise(message, todo string) string {
	said, place, found := strings.Cut(message, "\n")
	if found {
		place = "\n" + place
	}
	return said + ": " + todo + place
}

// HasArgument reports whether the text of a statement has a named argument with one of the names.
func HasArgument(statement string, names ...string) bool {
	words := words(statement)
	for i, word := range words {
		if i == 0 || word != ":=" && word != "=>" {
			continue
		}
		for _, name := range names {
			if strings.EqualFold(Unquoted(words[i-1]), name) {
				return true
			}
		}
	}
	return false
}

// words returns the words of a statement, without comments. A text in quotes is one word.
func words(statement string) (all []string) {
	for _, word := range lexeme.FindAllString(statement, -1) {
		if !strings.HasPrefix(word, "--") && !strings.HasPrefix(word, "/*") {
			all = append(all, word)
		}
	}
	return all
}

// lexeme is a comment, a text, a quoted name, an operator of arguments, a name or one character.
var lexeme = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|:=|=>|->>|->|::|\d[\d.]*|[\pL_][\pL\pN_$]*|[^\s]`)
