package connector

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Codes of requests that are not even handed to the host, which would take them for an attack: it cannot tell a module
// that means harm from a caller who mistyped an id.
const (
	unsendableInput  abi.SendCode = "input"      // what the caller gave cannot stand in a request
	unsendableAnswer abi.SendCode = "bad_answer" // nor can what the service gave
)

var errLongQuery = errors.New("the query is longer than a server takes")

// Unsendable is why a request cannot be sent: a value for its path or query that the host refuses (abi/README.md,
// "http_send"), or a next link that leads elsewhere. Nil is no reason.
func (c *Call) Unsendable(req hostcall.Request) *abi.SendError {
	for _, p := range req.Path {
		if err := abi.CheckBlank(p.Value); err != nil {
			return c.blame(p.Name, p.Value, err)
		}
	}
	size := 0
	for _, q := range req.Query {
		if err := abi.CheckQuery(q.Value); err != nil {
			return c.blame(q.Name, q.Value, err)
		}
		if size += len(q.Name) + len(url(q.Value)) + 2; size > abi.MaxQuery {
			return c.blame(q.Name, q.Value, errLongQuery)
		}
	}
	if req.Link != "" && !LinkFits(req.Endpoint, req.Link) {
		return &abi.SendError{Code: unsendableAnswer, Message: "the next page's link does not lead to " + req.Endpoint + ": " + Shorten(req.Link)}
	}
	return nil
}

// blame says whose a value is: a field of the input's, or else of an answer of the service's.
func (c *Call) blame(name, value string, why error) *abi.SendError {
	for field, v := range c.Input.Members() {
		if v.Str() == value {
			return &abi.SendError{Code: unsendableInput, Message: field + ": " + jsonval.Quote(Shorten(value)) + " cannot be asked for: " + why.Error()}
		}
	}
	if strings.Contains(c.Input.Raw(), jsonval.Quote(value)) { // deeper in, or a part
		return &abi.SendError{Code: unsendableInput, Message: jsonval.Quote(Shorten(value)) + " cannot be asked for: " + why.Error()}
	}
	return &abi.SendError{Code: unsendableAnswer, Message: c.Service.Name + " gave " + jsonval.Quote(Shorten(value)) + " for " + name + ": " + why.Error()}
}

// LinkFits reports whether a link leads to an endpoint, whatever its origin, and is one that the host takes.
func LinkFits(endpoint, link string) bool {
	path, query, _ := strings.Cut(WithoutOrigin(link), "?")
	_, template, _ := strings.Cut(endpoint, " ")
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(link) > abi.MaxLink || len(query) > abi.MaxQuery || len(want) != len(have) || strings.ContainsAny(link, "#;") || abi.CheckQuery(link) != nil {
		return false
	}
	for i := range want {
		if _, blank := abi.Blank(want[i]); blank {
			if v, ok := plain(have[i]); !ok || abi.CheckBlank(v) != nil {
				return false
			}
		} else if want[i] != have[i] {
			return false
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		v, ok := plain(value)
		if part != "" && (name == "" || strings.Contains(name, "%") || !ok || abi.CheckQuery(v) != nil) {
			return false
		}
	}
	return true
}

// plain takes the escapes off a part of a link; ok is false where one is none.
func plain(s string) (text string, ok bool) {
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

// Shorten keeps a stranger's text from filling a message.
//
//go:noinline
func Shorten(s string) string { return shortenTo(s, 80) }

// shortenTo cuts a text behind a whole character, so that it has at most so many bytes before an ellipsis.
func shortenTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
