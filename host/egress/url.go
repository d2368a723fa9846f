package egress

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mach5/okta-connector/abi"
)

// escapeSegment escapes all but unreserved characters and @, so that no character of a value has a meaning in a URL.
func escapeSegment(v string) string {
	const hex = "0123456789ABCDEF"
	plain := 0
	for plain < len(v) && unreserved(v[plain]) {
		plain++
	}
	if plain == len(v) {
		return v
	}
	b := make([]byte, 0, len(v)+16)
	for i := 0; i < len(v); i++ {
		if c := v[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || c == '@'
}

// query encodes names and values in order.
func query(pairs [][2]string) (string, error) {
	if len(pairs) == 0 {
		return "", nil
	}
	var b strings.Builder
	for i, p := range pairs {
		if err := checkQuery(p[0], p[1]); err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p[1]))
	}
	if b.Len() > abi.MaxQuery {
		return "", fmt.Errorf("the query has more than %d bytes", abi.MaxQuery)
	}
	return b.String(), nil
}

func checkQuery(name, value string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" {
		return fmt.Errorf("query parameter %q is not a name", printable(name))
	}
	if err := abi.CheckQuery(value); err != nil {
		return fmt.Errorf("query parameter %s: %w", name, err)
	}
	return nil
}

// decoded returns the names and values of a link's query.
func decoded(raw string) (pairs [][2]string, err error) {
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, errName := url.QueryUnescape(name)
		v, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || strings.Contains(part, ";") {
			return nil, errors.New("the link's query is not escaped properly")
		}
		pairs = append(pairs, [2]string{n, v})
	}
	return pairs, nil
}

// printable makes foreign text fit for a message: short, with only visible characters.
func printable(s string) string {
	short := []rune(s[:min(len(s), 160)])
	if len(short) > 40 || len(s) > 160 {
		short = append(short[:min(len(short), 40)], '…')
	}
	for i, r := range short {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			short[i] = '?'
		}
	}
	return string(short)
}
