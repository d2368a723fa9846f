// Package compare finds differences in meaning between JSON values, in particular from what a merge patch asks for.
package compare

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Gap is a member whose value differs from what was asked for.
type Gap struct {
	Path     string // members joined by dots
	Has, Ask jsonval.Value
}

func (g Gap) String() string {
	has := "absent"
	if g.Has.Exists() {
		has = texts.Shorten(g.Has.Raw())
	}
	ask := "none"
	if g.Ask.Exists() && g.Ask.Kind() != jsonval.Null {
		ask = texts.Shorten(g.Ask.Raw())
	}
	return g.Path + " is " + has + ", not " + ask
}

// Comparison compares a value with what a merge patch asks for. Gaps is for responses of the service, Changes for what
// is to be sent.
type Comparison func(now, ask jsonval.Value, path string) []Gap

// Rules says which values the service treats as equal.
type Rules struct {
	// Sets names the arrays that the service stores as sets.
	Sets []string
	// IsEmptyElement reports whether an element of an array means the same as its absence. Nil means that none does.
	IsEmptyElement func(element jsonval.Value) bool
}

// Gaps returns where a value differs in meaning from what a merge patch (RFC 7396) asks for. Members that the patch
// does not name are ignored, null asks for absence, arrays are sets, and meansSame compares the rest. It is for
// responses of the service, which chooses the order of arrays and adds members to their elements.
//
//go:noinline
func (r Rules) Gaps(now, ask jsonval.Value, path string) []Gap {
	return r.gapsBy(now, ask, path, func(now, ask jsonval.Value, _ string) bool { return r.sameSet(now, ask) })
}

// Changes returns what sending a merge patch would change. It compares arrays as a whole, as they are sent. An element
// that lacks a member is a change. So is another order, unless the array is known to be a set.
func (r Rules) Changes(now, ask jsonval.Value, path string) []Gap {
	return r.gapsBy(now, ask, path, r.sameSent)
}

// gapsBy is Gaps with a comparison of arrays by name.
func (r Rules) gapsBy(now, ask jsonval.Value, path string, sameArray func(now, ask jsonval.Value, name string) bool) (all []Gap) {
	switch ask.Kind() {
	case jsonval.None:
		return nil
	case jsonval.Object:
		if IsEmpty(ask) && IsEmpty(now) {
			return nil
		}
		if now.Kind() != jsonval.Object && !IsEmpty(now) {
			return []Gap{{path, now, ask}}
		}
		for name, v := range ask.Members() {
			all = append(all, r.gapsBy(now.Get(name), v, strings.TrimPrefix(path+"."+name, "."), sameArray)...)
		}
		return all
	case jsonval.Array:
		if sameArray(now, ask, path[strings.LastIndexByte(path, '.')+1:]) {
			return nil
		}
	default:
		if meansSame(now, ask) {
			return nil
		}
	}
	return []Gap{{path, now, ask}}
}

// sameSent reports whether replacing now by ask, under this name, changes nothing. Null, empty and absent are equal,
// and so are repeats in a set.
func (r Rules) sameSent(now, ask jsonval.Value, name string) bool {
	switch {
	case now.Kind() == jsonval.Array && ask.Kind() == jsonval.Array:
		a, b := r.elements(now), r.elements(ask)
		if slices.Contains(r.Sets, name) {
			covers := func(some, all []jsonval.Value) bool {
				return !slices.ContainsFunc(some, func(x jsonval.Value) bool {
					return !slices.ContainsFunc(all, func(y jsonval.Value) bool { return r.sameSent(x, y, "") })
				})
			}
			return covers(a, b) && covers(b, a)
		}
		return slices.EqualFunc(a, b, func(x, y jsonval.Value) bool { return r.sameSent(x, y, "") })
	case IsEmpty(now) || IsEmpty(ask):
		return IsEmpty(now) && IsEmpty(ask)
	case now.Kind() == jsonval.Object && ask.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{now, ask} {
			for k := range v.Members() {
				if !r.sameSent(now.Get(k), ask.Get(k), k) {
					return false
				}
			}
		}
		return true
	}
	return meansSame(now, ask)
}

// sameSet reports whether two arrays have the same elements, in any order and number. The service chooses the order,
// drops repeats, and adds members to objects.
func (r Rules) sameSet(now, ask jsonval.Value) bool {
	if IsEmpty(now) || IsEmpty(ask) {
		return len(r.elements(now)) == 0 && len(r.elements(ask)) == 0
	}
	if now.Kind() != jsonval.Array {
		return false
	}
	has, want := r.elements(now), r.elements(ask)
	covers := func(from, of []jsonval.Value, carries func(a, b jsonval.Value) bool) bool {
		for _, a := range from {
			found := false
			for _, b := range of {
				found = found || carries(a, b)
			}
			if !found {
				return false
			}
		}
		return true
	}
	return covers(want, has, func(a, h jsonval.Value) bool { return len(r.Gaps(h, a, "")) == 0 }) &&
		covers(has, want, func(h, a jsonval.Value) bool { return len(r.Gaps(h, a, "")) == 0 })
}

// elements returns the elements of an array that mean more than their absence.
func (r Rules) elements(v jsonval.Value) (all []jsonval.Value) {
	for e := range v.Elements() {
		if r.IsEmptyElement == nil || !r.IsEmptyElement(e) {
			all = append(all, e)
		}
	}
	return all
}

// meansSame compares two values that are not objects or arrays. Null, "" and absent are equal, space around a text is
// ignored, and times are compared as times.
func meansSame(a, b jsonval.Value) bool {
	if IsEmpty(a) || IsEmpty(b) {
		return IsEmpty(a) && IsEmpty(b)
	}
	if a.Kind() != jsonval.String || b.Kind() != jsonval.String {
		return a.Equal(b)
	}
	x, y := strings.TrimSpace(a.Str()), strings.TrimSpace(b.Str())
	if x == y {
		return true
	}
	t, ok := clock.ParseInstant(x)
	u, ok2 := clock.ParseInstant(y)
	return ok && ok2 && t == u
}
