package host

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
)

// masked stands for what is not shown.
const masked = `"***"`

// sensitive are the strings and numbers that an input has in the fields whose schema says "x-sensitive", decoded: what
// is shown of an invoke, or kept, holds none of them.
type sensitive []string

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
	var walk func(gjson.Result)
	walk = func(v gjson.Result) {
		switch {
		case v.IsObject() || v.IsArray():
			v.ForEach(func(_, m gjson.Result) bool { walk(m); return true })
		case v.Type == gjson.String && v.Str != "":
			values = append(values, v.Str)
		case v.Type == gjson.Number:
			values = append(values, v.Raw)
		}
	}
	_, secret := sensitiveFields(op)
	gjson.ParseBytes(input).ForEach(func(name, v gjson.Result) bool {
		if secret[name.Str] {
			walk(v)
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

func (s sensitive) holds(text string) bool {
	for _, v := range s {
		if text == v || len(v) >= leastInText && strings.Contains(text, v) {
			return true
		}
	}
	return false
}

// text is a message without the values.
func (s sensitive) text(message string) string {
	for _, v := range s {
		if len(v) >= leastInText {
			message = strings.ReplaceAll(message, v, "***")
		}
	}
	return message
}

// json is a JSON text without the values: strings that hold one and numbers that are one are "***". The rest stays byte
// for byte.
func (s sensitive) json(raw json.RawMessage) json.RawMessage {
	switch {
	case len(s) == 0 || len(raw) == 0:
		return raw
	case !json.Valid(raw):
		return json.RawMessage(masked)
	}
	var b []byte
	var walk func(gjson.Result)
	walk = func(v gjson.Result) {
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
				if v.IsObject() {
					b = append(append(b, name.Raw...), ':')
				}
				walk(m)
				return true
			})
			b = append(b, ends[1])
		case v.Type == gjson.String && s.holds(v.Str), v.Type == gjson.Number && slices.Contains(s, v.Raw):
			b = append(b, masked...)
		default:
			b = append(b, v.Raw...)
		}
	}
	walk(gjson.ParseBytes(raw))
	return b
}

// writes are planned writes as they are shown.
func (s sensitive) writes(writes []abi.PlannedWrite) []abi.PlannedWrite {
	shown := make([]abi.PlannedWrite, len(writes))
	for i, w := range writes {
		w.Target, w.Body = s.text(w.Target), s.json(w.Body)
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
