package compare

import (
	"slices"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// Alike compares two states of an object that the service normalises. Null, "", [], {} and absent are equal, and so are
// objects with only such members. Arrays are compared as sets.
func Alike(a, b jsonval.Value) bool {
	switch {
	case IsEmpty(a) || IsEmpty(b):
		return IsEmpty(a) && IsEmpty(b)
	case a.Kind() == jsonval.Object && b.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{a, b} {
			for k := range v.Members() {
				if !Alike(a.Get(k), b.Get(k)) {
					return false
				}
			}
		}
		return true
	case a.Kind() == jsonval.Array && b.Kind() == jsonval.Array:
		var rest []jsonval.Value
		for e := range b.Elements() {
			rest = append(rest, e)
		}
		for e := range a.Elements() {
			i := slices.IndexFunc(rest, func(r jsonval.Value) bool { return Alike(e, r) })
			if i < 0 {
				return false
			}
			last := len(rest) - 1
			rest[i], rest = rest[last], rest[:last]
		}
		return len(rest) == 0
	}
	return a.Equal(b)
}

// IsEmpty reports whether a value means the same as its absence.
func IsEmpty(v jsonval.Value) bool {
	switch v.Kind() {
	case jsonval.None, jsonval.Null:
		return true
	case jsonval.String:
		return v.Str() == ""
	case jsonval.Array:
		for range v.Elements() {
			return false
		}
		return true
	case jsonval.Object:
		for _, m := range v.Members() {
			if !IsEmpty(m) {
				return false
			}
		}
		return true
	}
	return false
}

// AlikeBut is Alike for two objects. It ignores the members in aside.
func AlikeBut(a, b jsonval.Value, aside ...string) bool {
	for _, v := range [...]jsonval.Value{a, b} {
		for k := range v.Members() {
			if !slices.Contains(aside, k) && !Alike(a.Get(k), b.Get(k)) {
				return false
			}
		}
	}
	return true
}
