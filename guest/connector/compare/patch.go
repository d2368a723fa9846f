package compare

import "github.com/mach5/okta-connector/guest/jsonval"

// Patched is MergePatch as a value.
func Patched(target, patch jsonval.Value) jsonval.Value {
	v, _ := jsonval.Parse(MergePatch(target, patch)) // both are valid JSON
	return v
}

// WithoutNulls returns an object without its null members: to the service, null and absence are equal.
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
