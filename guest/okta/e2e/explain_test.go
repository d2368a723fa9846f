package e2e_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestInvoke_InvalidInput_SaysWhatToWrite without terms of JSON Schema.
func TestInvoke_InvalidInput_SaysWhatToWrite(t *testing.T) {
	conn := hosttest.Connect(t, hosttest.Connector.Module(t), host.Config{BaseURL: "https://example.okta.com", Grants: abi.Classes()}, host.ConnectOptions{})
	for _, c := range []struct{ op, input, want string }{
		{"list_users", `{"q":"a","status":"ACTIVE"}`, "q excludes status, filter, include_deprovisioned and cursor; include_deprovisioned excludes status and filter"},
		{"list_users", `{"include_deprovisioned":true,"filter":"x"}`, "q excludes status, filter, include_deprovisioned and cursor; include_deprovisioned excludes status and filter"},
		{"list_groups", `{"q":"a","filter":"x"}`, "q excludes filter and cursor"},
		{"revoke_session", `{"session":"1","user":"a"}`, "give exactly one of session and user; oauth_tokens and forget_devices need user"},
		{"revoke_session", `{}`, "give exactly one of session and user; oauth_tokens and forget_devices need user"},
		{"revoke_session", `{"session":"1","oauth_tokens":true}`, "give exactly one of session and user; oauth_tokens and forget_devices need user"},
		{"update_user", `{"user":"a"}`, "give at least one of profile, credentials, type and realm; replace needs profile"},
		{"user_lifecycle_action", `{"user":"a","action":"unlock","send_email":true}`, "send_email is only for activate, deactivate and reset_password; revoke_sessions only for expire_password_with_temp_password and reset_password"},
		{"search_users", `{"search":"x","sort_order":"asc"}`, "sort_order needs sort_by"},
		{"bounded_system_log_range", `{"since":"2026-01-01","until":"2026-01-02T00:00:00Z"}`, `since: "2026-01-01" is not a valid time: write it as in RFC 3339, such as 2026-01-31T09:00:00Z`},
		{"lookup_device", `{"device":"CORP\\ada"}`, `device: "CORP\\ada" has characters that it cannot have: give the device's id`},
		{"create_group", `{"name":"x","profile":{"name":"y","description":"z"}}`, "profile.description: not allowed here; profile.name: not allowed here"},
		{"lookup_user", `{}`, "missing property 'user'"},
		{"lookup_user", `{"user":"a","expnd":"blocks"}`, "additional properties 'expnd' not allowed (did you mean expand?)"},
		{"lookup_user", `{"user":7}`, "user: got number, want string"},
	} {
		res, err := conn.Invoke(context.Background(), c.op, json.RawMessage(c.input))
		if err == nil || res.Outcome != abi.Invalid {
			t.Errorf("%s %s: %s", c.op, c.input, res.Outcome)
			continue
		}
		if want := c.want + ". wasm-runner describe " + c.op + " shows the input"; res.Error.Message != want {
			t.Errorf("%s %s: %s\nwant %s", c.op, c.input, res.Error.Message, want)
		}
		if strings.Contains(res.Error.Message, "failed") || strings.Contains(res.Error.Message, "Of") {
			t.Errorf("%s has terms of JSON Schema", res.Error.Message)
		}
	}
}
