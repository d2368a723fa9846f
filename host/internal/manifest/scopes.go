package manifest

import (
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/credential"
)

// Scopes returns the OAuth scopes for the requests that a call of a class may send. An endpoint with several scopes
// needs one of them: that is one that another endpoint needs anyway, or its first.
func (op *Operation) Scopes(class abi.Class) (s credential.Scopes) {
	for _, alternatives := range []bool{false, true} {
		for i := range op.Endpoints {
			e := &op.Endpoints[i]
			if len(e.Scopes) == 0 || len(e.Scopes) > 1 != alternatives || !op.mayUse(e, class) {
				continue
			}
			to := &s.Required
			if e.Optional {
				to = &s.Optional
			}
			if !slices.ContainsFunc(e.Scopes, func(scope string) bool { return slices.Contains(s.Required, scope) || slices.Contains(*to, scope) }) {
				*to = append(*to, e.Scopes[0])
			}
		}
	}
	s.Optional = slices.DeleteFunc(s.Optional, func(scope string) bool { return slices.Contains(s.Required, scope) })
	slices.Sort(s.Required)
	slices.Sort(s.Optional)
	return s
}

// AllScopes returns the scopes that calls of these classes may need, optional ones included, sorted.
func (m *Manifest) AllScopes(classes []abi.Class) (all []string) {
	for _, op := range m.byName {
		for _, class := range op.Classes() {
			if slices.Contains(classes, class) {
				s := op.Scopes(class)
				all = append(append(all, s.Required...), s.Optional...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Lacks returns the scopes that a client with these granted scopes lacks for the operation, in the class for which it
// lacks the fewest. allowed reports whether one of the classes of the operation is granted.
func (op *Operation) Lacks(classes []abi.Class, granted []string) (missing []string, allowed bool) {
	for _, class := range op.Classes() {
		if !slices.Contains(classes, class) {
			continue
		}
		s := op.Scopes(class)
		lacks := slices.DeleteFunc(slices.Clone(s.Required), func(scope string) bool { return slices.Contains(granted, scope) })
		if len(s.Required) == 0 && !slices.ContainsFunc(s.Optional, func(scope string) bool { return slices.Contains(granted, scope) }) {
			lacks = s.Optional
		}
		if !allowed || len(lacks) < len(missing) {
			missing, allowed = lacks, true
		}
	}
	return missing, allowed
}

// mayUse reports whether a call of a class may send some request to an endpoint: see Grant.
func (op *Operation) mayUse(e *abi.Endpoint, class abi.Class) bool {
	classes := []abi.Class{op.ClassOf(*e)}
	for _, r := range e.ClassRules {
		classes = append(classes, r.Class)
	}
	return class.Allows(e.Method()) && slices.ContainsFunc(classes, func(c abi.Class) bool { return c == abi.Read || c == abi.ClassOfInput || c == class })
}
