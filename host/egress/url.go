package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/mach5/okta-connector/abi"
)

// Bounds of what a guest can put into a URL, in bytes.
const (
	maxBlank = 512
	maxQuery = 8 << 10
	maxLink  = 16 << 10
)

// ParseBaseURL checks the origin that a connection is bound to. https is required; http is taken for a loopback
// address alone, where the simulated org lives.
func ParseBaseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("it is empty: give the org's origin, such as https://example.okta.com")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Hostname() == "" {
		return nil, errors.New("it is not a URL with a host: give the org's origin, such as https://example.okta.com")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.User != nil:
		return nil, errors.New("it holds a user or token: leave that out, the token's place is token_secret_ref")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it holds a query or fragment: give the origin alone, such as https://" + host)
	case u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("it holds the path %s: give the origin alone, such as https://%s", u.EscapedPath(), host)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(host)):
		return nil, fmt.Errorf("its scheme is %q: only https is taken (http for a loopback address)", u.Scheme)
	}
	for _, domain := range []string{"okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com"} {
		if org, ok := strings.CutSuffix(host, "-admin."+domain); ok {
			return nil, fmt.Errorf("it is the Admin Console's address: use https://%s.%s", org, domain)
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// template is an endpoint's path, taken apart once.
type template struct {
	segments []segment
	blanks   int
}

type segment struct {
	text  string // fixed text, or the blank's name
	blank bool
}

func parseTemplate(path string) template {
	var t template
	for _, s := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		name, blank := abi.Blank(s)
		if blank {
			t.segments = append(t.segments, segment{name, true})
			t.blanks++
		} else {
			t.segments = append(t.segments, segment{s, false})
		}
	}
	return t
}

// fill puts values into the blanks and returns the escaped path.
func (t template) fill(values map[string]string) (string, error) {
	if len(values) != t.blanks {
		for name := range values {
			if !t.has(name) {
				return "", fmt.Errorf("the path has no blank {%s}", printable(name))
			}
		}
	}
	var b strings.Builder
	for _, s := range t.segments {
		b.WriteByte('/')
		if !s.blank {
			b.WriteString(s.text)
			continue
		}
		v, ok := values[s.text]
		if !ok {
			return "", fmt.Errorf("blank {%s} is not filled", s.text)
		}
		if err := checkBlank(v); err != nil {
			return "", fmt.Errorf("blank {%s}: %w", s.text, err)
		}
		b.WriteString(escapeSegment(v))
	}
	return b.String(), nil
}

func (t template) has(name string) bool {
	for _, s := range t.segments {
		if s.blank && s.text == name {
			return true
		}
	}
	return false
}

// match reports whether an escaped path fits the template, each blank holding one segment.
func (t template) match(escaped string) error {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	if !strings.HasPrefix(escaped, "/") || len(parts) != len(t.segments) {
		return errors.New("the link's path is not that of the endpoint")
	}
	for i, s := range t.segments {
		if !s.blank {
			if parts[i] != s.text {
				return errors.New("the link's path is not that of the endpoint")
			}
			continue
		}
		v, err := url.PathUnescape(parts[i])
		if err != nil {
			return errors.New("the link's path is not escaped properly")
		}
		if err := checkBlank(v); err != nil {
			return fmt.Errorf("the link's path: %w", err)
		}
	}
	return nil
}

// checkBlank refuses what must never stand in a segment, however many times a server might decode it.
func checkBlank(v string) error {
	switch {
	case v == "":
		return errors.New("it is empty")
	case len(v) > maxBlank:
		return fmt.Errorf("it has %d bytes, at most %d are taken", len(v), maxBlank)
	case !utf8.ValidString(v):
		return errors.New("it is not UTF-8")
	}
	for range 4 {
		for i := 0; i < len(v); i++ {
			if v[i] < 0x20 || v[i] == 0x7f {
				return errors.New("it holds a control character")
			}
		}
		if v == "." || v == ".." || strings.Contains(v, "../") || strings.Contains(v, "/..") || strings.Contains(v, `\`) {
			return errors.New("it holds a path step")
		}
		plain, err := url.PathUnescape(v)
		if err != nil || plain == v {
			return nil
		}
		v = plain
	}
	return errors.New("it is escaped over and over")
}

// escapeSegment escapes everything but unreserved characters and @, so that no character of a value has a meaning in a
// URL.
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

// query encodes names and values in their order.
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
	if b.Len() > maxQuery {
		return "", fmt.Errorf("the query has over %d bytes", maxQuery)
	}
	return b.String(), nil
}

func checkQuery(name, value string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" {
		return fmt.Errorf("query parameter %q is not a name", printable(name))
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("query parameter %s is not UTF-8", name)
	}
	for i := 0; i < len(value); i++ {
		if value[i] < 0x20 || value[i] == 0x7f {
			return fmt.Errorf("query parameter %s holds a control character", name)
		}
	}
	return nil
}

// link takes a next link apart: its path must fit the template, its query is encoded anew, its origin is ignored.
func (t template) link(s string) (path, rawQuery string, err error) {
	if len(s) > maxLink {
		return "", "", fmt.Errorf("the link has over %d bytes", maxLink)
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", "", errors.New("the link is not a URL")
	}
	if u.User != nil || u.Opaque != "" || strings.Contains(s, "#") {
		return "", "", errors.New("the link holds a user or a fragment")
	}
	path = u.EscapedPath()
	if err := t.match(path); err != nil {
		return "", "", err
	}
	var pairs [][2]string
	for _, part := range strings.Split(u.RawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, errName := url.QueryUnescape(name)
		v, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil || strings.Contains(part, ";") {
			return "", "", errors.New("the link's query is not escaped properly")
		}
		pairs = append(pairs, [2]string{n, v})
	}
	rawQuery, err = query(pairs)
	return path, rawQuery, err
}

// printable makes a stranger's text fit for a message.
func printable(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
