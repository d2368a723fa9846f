// Package encode writes the parts of a manifest and of results as JSON.
package encode

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// View returns an SQL view as JSON for the manifest.
func View(v abi.View) string {
	var w, times jsonval.Writer
	w.Str("name", v.Name).Str("operation", v.Operation).RawIf("input", string(v.Input))
	var fields []string
	for field := range v.Times {
		fields = texts.AddSorted(fields, field)
	}
	for _, field := range fields {
		times.Int(field, v.Times[field])
	}
	if len(v.Times) > 0 {
		w.Raw("times", times.String())
	}
	if w.StrIf("comment", v.Comment); v.Of != nil {
		var of jsonval.Writer
		w.Raw("of", of.Str("view", v.Of.View).Str("column", v.Of.Column).Str("input", v.Of.Input).Str("as", v.Of.As).StrIf("match", v.Of.Match).String())
	}
	if len(v.Answers) > 0 {
		w.Raw("answers", texts.JSONArray(v.Answers, answer))
	}
	return w.String()
}

// answer returns an answer of a view as JSON for the manifest.
func answer(a abi.Answer) string {
	var w jsonval.Writer
	w.Str("operation", a.Operation).RawIf("input", string(a.Input)).StrIf("filter", a.Filter).BoolIf("lags", a.Lags).IntIf("each", int64(a.Each))
	if len(a.Conditions) > 0 {
		w.Raw("conditions", texts.JSONArray(a.Conditions, condition))
	}
	if len(a.Orders) > 0 {
		w.Raw("orders", texts.JSONArray(a.Orders, order))
	}
	return w.String()
}

func condition(c abi.Condition) string {
	var w jsonval.Writer
	w.Str("column", c.Column).StrIf("name", c.Name)
	if len(c.Operators) > 0 {
		w.Strs("operators", c.Operators)
	}
	return w.StrIf("value", c.Value).StrIf("from", c.From).StrIf("to", c.To).IntIf("oldest", c.Oldest).BoolIf("fold", c.Fold).
		StrIf("precision", c.Precision).String()
}

func order(o abi.Order) string {
	var w jsonval.Writer
	return w.Str("column", o.Column).Str("input", o.Input).StrIf("ascending", o.Ascending).StrIf("descending", o.Descending).String()
}

// Endpoint returns an endpoint as JSON for the manifest.
func Endpoint(e *abi.Endpoint) string {
	var w jsonval.Writer
	w.Str("endpoint", e.Endpoint).Str("bucket", e.Bucket)
	if len(e.Scopes) > 0 {
		w.Strs("scopes", e.Scopes)
	}
	if e.Optional {
		w.Bool("optional", true)
	}
	if w.StrIf("class", string(e.Class)); len(e.ClassRules) > 0 {
		w.Raw("class_rules", texts.JSONArray(e.ClassRules, ClassRule))
	}
	if len(e.Sensitive) > 0 {
		w.Strs("sensitive", e.Sensitive)
	}
	if len(e.Reveals) > 0 {
		w.Strs("reveals", e.Reveals)
	}
	if len(e.Query) > 0 {
		w.Strs("query", e.Query)
	}
	if len(e.Headers) > 0 {
		w.Raw("headers", texts.JSONArray(e.Headers, header))
	}
	if len(e.Delimiters) > 0 {
		w.Strs("delimiters", e.Delimiters)
	}
	if len(e.Guards) > 0 {
		w.Raw("guards", texts.JSONArray(e.Guards, guard))
	}
	return w.String()
}

// header returns a request header as JSON for the manifest.
func header(h abi.RequestHeader) string {
	var w jsonval.Writer
	if w.Str("name", h.Name); len(h.Values) > 0 {
		w.Strs("values", h.Values)
	}
	return w.String()
}

// Schema returns the JSON Schema of an input, by its fields and by further keywords as members of an object.
func Schema(fields []struct {
	Name     string
	Required bool
	Schema   string
}, more string) string {
	var w, properties jsonval.Writer
	var required []string
	for _, in := range fields {
		properties.Raw(in.Name, in.Schema)
		if in.Required {
			required = append(required, in.Name)
		}
	}
	w.Str("$schema", "https://json-schema.org/draft/2020-12/schema").Str("type", "object").Bool("additionalProperties", false)
	if required != nil {
		w.Strs("required", required)
	}
	w.Raw("properties", properties.String())
	if more != "" {
		v, _ := jsonval.Parse("{" + more + "}")
		for k, m := range v.Members() {
			w.Raw(k, m.Raw())
		}
	}
	return w.String()
}

// guard returns a guard as JSON for the manifest.
func guard(g abi.Guard) string {
	var w jsonval.Writer
	w.Str("kind", g.Kind).Str("read", g.Read).StrIf("each", g.Each).StrIf("blank", g.Blank).StrIf("path", g.Path)
	if len(g.Statuses) > 0 {
		w.Raw("statuses", texts.JSONArray(g.Statuses, strconv.Itoa))
	}
	return w.Str("class", string(g.Class)).String()
}

// ClassRule returns a class rule as JSON for the manifest.
func ClassRule(r abi.ClassRule) string {
	var w jsonval.Writer
	return w.Str("field", r.Field).StrIf("equals", r.Equals).Str("class", string(r.Class)).String()
}

// Error returns an error as JSON for a result.
func Error(e *abi.Error) string {
	var w jsonval.Writer
	w.Str("code", e.Code).Str("message", e.Message)
	if u := e.Upstream; u != nil {
		var uw jsonval.Writer
		uw.Int("status", int64(u.Status)).StrIf("code", u.Code).StrIf("summary", u.Summary)
		if len(u.Causes) > 0 {
			uw.Strs("causes", u.Causes)
		}
		w.Raw("upstream", uw.StrIf("request_id", u.RequestID).String())
	}
	return w.Bool("retryable", e.Retryable).IntIf("retry_after_ms", e.RetryAfterMS).String()
}

// Canonical returns a value as JSON. Equal strings get the same text, however they were escaped; so do those in arrays.
func Canonical(v jsonval.Value) string {
	switch v.Kind() {
	case jsonval.String:
		return jsonval.Quote(v.Str())
	case jsonval.Array:
		var all []string
		for e := range v.Elements() {
			all = append(all, Canonical(e))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	return v.Raw()
}
