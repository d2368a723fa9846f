package e2e_test

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestRevokeRole_EachPrincipal_RevokesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	group, client := get(t, w.org.Groups()[1], "id"), get(t, w.org.Clients()[0], "client_id")
	for _, who := range []string{`"user":"alan.turing@example.com"`, `"group":"` + group + `"`, `"client":"` + client + `"`} {
		input := `{` + who + `,"type":"APP_ADMIN"}`
		given := w.do(t, abi.Succeeded, "assign_role", input)
		id := get(t, given.Output, "id")
		w.do(t, abi.Succeeded, "get_role", `{`+who+`,"role":"`+id+`"}`)
		res := w.do(t, abi.Succeeded, "revoke_role", input)
		if get(t, res.Output, "before", "id") != id || !strings.HasSuffix(string(res.Output), `"after":null}`) {
			t.Errorf("%s", res.Output)
		}
		effects, writes := w.org.Effects(), w.org.Writes()
		w.do(t, abi.Unchanged, "revoke_role", input)
		w.do(t, abi.Unchanged, "revoke_role", `{`+who+`,"role_assignment":"`+id+`"}`)
		if w.org.Effects() != effects || w.org.Writes() != writes {
			t.Error("a repeat wrote")
		}
		w.do(t, abi.NotFound, "get_role", `{`+who+`,"role":"`+id+`"}`)
		w.do(t, abi.Succeeded, "assign_role", input)
		w.do(t, abi.Succeeded, "revoke_role", `{`+who+`,"role_assignment":"`+id+`"}`)
	}
	w.do(t, abi.NotFound, "revoke_role", `{"user":"nobody@example.com","type":"APP_ADMIN"}`)
	w.do(t, abi.NotFound, "revoke_role", `{"group":"00gnosuchgroup000000","type":"APP_ADMIN"}`)
	for _, input := range []string{`{"type":"APP_ADMIN"}`, `{"user":"a","group":"b","type":"APP_ADMIN"}`, `{"user":"a"}`, `{"user":"a","type":"APP_ADMIN","role_assignment":"b"}`, `{"user":"a","type":"CUSTOM"}`} {
		w.do(t, abi.Invalid, "revoke_role", input)
	}
}

func TestRevokeRole_ThroughAGroup_IsRejected(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	for _, g := range w.org.Groups()[1:] { // a group with the role, and one of its members
		id := get(t, g, "id")
		roles := w.do(t, abi.Succeeded, "list_roles", `{"group":"`+id+`"}`)
		if !strings.Contains(string(roles.Output), "HELP_DESK_ADMIN") {
			continue
		}
		members := w.do(t, abi.Succeeded, "inventory_export", `{"kinds":["group_members"]}`)
		_, user, ok := strings.Cut(string(members.Output), `"id":"`+id+`/`)
		if !ok {
			t.Fatal("the group has no members")
		}
		user, _, _ = strings.Cut(user, `"`)
		res := w.do(t, abi.Rejected, "revoke_role", `{"user":"`+user+`","type":"HELP_DESK_ADMIN"}`)
		if res.Error.Code != "through_group" || !strings.Contains(res.Error.Message, id) || w.org.Writes() != 0 {
			t.Errorf("%+v", res.Error)
		}
		return
	}
	t.Fatal("no group has the role")
}

func TestListRolesAndClients_OfEachKind_AreComplete(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	w.do(t, abi.Succeeded, "list_roles", `{"user":"ada.lovelace@example.com"}`)
	w.do(t, abi.NotFound, "list_roles", `{"user":"nobody@example.com"}`)
	w.do(t, abi.NotFound, "list_roles", `{"client":"0oanosuchclient000000"}`)
	w.do(t, abi.Invalid, "list_roles", `{"user":"a","group":"b"}`)
	clients := w.do(t, abi.Succeeded, "list_oauth_clients", `{"limit":2}`)
	rest := w.do(t, abi.Succeeded, "list_oauth_clients", `{"limit":2,"cursor":"`+clients.NextCursor+`"}`)
	if n := clients.Meta.Records + rest.Meta.Records; n != len(w.org.Clients()) || rest.NextCursor != "" {
		t.Errorf("%d clients of %d", n, len(w.org.Clients()))
	}
	w.do(t, abi.Invalid, "list_oauth_clients", `{"q":"a","authorization_server":"b"}`)
}
