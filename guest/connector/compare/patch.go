package compare

import "github.com/mach5/okta-connector/guest/jsonval"

// Patched returns the result of MergePatch as a value.
func Patched(target, patch jsonval.Value) jsonval.Value {
	v, _ := jsonval.Parse(MergePatch(target, patch)) // both are valid JSON
	return v
}

// WithoutNulls returns an object without its null members: the service treats a null member as absent.
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
