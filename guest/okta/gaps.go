package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// gap is a member that is not as it was asked for.
type gap struct {
	path     string // members joined by dots
	has, ask jsonval.Value
}

func (g gap) String() string {
	has := "absent"
	if g.has.Exists() {
		has = shortened(g.has.Raw())
	}
	ask := "to be gone"
	if g.ask.Exists() && g.ask.Kind() != jsonval.Null {
		ask = shortened(g.ask.Raw())
	}
	return g.path + " is " + has + ", and was to be " + strings.TrimPrefix(ask, "to be ")
}

// comparison is how a value is compared with what a merge patch asks for: gaps for what Okta answers, changes for what is to
// be sent.
type comparison func(now, ask jsonval.Value, path string) []gap

// gaps returns where a value is not as a merge patch (RFC 7396) asks for it, compared by meaning: what is not named may be
// anything, null asks for nothing to be there, arrays are sets, and meansSame holds for the rest. It is for what Okta answers:
// Okta orders by itself, and adds members to the elements of arrays.
func gaps(now, ask jsonval.Value, path string) []gap {
	return gapsBy(now, ask, path, func(now, ask jsonval.Value, _ string) bool { return sameSet(now, ask) })
}

// changes returns what sending a merge patch would change. It is gaps with the arrays compared as they are sent, as a whole: an
// element without a member that it has now is a change, and so is another order of an array that is not known to be a set.
func changes(now, ask jsonval.Value, path string) []gap { return gapsBy(now, ask, path, sameSent) }

// gapsBy is gaps with a comparison of arrays of a name.
func gapsBy(now, ask jsonval.Value, path string, sameArray func(now, ask jsonval.Value, name string) bool) (all []gap) {
	switch ask.Kind() {
	case jsonval.None:
		return nil
	case jsonval.Object:
		if hollow(ask) && hollow(now) {
			return nil
		}
		if now.Kind() != jsonval.Object && !hollow(now) {
			return []gap{{path, now, ask}}
		}
		for name, v := range ask.Members() {
			all = append(all, gapsBy(now.Get(name), v, strings.TrimPrefix(path+"."+name, "."), sameArray)...)
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
	return []gap{{path, now, ask}}
}

// sets are the arrays that Okta keeps as sets, by name: it has been recorded to answer them in an order of its own
// (okta/terraform-provider-okta, policies, their rules, authorization servers and network zones).
var sets = []string{"include", "exclude", "methods", "grantTypes", "authenticators", "locations", "asns"}

// sameSent reports whether sending a value of a name in the place of another changes nothing. Null, empty and absent are one,
// and repeats in a set are, too.
func sameSent(now, ask jsonval.Value, name string) bool {
	switch {
	case now.Kind() == jsonval.Array && ask.Kind() == jsonval.Array:
		a, b := elements(now), elements(ask)
		if slices.Contains(sets, name) {
			covers := func(some, all []jsonval.Value) bool {
				return !slices.ContainsFunc(some, func(s jsonval.Value) bool {
					return !slices.ContainsFunc(all, func(e jsonval.Value) bool { return sameSent(s, e, "") })
				})
			}
			return covers(a, b) && covers(b, a)
		}
		return slices.EqualFunc(a, b, func(x, y jsonval.Value) bool { return sameSent(x, y, "") })
	case hollow(now) || hollow(ask):
		return hollow(now) && hollow(ask)
	case now.Kind() == jsonval.Object && ask.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{now, ask} {
			for k := range v.Members() {
				if !sameSent(now.Get(k), ask.Get(k), k) {
					return false
				}
			}
		}
		return true
	}
	return meansSame(now, ask)
}

// sameSet reports whether two arrays have the same elements, however often and in which order: Okta orders by itself, drops
// repeats, and adds members to objects.
func sameSet(now, ask jsonval.Value) bool {
	if hollow(now) || hollow(ask) {
		return len(elements(now)) == 0 && len(elements(ask)) == 0
	}
	if now.Kind() != jsonval.Array {
		return false
	}
	has, want := elements(now), elements(ask)
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
	return covers(want, has, func(a, h jsonval.Value) bool { return len(gaps(h, a, "")) == 0 }) &&
		covers(has, want, func(h, a jsonval.Value) bool { return len(gaps(h, a, "")) == 0 })
}

// elements are those of an array that say something. An authenticator that nobody may enrol is as good as none: Okta adds all
// that the org has to the settings of a policy.
func elements(v jsonval.Value) (all []jsonval.Value) {
	for e := range v.Elements() {
		if e.Get("enroll", "self").Str() != "NOT_ALLOWED" {
			all = append(all, e)
		}
	}
	return all
}

// meansSame compares two values that are no objects or arrays: null, "" and absent are one, space around a text does not
// count, and times are compared as times.
func meansSame(a, b jsonval.Value) bool {
	if hollow(a) || hollow(b) {
		return hollow(a) && hollow(b)
	}
	if a.Kind() != jsonval.String || b.Kind() != jsonval.String {
		return a.Equal(b)
	}
	x, y := strings.TrimSpace(a.Str()), strings.TrimSpace(b.Str())
	if x == y {
		return true
	}
	t, ok := parseInstant(x)
	u, ok2 := parseInstant(y)
	return ok && ok2 && t == u
}

// profileGaps is gaps of the profile of a user that Okta answered. It takes a login and an address in either case for the same,
// and may answer the one that it had.
func profileGaps(now, ask jsonval.Value) (all []gap) {
	for _, g := range gaps(now, ask, "profile") {
		switch g.path {
		case "profile.login", "profile.email", "profile.secondEmail":
			if strings.EqualFold(strings.TrimSpace(g.has.Str()), strings.TrimSpace(g.ask.Str())) {
				continue
			}
		}
		all = append(all, g)
	}
	return all
}

// notAsAsked is a write that Okta took, and whose answer is not what was asked for. Reading on for a while may find it, since
// what Okta answers can lag behind. Else the outcome is rejected: a repeat would change nothing. output has what there is
// now, and changed says whether anything became different.
func (c *call) notAsAsked(what string, missing []gap, look func() (reading, result), output string, changed bool) result {
	if look != nil {
		if is, r := c.settle(look, laggingTime); is == holds {
			r.outcome = abi.Succeeded
			return r
		}
	}
	var texts []string
	for _, g := range missing {
		texts = append(texts, g.String())
	}
	r := fail(abi.Rejected, "not_as_asked", what+": Okta took the request, and did not do all of it: "+strings.Join(texts, "; ")+
		". Okta may not allow this value here, or another setting may decide it")
	r.output = output
	c.wrote = c.wrote || changed
	return r
}
