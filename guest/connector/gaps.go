package connector

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Gap is a member that is not as it was asked for.
type Gap struct {
	Path     string // members joined by dots
	Has, Ask jsonval.Value
}

func (g Gap) String() string {
	has := "absent"
	if g.Has.Exists() {
		has = Shorten(g.Has.Raw())
	}
	ask := "to be gone"
	if g.Ask.Exists() && g.Ask.Kind() != jsonval.Null {
		ask = Shorten(g.Ask.Raw())
	}
	return g.Path + " is " + has + ", and was to be " + strings.TrimPrefix(ask, "to be ")
}

// Comparison is how a value is compared with what a merge patch asks for: gaps for what the service answers, changes for what is to
// be sent.
type Comparison func(now, ask jsonval.Value, path string) []Gap

// Gaps returns where a value is not as a merge patch (RFC 7396) asks for it, compared by meaning: what is not named may be
// anything, null asks for nothing to be there, arrays are sets, and meansSame holds for the rest. It is for what the service answers:
// the service orders by itself, and adds members to the elements of arrays.
//
//go:noinline
func (s *Service) Gaps(now, ask jsonval.Value, path string) []Gap {
	return s.gapsBy(now, ask, path, func(now, ask jsonval.Value, _ string) bool { return s.sameSet(now, ask) })
}

// Changes returns what sending a merge patch would change. It is gaps with the arrays compared as they are sent, as a whole: an
// element without a member that it has now is a change, and so is another order of an array that is not known to be a set.
func (s *Service) Changes(now, ask jsonval.Value, path string) []Gap {
	return s.gapsBy(now, ask, path, s.sameSent)
}

// gapsBy is gaps with a comparison of arrays of a name.
func (s *Service) gapsBy(now, ask jsonval.Value, path string, sameArray func(now, ask jsonval.Value, name string) bool) (all []Gap) {
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
			all = append(all, s.gapsBy(now.Get(name), v, strings.TrimPrefix(path+"."+name, "."), sameArray)...)
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

// sameSent reports whether sending a value of a name in the place of another changes nothing. Null, empty and absent are one,
// and repeats in a set are, too.
func (s *Service) sameSent(now, ask jsonval.Value, name string) bool {
	switch {
	case now.Kind() == jsonval.Array && ask.Kind() == jsonval.Array:
		a, b := s.elements(now), s.elements(ask)
		if slices.Contains(s.Sets, name) {
			covers := func(some, all []jsonval.Value) bool {
				return !slices.ContainsFunc(some, func(x jsonval.Value) bool {
					return !slices.ContainsFunc(all, func(y jsonval.Value) bool { return s.sameSent(x, y, "") })
				})
			}
			return covers(a, b) && covers(b, a)
		}
		return slices.EqualFunc(a, b, func(x, y jsonval.Value) bool { return s.sameSent(x, y, "") })
	case IsEmpty(now) || IsEmpty(ask):
		return IsEmpty(now) && IsEmpty(ask)
	case now.Kind() == jsonval.Object && ask.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{now, ask} {
			for k := range v.Members() {
				if !s.sameSent(now.Get(k), ask.Get(k), k) {
					return false
				}
			}
		}
		return true
	}
	return meansSame(now, ask)
}

// sameSet reports whether two arrays have the same elements, however often and in which order: the service orders by itself, drops
// repeats, and adds members to objects.
func (s *Service) sameSet(now, ask jsonval.Value) bool {
	if IsEmpty(now) || IsEmpty(ask) {
		return len(s.elements(now)) == 0 && len(s.elements(ask)) == 0
	}
	if now.Kind() != jsonval.Array {
		return false
	}
	has, want := s.elements(now), s.elements(ask)
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
	return covers(want, has, func(a, h jsonval.Value) bool { return len(s.Gaps(h, a, "")) == 0 }) &&
		covers(has, want, func(h, a jsonval.Value) bool { return len(s.Gaps(h, a, "")) == 0 })
}

// elements are those of an array that say something. An authenticator that nobody may enrol is as good as none: the service adds all
// that the org has to the settings of a policy.
func (s *Service) elements(v jsonval.Value) (all []jsonval.Value) {
	for e := range v.Elements() {
		if s.IsEmptyElement == nil || !s.IsEmptyElement(e) {
			all = append(all, e)
		}
	}
	return all
}

// meansSame compares two values that are no objects or arrays: null, "" and absent are one, space around a text does not
// count, and times are compared as times.
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
	t, ok := ParseInstant(x)
	u, ok2 := ParseInstant(y)
	return ok && ok2 && t == u
}

// RejectGaps returns the result of a successful write whose answer is not what was asked for. It reads on for a while, since
// what the service answers can lag behind. Else the outcome is rejected: a repeat would change nothing. output has what there is
// now, and changed says whether anything became different.
func (c *Call) RejectGaps(what string, missing []Gap, look func() (Reading, Result), output string, changed bool) Result {
	if look != nil {
		if is, r := c.Settle(look, LaggingTime); is == Holds {
			r.Outcome = abi.Succeeded
			return r
		}
	}
	var texts []string
	for _, g := range missing {
		texts = append(texts, g.String())
	}
	r := Fail(abi.Rejected, "not_as_asked", what+": "+c.Service.Name+" took the request, and did not do all of it: "+strings.Join(texts, "; ")+
		". "+c.Service.Name+" may not allow this value here, or another setting may decide it")
	r.Output = output
	c.Wrote = c.Wrote || changed
	return r
}
