package e2e_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/openapi"
)

// adminCases are the writes that grant or revoke administrator roles through a group.
var adminCases = []struct{ op, input string }{
	{"add_group_member", `{"group":"Engineering","user":"alan.turing@example.com"}`},
	{"remove_group_member", `{"group":"<group Engineering>","user":"<member of Engineering>"}`},
	{"delete_group", `{"group":"Engineering"}`},
	{"create_user", `{"profile":{"login":"mira@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"},"credentials":{"password":{"value":"Correct horse battery 9"}},"group_ids":["<group Équipe Ventes>","<group Engineering>"]}`},
}

// adminWorld returns an org whose group Engineering has a role, and a connection with the given grants.
func adminWorld(t *testing.T, cfg oktatest.Config, grants ...abi.Class) world {
	t.Helper()
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(cfg)
	handler := judge.Middleware(t, withToken(org))
	w := world{bound(t, handler, abi.Classes()...), org}
	w.do(t, abi.Succeeded, "assign_role", `{"group":"Engineering","type":"SUPER_ADMIN"}`)
	return world{bound(t, handler, grants...), org}
}

// TestAdminGroup_Change_NeedsPrivileged: any change that grants a role is privileged.
func TestAdminGroup_Change_NeedsPrivileged(t *testing.T) {
	for _, c := range adminCases {
		t.Run(c.op, func(t *testing.T) {
			w := adminWorld(t, oktatest.Config{}, abi.Read, abi.Write, abi.Destructive)
			input := w.fill(t, c.input)
			meant := strings.Replace(input, "{", `{"admin_group":true,`, 1)
			effects := w.org.Effects()
			res := w.do(t, abi.Rejected, c.op, input)
			if res.Error.Code != "admin_group" || res.Error.Retryable || !strings.Contains(res.Error.Message, "SUPER_ADMIN") || !strings.Contains(res.Error.Message, `"admin_group":true`) {
				t.Errorf("%+v", res.Error)
			}
			if res := w.do(t, abi.Denied, c.op, meant); res.Meta.Class != abi.Privileged {
				t.Errorf("class %s", res.Meta.Class)
			}
			w.do(t, abi.Rejected, c.op, strings.Replace(input, "{", `{"admin_group":false,`, 1))
			if w.org.Effects() != effects {
				t.Fatalf("%d effects", w.org.Effects()-effects)
			}
			w.Connection = bound(t, withToken(w.org), abi.Read, abi.Privileged)
			w.do(t, abi.Succeeded, c.op, meant)
			if w.org.Effects() == effects {
				t.Error("nothing was done")
			}
		})
	}
}

// TestAdminGroup_NoChange_IsUnchanged: if nothing is granted or revoked, no confirmation is needed.
func TestAdminGroup_NoChange_IsUnchanged(t *testing.T) {
	var okta hosttest.Clock
	okta.Set(stillAt())
	w := adminWorld(t, oktatest.Config{Now: okta.Now}, abi.Read, abi.Write, abi.Destructive)
	w.do(t, abi.Unchanged, "add_group_member", w.fill(t, `{"group":"Engineering","user":"<member of Engineering>"}`))
	w.do(t, abi.Unchanged, "remove_group_member", `{"group":"Engineering","user":"alan.turing@example.com"}`)
	roles := w.org.Count("GET /api/v1/groups/{groupId}/roles")
	if roles != 1 { // by assign_role
		t.Errorf("%d reads of roles", roles)
	}
}

// TestAdminGroup_TokenWithoutRoleReads_ChangesMembers: Okta lets only super administrators change such groups, and they
// may read roles.
func TestAdminGroup_TokenWithoutRoleReads_ChangesMembers(t *testing.T) {
	const roles = "GET /api/v1/groups/{groupId}/roles"
	for name, cfg := range map[string]oktatest.Config{"forbidden": {Forbid: []string{roles}}, "no such feature": {Unavailable: []string{roles}}} {
		t.Run(name, func(t *testing.T) {
			for _, c := range adminCases {
				w := newWorld(t, cfg)
				w.do(t, abi.Succeeded, c.op, w.fill(t, c.input))
			}
		})
	}
	// A failure that says nothing about permission must stop the write.
	for _, c := range adminCases {
		w := newWorld(t, oktatest.Config{})
		w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: 500, Path: "/api/v1/groups/{groupId}/roles"})
		effects := w.org.Effects()
		res, _ := w.Invoke(context.Background(), c.op, json.RawMessage(w.fill(t, c.input)))
		if res.Outcome != abi.Unavailable || !res.Error.Retryable || w.org.Effects() != effects {
			t.Errorf("%s: %s %+v, %d effects", c.op, res.Outcome, res.Error, w.org.Effects()-effects)
		}
	}
}
