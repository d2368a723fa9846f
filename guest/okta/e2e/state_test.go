package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
)

// TestPlan_State_IsTheTargetOfTheWrite, even if others are read after it. Other named objects are in related.
func TestPlan_State_IsTheTargetOfTheWrite(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	for _, c := range []struct {
		op, input      string
		state, related [2]string // a path in the object, and its value; empty if absent
	}{
		{"delete_group", `{"group":"<group Engineering>"}`, [2]string{"profile.name", "Engineering"}, [2]string{}},
		{"delete_group", `{"group":"Engineering"}`, [2]string{"profile.name", "Engineering"}, [2]string{}},
		{"update_group", `{"group":"Engineering","description":"z"}`, [2]string{"profile.name", "Engineering"}, [2]string{}},
		{"remove_group_member", `{"group":"<group Engineering>","user":"<member of Engineering>"}`, [2]string{"profile.name", "Engineering"}, [2]string{"id", "<member of Engineering>"}},
		{"add_group_member", `{"group":"Engineering","user":"alan.turing@example.com"}`, [2]string{"profile.name", "Engineering"}, [2]string{"profile.login", "alan.turing@example.com"}},
		{"deactivate_user", `{"user":"alan.turing@example.com"}`, [2]string{"profile.login", "alan.turing@example.com"}, [2]string{}},
		{"revoke_role", `{"group":"<group IT Operations>","type":"HELP_DESK_ADMIN"}`, [2]string{"profile.name", "IT Operations"}, [2]string{"type", "HELP_DESK_ADMIN"}},
		{"assign_role", `{"user":"<user ada>","type":"HELP_DESK_ADMIN"}`, [2]string{"profile.login", "ada.lovelace@example.com"}, [2]string{}},
		{"unassign_application_group", `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO"}`, [2]string{"id", "0oaGJxoM8LyCF3ytcwkO"}, [2]string{"id", "00gLFTnJJZSd570BcwkO"}},
		{"assign_application_user", `{"application":"0oaAZlG8lxcfcbMXcwkO","user":"<user ada>"}`, [2]string{"id", "0oaAZlG8lxcfcbMXcwkO"}, [2]string{"profile.login", "ada.lovelace@example.com"}},
		{"revoke_session", `{"user":"<user ada>"}`, [2]string{"profile.login", "ada.lovelace@example.com"}, [2]string{}},
		{"create_group", `{"name":"Engine"}`, [2]string{}, [2]string{}},
		{"assign_role", `{"user":"alan.turing@example.com","type":"HELP_DESK_ADMIN"}`, [2]string{"profile.login", "alan.turing@example.com"}, [2]string{}},
	} {
		res, err := w.Invoke(context.Background(), c.op, json.RawMessage(w.fill(t, c.input)), host.InvokeOptions{Plan: true})
		if err != nil || len(res.Plan.Writes) == 0 {
			t.Errorf("%s: %+v %+v", c.op, res.Error, res.Plan)
			continue
		}
		if c.state[0] == "" {
			if res.Plan.State != nil {
				t.Errorf("%s: %s", c.op, res.Plan.State)
			}
		} else if got := get(t, res.Plan.State, strings.Split(c.state[0], ".")...); got != c.state[1] {
			t.Errorf("%s: state %s", c.op, res.Plan.State)
		}
		if c.related[0] == "" {
			if res.Plan.Related != nil {
				t.Errorf("%s: related %s", c.op, res.Plan.Related)
			}
		} else if len(res.Plan.Related) != 1 || get(t, res.Plan.Related[0], strings.Split(c.related[0], ".")...) != w.fill(t, c.related[1]) {
			t.Errorf("%s: related %s", c.op, res.Plan.Related)
		}
	}
}

// TestPlan_StateOfAListElement_IsWithoutItsSecrets: an object that was read only in a list.
func TestPlan_StateOfAListElement_IsWithoutItsSecrets(t *testing.T) {
	w := world{Connection: bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/factors") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`[{"id":"ufs1","factorType":"sms"},{"id":"ost12345678901234567","factorType":"token:software:totp","profile":{"credentialId":"kept","sharedSecret":"JBSWY3DP"}}]`))
	}), abi.Classes()...)}
	res, err := w.Invoke(context.Background(), "reset_factor", json.RawMessage(`{"user":"00u12345678901234567","factor":"ost12345678901234567"}`), host.InvokeOptions{Plan: true})
	if err != nil || get(t, res.Plan.State, "profile", "credentialId") != "kept" || strings.Contains(string(res.Plan.State), "JBSWY3DP") || strings.Contains(string(res.Plan.State), "ufs1") {
		t.Errorf("%+v %s", res.Error, res.Plan.State)
	}
}
