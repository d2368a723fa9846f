// Package hide removes members from a JSON text.
package hide

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Members are the members to look for: object keys joined by dots. A member is found at any depth, and in each element
// of an array.
type Members struct {
	Remove []string
	Note   []string               // they stay, and Noted says that there are any
	Keep   func(text string) bool // keeps a member to remove, if its value is this string; may be nil
}

// ErrSyntax is the error for a text that is not JSON, so that its members cannot be found.
var ErrSyntax = errors.New("it is not JSON")

// From removes members from a text in place, and returns what is left. All other bytes stay as they are. noted says that
// members of Note are there.
func (m Members) From(text []byte) (left []byte, noted bool, err error) {
	if !json.Valid(text) {
		return nil, false, ErrSyntax
	}
	h := hider{text: text, keep: m.Keep}
	for _, p := range m.Remove {
		h.paths = append(h.paths, path{strings.Split(p, "."), true})
	}
	for _, p := range m.Note {
		h.paths = append(h.paths, path{strings.Split(p, "."), false})
	}
	h.value(h.space(0), 0)
	h.to += copy(text[h.to:], text[h.from:])
	return text[:h.to:h.to], h.noted, nil
}

type path struct {
	keys   []string
	remove bool
}

// open is a path whose first keys lead to an object.
type open struct{ path, keys int }

// hider walks through a valid text once. What it keeps is moved to the front.
type hider struct {
	text     []byte
	paths    []path
	keep     func(string) bool
	open     []open // paths that lead to the values around the current one, a part for each object
	to, from int    // text[:to] is kept; text[from:] is not moved yet
	noted    bool
}

// cut removes a part of the text. Parts are cut in order.
func (h *hider) cut(start, end int) {
	h.to += copy(h.text[h.to:], h.text[h.from:start])
	h.from = end
}

// space returns the index after white space.
func (h *hider) space(i int) int {
	for i < len(h.text) && (h.text[i] == ' ' || h.text[i] == '\n' || h.text[i] == '\t' || h.text[i] == '\r') {
		i++
	}
	return i
}

// value walks through the value at i and returns the index after it. Paths from opened on lead to it.
func (h *hider) value(i, opened int) int {
	switch h.text[i] {
	case '{':
		return h.object(i, opened)
	case '[':
		for i = h.space(i + 1); h.text[i] != ']'; {
			i = h.space(h.value(i, opened))
			if h.text[i] == ',' {
				i = h.space(i + 1)
			}
		}
		return i + 1
	}
	return h.skip(i)
}

// object walks through an object. A removed member goes with the comma before it, or after it if no member is kept
// before it.
func (h *hider) object(i, opened int) int {
	closed := len(h.open)
	kept, last := false, 0 // last is the end of the member before
	for i = h.space(i + 1); h.text[i] != '}'; {
		start := i
		i = h.skip(i)
		name := h.name(start, i)
		at := h.space(h.space(i) + 1) // after the colon
		remove := h.enter(name, opened, closed)
		if remove && h.keep != nil && h.text[at] == '"' {
			var text string
			remove = json.Unmarshal(h.text[at:h.skip(at)], &text) != nil || !h.keep(text)
		}
		end := 0
		if remove {
			end = h.skip(at)
		} else {
			end = h.value(at, closed)
		}
		h.open = h.open[:closed]
		if i = h.space(end); h.text[i] == ',' {
			i = h.space(i + 1)
		}
		switch {
		case remove && kept:
			h.cut(last, end)
		case remove && h.text[i] != '}':
			h.cut(start, i)
		case remove:
			h.cut(start, end)
		}
		kept, last = kept || !remove, end
	}
	return i + 1
}

// enter opens the paths that a member of an object leads on. remove says that a path to remove ends there.
func (h *hider) enter(name []byte, opened, closed int) (remove bool) {
	step := func(p, keys int) {
		switch path := h.paths[p]; {
		case string(name) != path.keys[keys]:
		case keys+1 < len(path.keys):
			h.open = append(h.open, open{p, keys + 1})
		case path.remove:
			remove = true
		default:
			h.noted = true
		}
	}
	for i := opened; i < closed; i++ {
		step(h.open[i].path, h.open[i].keys)
	}
	for p := range h.paths {
		step(p, 0)
	}
	return remove
}

// name returns the name of a member whose text is from start to end.
func (h *hider) name(start, end int) []byte {
	raw := h.text[start+1 : end-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	var name string
	_ = json.Unmarshal(h.text[start:end], &name) // the text is valid
	return []byte(name)
}

// skip returns the index after the value at i.
func (h *hider) skip(i int) int {
	b := h.text
	switch b[i] {
	case '"':
		for i++; ; i++ {
			i += bytes.IndexByte(b[i:], '"')
			escapes := i
			for b[escapes-1] == '\\' {
				escapes--
			}
			if (i-escapes)%2 == 0 {
				return i + 1
			}
		}
	case '{', '[':
		depth := 1
		for i++; depth > 0; i++ {
			switch b[i] {
			case '"':
				i = h.skip(i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
		}
		return i
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}
