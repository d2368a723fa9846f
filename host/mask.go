package host

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
)

// masked stands for what is not shown.
const masked = `"***"`

// sensitive are the strings and numbers that an input has in the fields whose schema says "x-sensitive": what is shown of
// an invoke, or kept, holds none of them where they belong. JSON is masked by path: masked by value, it would tell that
// something else in it is the same as a secret.
type sensitive []secret

// secret is one of them: the names that lead to it, those of arrays' elements aside, and the value, decoded.
type secret struct {
	path []string
	text string
}

// sensitiveFields tells the fields of an input apart: which the schema has, and which of them are sensitive.
func sensitiveFields(op *abi.Operation) (known, secret map[string]bool) {
	known, secret = map[string]bool{}, map[string]bool{}
	gjson.GetBytes(op.InputSchema, "properties").ForEach(func(name, schema gjson.Result) bool {
		known[name.Str], secret[name.Str] = true, schema.Get("x-sensitive").Bool()
		return true
	})
	return known, secret
}

// sensitiveValues finds them in an input that is a JSON object.
func sensitiveValues(op *abi.Operation, input json.RawMessage) sensitive {
	var values sensitive
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
	_, fields := sensitiveFields(op)
	gjson.ParseBytes(input).ForEach(func(name, v gjson.Result) bool {
		if fields[name.Str] {
			walk([]string{name.Str}, v)
		}
		return true
	})
	return values
}

// maskInput is an input without the values of its sensitive fields, and of those that the schema does not know: a
// password under a misspelt name is one, too.
func maskInput(op *abi.Operation, input json.RawMessage) json.RawMessage {
	v := gjson.ParseBytes(input)
	if !v.IsObject() {
		return json.RawMessage(masked)
	}
	known, secret := sensitiveFields(op)
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

// leastInText is the length from which a sensitive value is looked for inside other text, in bytes: shorter ones stand
// in too much that is none of theirs.
const leastInText = 4

// holds reports whether a text is, or has in it, one of the values.
func (s sensitive) holds(text string) bool {
	for _, v := range s {
		if text == v.text || len(v.text) >= leastInText && strings.Contains(text, v.text) {
			return true
		}
	}
	return false
}

// fill reports whether a text is the whole of a sensitive field, as what fills a path is.
func (s sensitive) fill(text string) bool {
	return slices.ContainsFunc(s, func(v secret) bool { return len(v.path) == 1 && v.text == text })
}

// text is a message without the values.
func (s sensitive) text(message string) string {
	for _, v := range s {
		if len(v.text) >= leastInText {
			message = strings.ReplaceAll(message, v.text, "***")
		}
	}
	return message
}

// at reports whether the last of the names that lead to a place are those that lead to a secret.
func (s sensitive) at(place []string) bool {
	return slices.ContainsFunc(s, func(v secret) bool { return v.ends(place) })
}

func (v secret) ends(place []string) bool {
	return len(place) >= len(v.path) && slices.Equal(place[len(place)-len(v.path):], v.path)
}

// json is an output with "***" wherever a secret's path ends, whatever stands there. The rest stays byte for byte.
func (s sensitive) json(raw json.RawMessage) json.RawMessage { return s.mask(raw, nil) }

// body is json of what a module sends. A secret that it has put elsewhere than its path says is looked for by its value.
func (s sensitive) body(raw json.RawMessage) json.RawMessage {
	var elsewhere sensitive
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

// mask puts "***" at the secrets' paths, and for strings that hold one of those elsewhere and numbers that are one.
func (s sensitive) mask(raw json.RawMessage, elsewhere sensitive) json.RawMessage {
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

// path is a request's target with "***" for segments that are filled with one of the values, however short and escaped.
func (s sensitive) path(target string) string {
	path, query, found := strings.Cut(target, "?")
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		if plain, err := url.PathUnescape(seg); err == nil && s.fill(plain) {
			segments[i] = "***"
		}
	}
	if path = strings.Join(segments, "/"); found {
		path += "?" + query
	}
	return path
}

// writes are planned writes as they are shown.
func (s sensitive) writes(writes []abi.PlannedWrite) []abi.PlannedWrite {
	shown := make([]abi.PlannedWrite, len(writes))
	for i, w := range writes {
		w.Target, w.Body = s.text(s.path(w.Target)), s.body(w.Body)
		shown[i] = w
	}
	return shown
}

// error is an error without the values: a service may quote what it refuses.
func (s sensitive) error(e *abi.Error) *abi.Error {
	if e == nil || len(s) == 0 {
		return e
	}
	out := *e
	out.Message = s.text(out.Message)
	if e.Upstream != nil {
		up := *e.Upstream
		up.Summary, up.Causes = s.text(up.Summary), append([]string(nil), up.Causes...)
		for i := range up.Causes {
			up.Causes[i] = s.text(up.Causes[i])
		}
		out.Upstream = &up
	}
	return &out
}
