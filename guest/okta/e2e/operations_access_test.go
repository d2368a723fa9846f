package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// listed returns the records of a list.
func listed(t *testing.T, res *abi.Result) []json.RawMessage {
	t.Helper()
	var list struct{ Records []json.RawMessage }
	if err := json.Unmarshal(res.Output, &list); err != nil {
		t.Fatal(err)
	}
	return list.Records
}

// twice invokes an operation that must succeed, and invokes it again: the repeat must change nothing and send no write.
func (w world) twice(t *testing.T, op, input string) *abi.Result {
	t.Helper()
	effects := w.org.Effects()
	res := w.do(t, abi.Succeeded, op, input)
	if w.org.Effects() == effects {
		t.Errorf("%s %s did nothing", op, input)
	}
	effects, writes := w.org.Effects(), w.org.Writes()
	w.do(t, abi.Unchanged, op, input)
	if w.org.Effects() != effects || w.org.Writes() != writes {
		t.Errorf("%s %s: the repeat sent a write", op, input)
	}
	return res
}

func TestFactors_ListedAndReset_ChangeOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	const ada = `"user":"ada.lovelace@example.com"`
	all := listed(t, w.do(t, abi.Succeeded, "list_factors", `{`+ada+`}`))
	if len(all) < 5 {
		t.Fatalf("%d factors", len(all))
	}
	kinds := map[string]int{}
	ids := map[string]string{}
	for _, f := range all {
		kinds[get(t, f, "factorType")]++
		ids[get(t, f, "factorType")] = get(t, f, "id")
	}
	w.do(t, abi.NotFound, "list_factors", `{"user":"nobody@example.com"}`)
	for kind, n := range kinds {
		if n > 1 {
			if res := w.do(t, abi.Rejected, "reset_factor", `{`+ada+`,"factor":"`+kind+`"}`); res.Error.Code != "ambiguous" {
				t.Errorf("%+v", res.Error)
			}
		} else if kind == "sms" {
			w.twice(t, "reset_factor", `{`+ada+`,"factor":"sms"}`)
		}
	}
	w.do(t, abi.Succeeded, "reset_factor", `{`+ada+`,"factor":"`+ids["webauthn"]+`"}`)
	w.do(t, abi.Unchanged, "reset_factor", `{`+ada+`,"factor":"`+ids["webauthn"]+`"}`)
	w.do(t, abi.NotFound, "reset_factor", `{"user":"nobody@example.com","factor":"sms"}`)
	w.do(t, abi.Invalid, "reset_factor", `{`+ada+`}`)
}

func TestSessions_ReadAndRevoked_ChangeOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	ids := w.org.Sessions()
	if len(ids) < 2 {
		t.Fatalf("%d sessions", len(ids))
	}
	session := get(t, ids[0], "id")
	if res := w.do(t, abi.Succeeded, "lookup_session", `{"session":"`+session+`"}`); get(t, res.Output, "id") != session {
		t.Errorf("%s", res.Output)
	}
	w.twice(t, "revoke_session", `{"session":"`+session+`"}`)
	w.do(t, abi.NotFound, "lookup_session", `{"session":"`+session+`"}`)
	user := get(t, ids[1], "userId")
	w.do(t, abi.Succeeded, "revoke_session", `{"user":"`+user+`","oauth_tokens":true}`)
	if in := w.org.SignIns(user); len(in.Sessions) != 0 {
		t.Errorf("%+v", in)
	}
	w.do(t, abi.NotFound, "revoke_session", `{"user":"nobody@example.com"}`)
	for _, input := range []string{`{}`, `{"session":"x","user":"y"}`, `{"session":"x","oauth_tokens":true}`} {
		w.do(t, abi.Invalid, "revoke_session", input)
	}
}

func TestDevices_EachAction_ChangesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	all := listed(t, w.do(t, abi.Succeeded, "list_devices", `{"page_size":3}`))
	if len(all) != len(w.org.Devices()) {
		t.Fatalf("%d devices of %d", len(all), len(w.org.Devices()))
	}
	of := map[string]string{}
	for _, d := range all {
		of[get(t, d, "status")] = get(t, d, "id")
	}
	if of["ACTIVE"] == "" {
		t.Fatalf("no active device: %v", of)
	}
	device := `{"device":"` + of["ACTIVE"] + `"`
	if res := w.do(t, abi.Succeeded, "lookup_device", device+`}`); get(t, res.Output, "id") != of["ACTIVE"] {
		t.Errorf("%s", res.Output)
	}
	for _, step := range []string{"suspend", "unsuspend", "deactivate"} {
		w.twice(t, "device_lifecycle_action", device+`,"action":"`+step+`"}`)
	}
	w.do(t, abi.Rejected, "device_lifecycle_action", device+`,"action":"suspend"}`)
	w.twice(t, "device_lifecycle_action", device+`,"action":"activate"}`)
	res := w.twice(t, "device_lifecycle_action", device+`,"action":"delete"}`) // both steps
	if get(t, res.Output, "before") != "ACTIVE" || get(t, res.Output, "after") != "DELETED" {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.NotFound, "lookup_device", device+`}`)
	w.do(t, abi.NotFound, "device_lifecycle_action", `{"device":"guonosuchdevice00000","action":"suspend"}`)
	w.do(t, abi.Invalid, "device_lifecycle_action", device+`,"action":"wipe"}`)
	if n := len(listed(t, w.do(t, abi.Succeeded, "list_user_devices", `{"user":"`+w.org.UserIDs()[1]+`"}`))); n == 0 {
		t.Log("the user has no device")
	}
	w.do(t, abi.NotFound, "list_user_devices", `{"user":"nobody@example.com"}`)
	w.do(t, abi.Rejected, "list_devices", `{"search":"nonsense"}`)
}

func TestDevices_ClassicOrg_AreRejected(t *testing.T) {
	w := newWorld(t, oktatest.Config{Engine: "v1"})
	for _, op := range []string{"list_devices", "list_authenticators"} {
		if res := w.do(t, abi.Rejected, op, `{}`); res.Error.Code != "feature" || !strings.Contains(res.Error.Message, "Identity Engine") {
			t.Errorf("%s: %+v", op, res.Error)
		}
	}
}

func TestAuthorizationServers_AndTheirParts_AreRead(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	servers := listed(t, w.do(t, abi.Succeeded, "list_authorization_servers", `{}`))
	if len(servers) != len(w.org.AuthorizationServers()) {
		t.Errorf("%d servers", len(servers))
	}
	for _, op := range []string{"list_scopes", "list_claims"} {
		if len(listed(t, w.do(t, abi.Succeeded, op, `{"authorization_server":"default"}`))) == 0 {
			t.Errorf("%s: none", op)
		}
		w.do(t, abi.NotFound, op, `{"authorization_server":"ausnosuchserver00000"}`)
	}
	w.do(t, abi.Succeeded, "list_oauth_clients", `{"authorization_server":"default"}`)
	clients := w.do(t, abi.Succeeded, "list_oauth_clients", `{}`)
	if len(listed(t, clients)) != len(w.org.Clients()) {
		t.Errorf("%d clients", len(listed(t, clients)))
	}
	for _, c := range listed(t, clients) {
		if get(t, c, "client_secret") != "" {
			t.Error("a client secret is in the output")
		}
	}
	none := newWorld(t, oktatest.Config{NoAPIAccessManagement: true})
	if res := none.do(t, abi.Rejected, "list_authorization_servers", `{}`); res.Error.Code != "feature" {
		t.Errorf("%+v", res.Error)
	}
	if len(listed(t, w.do(t, abi.Succeeded, "list_authenticators", `{}`))) == 0 {
		t.Error("no authenticators")
	}
}

func TestCustomRoles_NextLinkInTheBody_IsFollowed(t *testing.T) {
	w := newWorld(t, oktatest.Config{CustomRoles: 7, MaxPageSize: 3})
	var ids []string
	for _, r := range listed(t, w.do(t, abi.Succeeded, "list_roles", `{}`)) {
		ids = append(ids, get(t, r, "id"))
	}
	want, _ := w.org.CustomRoles()
	if len(want) != 7 || !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	if res := w.do(t, abi.Succeeded, "get_role", `{"role":"`+want[0]+`"}`); get(t, res.Output, "id") != want[0] {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.NotFound, "get_role", `{"role":"no such role"}`)
}
