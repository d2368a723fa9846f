package egress

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// template is the parsed path of an endpoint.
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

// fill returns the escaped path with values in its blanks. It returns an error if a blank has no value, or a value no
// blank. e says which values may divide a URL; operations may declare that differently for the same path.
func (t template) fill(values map[string]string, e *abi.Endpoint) (string, error) {
	if len(values) != t.blanks {
		for name := range values {
			if !t.has(name) {
				return "", fmt.Errorf("the endpoint's path has no blank {%s}", printable(name))
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
		if err := abi.CheckBlank(v, e.Divides(s.text)); err != nil {
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

// link parses a next link. Its path must fit the template, with one segment per blank. Its query is decoded. Its origin
// is ignored.
func (t template) link(s string, e *abi.Endpoint) (path string, query [][2]string, err error) {
	if len(s) > abi.MaxLink {
		return "", nil, fmt.Errorf("the link has more than %d bytes", abi.MaxLink)
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", nil, errors.New("the link is not a URL")
	}
	if u.User != nil || u.Opaque != "" || strings.Contains(s, "#") {
		return "", nil, errors.New("the link must have a path, and neither a user nor a fragment")
	}
	if u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" {
		return "", nil, errors.New("the link is not an http or https URL")
	}
	if path, err = t.refill(u.EscapedPath(), e); err != nil {
		return "", nil, err
	}
	query, err = decoded(u.RawQuery)
	return path, query, err
}

// refill extracts the blanks from an escaped path that fits the template, and fills the template with them.
func (t template) refill(escaped string, e *abi.Endpoint) (string, error) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	if !strings.HasPrefix(escaped, "/") || len(parts) != len(t.segments) {
		return "", errOtherPath
	}
	values := make(map[string]string, t.blanks)
	for i, s := range t.segments {
		if !s.blank {
			if parts[i] != s.text {
				return "", errOtherPath
			}
			continue
		}
		v, err := url.PathUnescape(parts[i])
		if err != nil {
			return "", errors.New("the link's path is not escaped properly")
		}
		values[s.text] = v
	}
	path, err := t.fill(values, e)
	if err != nil {
		return "", fmt.Errorf("the link's path: %w", err)
	}
	return path, nil
}

var errOtherPath = errors.New("the link's path is not the endpoint's path")
