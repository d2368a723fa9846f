package okta

import "github.com/mach5/okta-connector/guest/jsonval"

// mergePatch applies a JSON merge patch (RFC 7396). Members that the patch does not name stay byte for byte.
func mergePatch(target, patch jsonval.Value) string {
	if patch.Kind() != jsonval.Object {
		return patch.Raw()
	}
	var w jsonval.Writer
	if target.Kind() == jsonval.Object {
		for k, v := range target.Members() {
			switch p := patch.Get(k); p.Kind() {
			case jsonval.None:
				w.Raw(k, v.Raw())
			case jsonval.Null:
			default:
				w.Raw(k, mergePatch(v, p))
			}
		}
	}
	for k, p := range patch.Members() {
		if p.Kind() == jsonval.Null || target.Get(k).Exists() {
			continue
		}
		w.Raw(k, mergePatch(jsonval.Value{}, p))
	}
	return w.String()
}

// patched is mergePatch as a value.
func patched(target, patch jsonval.Value) jsonval.Value {
	v, _ := jsonval.Parse(mergePatch(target, patch)) // checked text, put together anew
	return v
}

// without is an object less some of its members.
func without(v jsonval.Value, names ...string) jsonval.Value {
	var w jsonval.Writer
	for k, m := range v.Members() {
		drop := false
		for _, n := range names {
			drop = drop || k == n
		}
		if !drop {
			w.Raw(k, m.Raw())
		}
	}
	out, _ := jsonval.Parse(w.String())
	return out
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
