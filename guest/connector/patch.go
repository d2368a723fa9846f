package connector

import "github.com/mach5/okta-connector/guest/jsonval"

// Patched is mergePatch as a value.
func Patched(target, patch jsonval.Value) jsonval.Value {
	v, _ := jsonval.Parse(MergePatch(target, patch)) // checked text, put together anew
	return v
}

// WithoutNulls is an object less its null members: to the service a null and nothing are the same.
func WithoutNulls(v jsonval.Value) jsonval.Value {
	var w jsonval.Writer
	for k, m := range v.Members() {
		if m.Kind() != jsonval.Null {
			w.Raw(k, m.Raw())
		}
	}
	out, _ := jsonval.Parse(w.String())
	return out
}
