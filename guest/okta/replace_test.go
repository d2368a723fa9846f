package okta

import (
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/internal/openapi"
)

// TestWholes_KnowWhatOktaCallsReadOnly holds the tables of the endpoints that replace a whole against Okta's document: what it
// calls read-only is not sent, is sent as it was read, or is refused.
func TestWholes_KnowWhatOktaCallsReadOnly(t *testing.T) {
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []replace.Whole{wholePolicy, wholeZone, wholeGroup, wholeUser, wholeAppGroup} {
		members, err := judge.ReadOnly(w.Put)
		if err != nil {
			t.Fatal(err)
		}
		if w.Only == nil && len(members) == 0 {
			t.Errorf("%s has no read-only members", w.Put)
		}
		for _, m := range members {
			top, _, _ := strings.Cut(m, ".")
			_, refused := w.Elsewhere[m]
			sent := w.Only == nil || slices.Contains(w.Only, top)
			if sent && !refused && !slices.Contains(w.Own, top) && !slices.Contains(w.Kept, top) {
				t.Errorf("%s: %s is read-only, and the table does not know it", w.Put, m)
			}
		}
	}
}

// TestEveryPut_IsInATable: an operation that replaces a whole knows what is special about its members.
func TestEveryPut_IsInATable(t *testing.T) {
	known := []string{putGroupMember.Endpoint} // which has no body
	for _, w := range []replace.Whole{wholePolicy, wholeZone, wholeGroup, wholeUser, wholeAppGroup} {
		known = append(known, w.Put)
	}
	for _, op := range operations() {
		for _, e := range op.Endpoints {
			if e.Method() == "PUT" && !slices.Contains(known, e.Endpoint) {
				t.Errorf("%s: %s is in no table", op.Name, e.Endpoint)
			}
		}
	}
}
