// Package redact removes sensitive values from what is shown or stored.
package redact

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
)

// masked replaces a sensitive value.
const masked = `"***"`

// Values are the sensitive values of one input: the strings and numbers in fields whose schema has "x-sensitive".
// JSON is masked by path, because masking by value would reveal which other values equal a secret. The zero value is
// empty.
type Values []secret

// secret is one value: the member names on its path (without array indices) and its decoded text.
type secret struct {
	path []string
	text string
}

// fields returns the fields of an input schema, and the sensitive ones among them.
func fields(op *abi.Operation) (known, secret map[string]bool) {
	known, secret = map[string]bool{}, map[string]bool{}
	gjson.GetBytes(op.InputSchema, "properties").ForEach(func(name, schema gjson.Result) bool {
		known[name.Str], secret[name.Str] = true, schema.Get("x-sensitive").Bool()
		return true
	})
	return known, secret
}

// Of returns the sensitive values of an input, which must be a JSON object.
func Of(op *abi.Operation, input json.RawMessage) Values {
	var values Values
	var walk func([]string, gjson.Result)
	walk = func(path []string, v gjson.Result) {
		switch {
		case v.IsObject():
			v.ForEach(func(name, m gjson.Result) bool { walk(append(path[:len(path):len(path)], name.Str), m); return true })
		case v.IsArray():
			v.ForEach(func(_, m gjson.Result) bool { walk(path, m); return true })
		case v.Type == gjson.String && v.Str != "":
			values = append(values, secret{path, v.Str})
		case v.Type == gjson.Number:
			values = append(values, secret{path, v.Raw})
		}
	}
	_, sensitive := fields(op)
	gjson.ParseBytes(input).ForEach(func(name, v gjson.Result) bool {
		if sensitive[name.Str] {
			walk([]string{name.Str}, v)
		}
		return true
	})
	return values
}

// AtPaths returns Values that mask whatever is at the given paths (object keys joined by dots).
func AtPaths(paths []string) Values {
	var values Values
	for _, path := range paths {
		values = append(values, secret{path: strings.Split(path, ".")})
	}
	return values
}

// Input returns an input with its sensitive fields masked, and fields that the schema does not have, which may be a
// misspelt password.
func Input(op *abi.Operation, input json.RawMessage) json.RawMessage {
	v := gjson.ParseBytes(input)
	if !v.IsObject() {
		return json.RawMessage(masked)
	}
	known, secret := fields(op)
	b := []byte{'{'}
	v.ForEach(func(name, m gjson.Result) bool {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, name.Raw...), ':')
		if !known[name.Str] || secret[name.Str] {
			b = append(b, masked...)
		} else {
			b = append(b, m.Raw...)
		}
		return true
	})
	return append(b, '}')
}

// minSearched is the length of the shortest sensitive value that is searched for inside other text, in bytes. Shorter
// values would match unrelated text.
const minSearched = 4

// holds reports whether a text equals or contains one of the values.
func (s Values) holds(text string) bool {
	for _, v := range s {
		if text == v.text || len(v.text) >= minSearched && strings.Contains(text, v.text) {
			return true
		}
	}
	return false
}

// Fill reports whether a text equals a sensitive top-level field, such as one that fills a path.
func (s Values) Fill(text string) bool {
	return slices.ContainsFunc(s, func(v secret) bool { return len(v.path) == 1 && v.text == text })
}

// Text returns a message with the values masked.
func (s Values) Text(message string) string {
	for _, v := range s {
		if len(v.text) >= minSearched {
			message = strings.ReplaceAll(message, v.text, "***")
		}
	}
	return message
}

// at reports whether a path ends with the path of a secret.
func (s Values) at(place []string) bool {
	return slices.ContainsFunc(s, func(v secret) bool { return v.ends(place) })
}

func (v secret) ends(place []string) bool {
	return len(place) >= len(v.path) && slices.Equal(place[len(place)-len(v.path):], v.path)
}

// JSON returns an output with "***" at the paths of secrets. All other bytes stay the same.
func (s Values) JSON(raw json.RawMessage) json.RawMessage { return s.mask(raw, nil) }

// Body is JSON for what a module sends. It also searches the values of secrets that are not at their paths.
func (s Values) Body(raw json.RawMessage) json.RawMessage {
	var elsewhere Values
	for _, v := range s {
		found := false
		each(nil, gjson.ParseBytes(raw), func(place []string, _ gjson.Result) { found = found || v.ends(place) })
		if !found {
			elsewhere = append(elsewhere, v)
		}
	}
	return s.mask(raw, elsewhere)
}

// each visits the members of all objects in a JSON text.
func each(place []string, v gjson.Result, visit func([]string, gjson.Result)) {
	if !v.IsObject() && !v.IsArray() {
		return
	}
	v.ForEach(func(name, m gjson.Result) bool {
		at := place
		if v.IsObject() {
			at = append(place[:len(place):len(place)], name.Str)
			visit(at, m)
		}
		each(at, m, visit)
		return true
	})
}

// mask puts "***" at the paths of s, and in place of strings that contain a value of elsewhere and numbers that equal
// one.
func (s Values) mask(raw json.RawMessage, elsewhere Values) json.RawMessage {
	switch {
	case len(s) == 0 || len(raw) == 0:
		return raw
	case !json.Valid(raw):
		return json.RawMessage(masked)
	}
	var b []byte
	var walk func([]string, gjson.Result)
	walk = func(place []string, v gjson.Result) {
		switch {
		case v.IsObject() || v.IsArray():
			ends := "[]"
			if v.IsObject() {
				ends = "{}"
			}
			b = append(b, ends[0])
			first := true
			v.ForEach(func(name, m gjson.Result) bool {
				if !first {
					b = append(b, ',')
				}
				first = false
				at := place
				if v.IsObject() {
					b = append(append(b, name.Raw...), ':')
					at = append(place[:len(place):len(place)], name.Str)
				}
				if v.IsObject() && s.at(at) {
					b = append(b, masked...)
				} else {
					walk(at, m)
				}
				return true
			})
			b = append(b, ends[1])
		case v.Type == gjson.String && elsewhere.holds(v.Str),
			v.Type == gjson.Number && slices.ContainsFunc(elsewhere, func(x secret) bool { return x.text == v.Raw }):
			b = append(b, masked...)
		default:
			b = append(b, v.Raw...)
		}
	}
	walk(nil, gjson.ParseBytes(raw))
	return b
}

// Path returns a request's target with "***" in place of segments that equal a value, even if short or escaped.
func (s Values) Path(target string) string {
	path, query, found := strings.Cut(target, "?")
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		if plain, err := url.PathUnescape(seg); err == nil && s.Fill(plain) {
			segments[i] = "***"
		}
	}
	if path = strings.Join(segments, "/"); found {
		path += "?" + query
	}
	return path
}

// Writes returns planned writes with the values masked.
func (s Values) Writes(writes []abi.PlannedWrite) []abi.PlannedWrite {
	shown := make([]abi.PlannedWrite, len(writes))
	for i, w := range writes {
		w.Target, w.Body = s.Text(s.Path(w.Target)), s.Body(w.Body)
		shown[i] = w
	}
	return shown
}

// Error returns an error with the values masked, since a service may quote what it refuses.
func (s Values) Error(e *abi.Error) *abi.Error {
	if e == nil || len(s) == 0 {
		return e
	}
	out := *e
	out.Message = s.Text(out.Message)
	if e.Upstream != nil {
		up := *e.Upstream
		up.Summary, up.Causes = s.Text(up.Summary), append([]string(nil), up.Causes...)
		for i := range up.Causes {
			up.Causes[i] = s.Text(up.Causes[i])
		}
		out.Upstream = &up
	}
	return &out
}
