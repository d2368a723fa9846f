// Package redact removes sensitive values from what is shown or stored.
package redact

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"

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

// Known returns a function that reports whether a text is a sensitive value of an input. It reads the input only when it
// is called.
func Known(op *abi.Operation, input json.RawMessage) func(text string) bool {
	values := sync.OnceValue(func() Values { return Of(op, input) })
	return func(text string) bool {
		return slices.ContainsFunc(values(), func(v secret) bool { return v.text == text })
	}
}

// AtPaths returns Values that mask whatever is at the given paths (object keys joined by dots).
func AtPaths(paths []string) Values {
	var values Values
	for _, path := range paths {
		values = append(values, secret{path: strings.Split(path, ".")})
	}
	return values
}

// Input returns an input with the values of its sensitive fields masked, and those of fields that the schema does not have,
// which may be a misspelt password. The names of members stay.
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
		b = masking{}.value(b, nil, m, !known[name.Str] || secret[name.Str])
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

// JSON returns an output with "***" in place of the values at the paths of secrets. All other bytes, and the members of
// objects at these paths, stay the same.
func (s Values) JSON(raw json.RawMessage) json.RawMessage { return masking{at: s}.apply(raw) }

// State is JSON for what the service returned. It also searches the values of top-level fields, such as a session's id,
// which the service has at other paths. See Fill.
func (s Values) State(raw json.RawMessage) json.RawMessage {
	var ids Values
	for _, v := range s {
		if len(v.path) == 1 {
			ids = append(ids, v)
		}
	}
	return masking{at: s, elsewhere: ids}.apply(raw)
}

// States is State for several objects.
func (s Values) States(all []json.RawMessage) []json.RawMessage {
	for i := range all {
		all[i] = s.State(all[i])
	}
	return all
}

// Body is JSON for what a module sends. A value at the path of a secret that is not the secret is marked, so that a module
// cannot hide anything else there. The values of secrets that are not at their paths are searched.
func (s Values) Body(raw json.RawMessage) json.RawMessage {
	var elsewhere Values
	for _, v := range s {
		found := false
		leaves(nil, gjson.ParseBytes(raw), func(place []string, leaf gjson.Result) { found = found || v.ends(place) && v.is(leaf) })
		if !found {
			elsewhere = append(elsewhere, v)
		}
	}
	return masking{at: s, elsewhere: elsewhere, mark: true}.apply(raw)
}

// leaves visits the strings, numbers, booleans and nulls of a JSON text.
func leaves(place []string, v gjson.Result, visit func([]string, gjson.Result)) {
	if !v.IsObject() && !v.IsArray() {
		visit(place, v)
		return
	}
	v.ForEach(func(name, m gjson.Result) bool {
		at := place
		if v.IsObject() {
			at = append(place[:len(place):len(place)], name.Str)
		}
		leaves(at, m, visit)
		return true
	})
}

// is reports whether a leaf is the secret.
func (v secret) is(leaf gjson.Result) bool {
	return leaf.Type == gjson.String && leaf.Str == v.text || leaf.Type == gjson.Number && leaf.Raw == v.text
}

// foreign replaces a value at the path of a secret that is not the secret.
const foreign = `"*** (not from the input)"`

// masking says what is masked in a JSON text.
type masking struct {
	at        Values // the leaves at and below these paths
	elsewhere Values // these values in other leaves
	mark      bool   // leaves at the paths of at are marked unless they are its values
}

// apply returns a text with its leaves masked.
func (m masking) apply(raw json.RawMessage) json.RawMessage {
	switch {
	case len(m.at) == 0 || len(raw) == 0:
		return raw
	case !json.Valid(raw):
		return json.RawMessage(masked)
	}
	return m.value(nil, nil, gjson.ParseBytes(raw), false)
}

// value appends the masked text of a value. below says that the value is at or below the path of a secret.
func (m masking) value(b []byte, place []string, v gjson.Result, below bool) []byte {
	if !v.IsObject() && !v.IsArray() {
		return m.leaf(b, place, v, below)
	}
	ends := "[]"
	if v.IsObject() {
		ends = "{}"
	}
	b = append(b, ends[0])
	first := true
	v.ForEach(func(name, member gjson.Result) bool {
		if !first {
			b = append(b, ',')
		}
		first = false
		at, under := place, below
		if v.IsObject() {
			b = append(append(b, name.Raw...), ':')
			at = append(place[:len(place):len(place)], name.Str)
			under = below || m.at.at(at)
		}
		b = m.value(b, at, member, under)
		return true
	})
	return append(b, ends[1])
}

func (m masking) leaf(b []byte, place []string, v gjson.Result, below bool) []byte {
	switch {
	case below && m.mark && !slices.ContainsFunc(m.at, func(s secret) bool { return s.ends(place) && s.is(v) }):
		return append(b, foreign...)
	case below, slices.ContainsFunc(m.elsewhere, func(s secret) bool { return s.is(v) }):
		return append(b, masked...)
	case v.Type == gjson.String && m.elsewhere.holds(v.Str):
		text := m.elsewhere.Text(v.Str)
		if m.elsewhere.holds(text) { // the mask completes another value
			return append(b, masked...)
		}
		quoted, _ := json.Marshal(text) // a string always encodes
		return append(b, quoted...)
	}
	return append(b, v.Raw...)
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
		path += "?" + s.query(query)
	}
	return path
}

// query returns a target's query with the values masked, even if they are short or escaped.
func (s Values) query(text string) string {
	parts := strings.Split(text, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(value); err == nil && (s.holds(plain) || s.Fill(plain)) {
			parts[i] = name + "=***"
		}
	}
	return strings.Join(parts, "&")
}

// Writes returns planned writes with the values masked.
func (s Values) Writes(writes []abi.PlannedWrite) []abi.PlannedWrite {
	shown := make([]abi.PlannedWrite, len(writes))
	for i, w := range writes {
		w.Target, w.IfMatch, w.Body = s.Text(s.Path(w.Target)), s.Text(w.IfMatch), s.Body(w.Body)
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
