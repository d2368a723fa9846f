package okta

import "github.com/mach5/okta-connector/guest/jsonval"

// patched is mergePatch as a value.
func patched(target, patch jsonval.Value) jsonval.Value {
	v, _ := jsonval.Parse(mergePatch(target, patch)) // checked text, put together anew
	return v
}

// withoutNulls is an object less its null members: to Okta a null and nothing are the same.
func withoutNulls(v jsonval.Value) jsonval.Value {
	var w jsonval.Writer
	for k, m := range v.Members() {
		if m.Kind() != jsonval.Null {
			w.Raw(k, m.Raw())
		}
	}
	out, _ := jsonval.Parse(w.String())
	return out
}
