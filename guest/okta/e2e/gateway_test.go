package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/host"
)

// TestWrite_GatewayAnswers2xx_IsReadBack puts a gateway before the org. It answers 2xx to every write, and forwards
// none.
func TestWrite_GatewayAnswers2xx_IsReadBack(t *testing.T) {
	const app, group = `"application":"0oaGJxoM8LyCF3ytcwkO"`, `"group":"00gLFTnJJZSd570BcwkO"`
	for _, s := range []struct {
		op, input string
		outcome   abi.Outcome
		shown     bool // the result shows the state read afterwards, so the write is read back even after Okta's own response
	}{
		{"deactivate_user", `{"user":"alan.turing@example.com"}`, abi.Unavailable, true},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspend"}`, abi.Unavailable, true},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"reset_factors"}`, abi.Unknown, false},
		{"delete_group", `{` + group + `}`, abi.Unavailable, false},
		{"unassign_application_group", `{` + app + `,` + group + `}`, abi.Unavailable, true},
		{"assign_application_group", `{` + app + `,"group":"00gywNmfSjI0s5CWcwkO"}`, abi.Unavailable, true},
		{"device_lifecycle_action", `{"device":"guoTR3yslxGF2H07cwkO","action":"suspend"}`, abi.Unavailable, true},
		{"reset_factor", `{"user":"ada.lovelace@example.com","factor":"sms"}`, abi.Unavailable, false},
		{"assign_role", `{"user":"ada.lovelace@example.com","type":"SUPER_ADMIN"}`, abi.Unavailable, false},
		{"revoke_role", `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`, abi.Unavailable, false},
		{"add_group_member", `{"group":"00gBLrECxFjBwtQJcwkO","user":"ada.lovelace@example.com"}`, abi.Unavailable, false},
		{"update_user", `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`, abi.Unavailable, true},
		{"update_zone", `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`, abi.Unavailable, true},
		{"revoke_session", `{"session":"102qETvtirgP4fmYzUjrvcwkO"}`, abi.Unavailable, false},
		{"revoke_session", `{"user":"ada.lovelace@example.com"}`, abi.Unknown, false},
	} {
		for _, answer := range []struct {
			status int
			body   string
			okta   bool // with Okta's request id
		}{{200, ``, false}, {204, ``, false}, {200, `{"status":"ok"}`, false}, {200, `{"id":"job-1","status":"queued"}`, false}, {200, `{}`, true}} {
			if answer.okta && !s.shown {
				continue
			}
			t.Run(fmt.Sprintf("%s %s/%d %q", s.op, s.input, answer.status, answer.body), func(t *testing.T) {
				t.Parallel()
				conn, org := actor(t, nil)
				gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						org.Org.ServeHTTP(w, r)
						return
					}
					w.Header().Set("Content-Type", "application/json")
					if answer.okta {
						w.Header().Set("X-Okta-Request-Id", "0123456789abcdef")
					}
					w.WriteHeader(answer.status)
					_, _ = io.WriteString(w, answer.body)
				}))
				defer gateway.Close()
				c := e2e.Again(t, conn, org, func(cfg *host.Config, _ *host.ConnectOptions) { cfg.BaseURL = gateway.URL })
				res, _ := c.Invoke(context.Background(), s.op, json.RawMessage(s.input))
				want := s.outcome
				if answer.okta && res.Outcome == abi.Unknown {
					want = abi.Unknown
				}
				if org.Org.Effects() != 0 || res.Outcome != want || res.Meta.Partial {
					t.Errorf("%s %+v partial=%v %s", res.Outcome, res.Error, res.Meta.Partial, res.Output)
				}
			})
		}
	}
}
