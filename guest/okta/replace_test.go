package okta

import (
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/internal/openapi"
)

// TestWholes_ReadOnlyMembers_AreListed compares the tables of replacing endpoints with Okta's document. A read-only
// member must be omitted, sent as it was read, or refused.
func TestWholes_ReadOnlyMembers_AreListed(t *testing.T) {
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
				t.Errorf("%s: %s is read-only, but not in the table", w.Put, m)
			}
		}
	}
}

// TestWholes_EveryPut_IsListed: each operation that replaces an object has a table of its special members.
func TestWholes_EveryPut_IsListed(t *testing.T) {
	known := []string{putGroupMember.Endpoint} // PUTs without a body
	for _, e := range targetChanges("PUT") {
		known = append(known, e.Endpoint)
	}
	for _, w := range []replace.Whole{wholePolicy, wholeZone, wholeGroup, wholeUser, wholeAppGroup} {
		known = append(known, w.Put)
	}
	for _, op := range operations() {
		for _, e := range op.Endpoints {
			if e.Method() == "PUT" && !slices.Contains(known, e.Endpoint) {
				t.Errorf("%s: %s is not in a table", op.Name, e.Endpoint)
			}
		}
	}
}
