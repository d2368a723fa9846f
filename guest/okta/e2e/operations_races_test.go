package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestWrite_ConcurrentChange_IsNotUndone changes an object between an operation's read and its write. A write that
// would undo the other change is rejected. A repeat makes both.
func TestWrite_ConcurrentChange_IsNotUndone(t *testing.T) {
	for _, c := range []struct{ op, input, read, method, path, body string }{
		{"update_user", `{` + ada + `,"profile":{"title":"Countess"}}`, "POST /api/v1/users/", "POST", "/api/v1/users/<user ada>", `{"profile":{"nickName":"Ada"}}`},
		{"update_group", `{"group":"<group Engineering>","description":"x"}`, "GET /api/v1/groups/", "PUT", "/api/v1/groups/<group Engineering>", `{"profile":{"name":"Engineering","description":"theirs","site":"Oslo"}}`},
		{"update_policy", `{"policy":"<policy OKTA_SIGN_ON>","patch":{"description":"x"}}`, "GET /api/v1/policies/", "PUT", "/api/v1/policies/<policy OKTA_SIGN_ON>",
			`{"type":"OKTA_SIGN_ON","name":"Default Policy","priority":2,"status":"ACTIVE","description":"theirs","conditions":{"people":{"groups":{"include":["<group Everyone>"]}}}}`},
		{"update_zone", `{"zone":"<zone BlockedIpZone>","add_gateways":["192.0.2.7"]}`, "GET /api/v1/zones/", "PUT", "/api/v1/zones/<zone BlockedIpZone>",
			`{"type":"IP","name":"BlockedIpZone","status":"ACTIVE","usage":"BLOCKLIST","system":true,"gateways":[{"type":"RANGE","value":"203.0.113.9-203.0.113.9"}]}`},
	} {
		t.Run(c.op, func(t *testing.T) {
			cfg := casesConfig()
			cfg.Now = nil // a change needs a new time
			org := oktatest.New(cfg)
			inner := withToken(org)
			var mu sync.Mutex
			reads, meddled := 0, false
			var w world
			w = world{bound(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				mu.Lock()
				method, path, _ := strings.Cut(c.read, " ")
				if r.Method == method && strings.HasPrefix(r.URL.Path, path) {
					reads++
				}
				// The other change comes before the second read, or before the write if there is only one read.
				if !meddled && (reads == 2 && method == "GET" || reads == 1 && method == "POST") {
					meddled = true
					theirs := httptest.NewRequest(c.method, w.fill(t, c.path), strings.NewReader(w.fill(t, c.body)))
					theirs.Header.Set("Authorization", "SSWS "+org.Token())
					theirs.Header.Set("Content-Type", "application/json")
					answer := httptest.NewRecorder()
					org.ServeHTTP(answer, theirs)
					if answer.Code != http.StatusOK {
						t.Errorf("theirs: %d %s", answer.Code, answer.Body)
					}
				}
				mu.Unlock()
				inner.ServeHTTP(rw, r)
			}), abi.Classes()...), org}
			input := w.fill(t, c.input)
			res := w.do(t, abi.Rejected, c.op, input)
			if res.Error.Code != "changed_meanwhile" || !res.Error.Retryable || org.Effects() != 1 {
				t.Errorf("%+v after %d effects", res.Error, org.Effects())
			}
			w.do(t, abi.Succeeded, c.op, input)
			if org.Effects() != 2 {
				t.Errorf("%d effects", org.Effects())
			}
		})
	}
}

// TestWrite_AnotherClientWasFirst_HasItsOutcome answers a write as Okta does if the wanted state already holds, or its
// target no longer exists.
func TestWrite_AnotherClientWasFirst_HasItsOutcome(t *testing.T) {
	user := `{"id":"` + aUserID + `","status":"%s","profile":{"login":"x@example.com"}}`
	const path = "/api/v1/users/" + aUserID
	refusal := func(code, summary string) string {
		return `{"errorCode":"` + code + `","errorSummary":"` + summary + `","errorLink":"` + code + `","errorId":"oae1","errorCauses":[]}`
	}
	const role = `[{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN","assignmentType":"USER"}]`
	for _, c := range []struct {
		name, op, input string
		before, after   map[string]string
		status          int
		body            string
		want            abi.Outcome
	}{
		{"a user is already deactivated, which Okta calls missing", "deactivate_user", `{"user":"` + aUserID + `"}`,
			map[string]string{path: fmt.Sprintf(user, "ACTIVE")}, map[string]string{path: fmt.Sprintf(user, "DEPROVISIONED")}, 404, missingBody("User"), abi.Unchanged},
		{"a user is already active", "reactivate_user", `{"user":"` + aUserID + `"}`,
			map[string]string{path: fmt.Sprintf(user, "STAGED")}, map[string]string{path: fmt.Sprintf(user, "ACTIVE")}, 403, refusal("E0000016", "Activation failed"), abi.Unchanged},
		{"a user is already deleted", "deactivate_user", `{"user":"` + aUserID + `"}`,
			map[string]string{path: fmt.Sprintf(user, "ACTIVE")}, map[string]string{path: "404 User"}, 404, missingBody("User"), abi.NotFound},
		{"an application is already assigned", "assign_application_user", `{"application":"0oa1","user":"` + aUserID + `"}`,
			map[string]string{"/api/v1/apps/0oa1/users/" + aUserID: "404 AppUser"}, map[string]string{"/api/v1/apps/0oa1/users/" + aUserID: `{"id":"` + aUserID + `","scope":"USER"}`},
			409, refusal("E0000062", "The user is already assigned to this application."), abi.Unchanged},
		{"an application is already removed", "unassign_application_user", `{"application":"0oa1","user":"` + aUserID + `"}`,
			map[string]string{"/api/v1/apps/0oa1/users/" + aUserID: `{"id":"` + aUserID + `","scope":"USER"}`}, map[string]string{"/api/v1/apps/0oa1/users/" + aUserID: "404 AppUser"},
			404, missingBody("AppUser"), abi.Unchanged},
		{"a role is already assigned", "assign_role", `{"user":"` + aUserID + `","type":"APP_ADMIN"}`,
			map[string]string{path + "/roles": `[]`}, map[string]string{path + "/roles": role}, 409, refusal("E0000090", "Duplicate role assignment exception."), abi.Unchanged},
		{"a role is already assigned, in Okta's newer text", "assign_role", `{"user":"` + aUserID + `","type":"APP_ADMIN"}`,
			map[string]string{path + "/roles": `[]`}, map[string]string{path + "/roles": role}, 409, refusal("E0000263", "Duplicate"), abi.Unchanged},
		{"a role is refused, and not assigned", "assign_role", `{"user":"` + aUserID + `","type":"APP_ADMIN"}`,
			map[string]string{path + "/roles": `[]`}, nil, 409, refusal("E0000090", "Duplicate role assignment exception."), abi.Rejected},
		{"a factor is already reset", "reset_factor", `{"user":"` + aUserID + `","factor":"sms"}`,
			map[string]string{path + "/factors": `[{"id":"sms1","factorType":"sms","provider":"OKTA"}]`}, map[string]string{path + "/factors": `[]`}, 404, missingBody("UserFactor"), abi.Unchanged},
		{"a device is already suspended", "device_lifecycle_action", `{"device":"guo1","action":"suspend"}`,
			map[string]string{"/api/v1/devices/guo1": `{"id":"guo1","status":"ACTIVE"}`}, map[string]string{"/api/v1/devices/guo1": `{"id":"guo1","status":"SUSPENDED"}`},
			400, refusal("E0000001", "Api validation failed: status"), abi.Unchanged},
		{"a device is already deleted", "device_lifecycle_action", `{"device":"guo1","action":"delete"}`,
			map[string]string{"/api/v1/devices/guo1": `{"id":"guo1","status":"DEACTIVATED"}`}, map[string]string{"/api/v1/devices/guo1": "404 Device"},
			404, missingBody("Device"), abi.Unchanged},
		{"a group is already deleted", "delete_group", `{"group":"` + aGroupID + `"}`,
			map[string]string{"/api/v1/groups/" + aGroupID: `{"id":"` + aGroupID + `","type":"OKTA_GROUP","profile":{"name":"x"}}`, "/api/v1/groups/" + aGroupID + "/roles": `[]`},
			map[string]string{"/api/v1/groups/" + aGroupID: "404 UserGroup"}, 404, missingBody("UserGroup"), abi.Unchanged},
		{"a session has already ended", "revoke_session", `{"session":"102x"}`,
			map[string]string{"/api/v1/sessions/102x": `{"id":"102x"}`}, map[string]string{"/api/v1/sessions/102x": "404 AppSession"}, 404, missingBody("AppSession"), abi.Unchanged},
		{"the group of a membership is deleted", "remove_group_member", `{"group":"` + aGroupID + `","user":"` + aUserID + `"}`,
			map[string]string{"/api/v1/groups/" + aGroupID: `{"id":"` + aGroupID + `","type":"OKTA_GROUP","profile":{"name":"x"}}`, path: fmt.Sprintf(user, "ACTIVE"),
				path + "/groups": `[{"id":"` + aGroupID + `"}]`, "/api/v1/groups/" + aGroupID + "/roles": `[]`}, nil, 404, missingBody("UserGroup"), abi.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			written := 0
			conn := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				w.Header().Set("Content-Type", "application/json")
				if r.Method != http.MethodGet {
					written++
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
					return
				}
				if r.URL.Path == "/api/v1/groups/rules" {
					_, _ = io.WriteString(w, "[]")
					return
				}
				if r.URL.Path == "/api/v1/users/me" {
					_, _ = io.WriteString(w, `{"id":"00uOwnerOfTheToken0"}`)
					return
				}
				body, ok := c.before[r.URL.Path]
				if after, changed := c.after[r.URL.Path]; written > 0 && changed {
					body = after
				}
				if typ, none := strings.CutPrefix(body, "404 "); none {
					w.WriteHeader(http.StatusNotFound)
					body = missingBody(typ)
				} else if !ok {
					t.Errorf("unexpected request: %s", r.URL)
				}
				_, _ = io.WriteString(w, body)
			}), abi.Classes()...)
			res := world{Connection: conn}.try(c.op, c.input)
			if res.Outcome != c.want || written != 1 {
				t.Errorf("%s %+v after %d writes, want %s", res.Outcome, res.Error, written, c.want)
			}
		})
	}
}

// TestAssignRole_ChangeUnderWay_IsRepeated: Okta refuses a change of roles while another is under way.
func TestAssignRole_ChangeUnderWay_IsRepeated(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: http.StatusConflict, Method: "POST", Path: "/api/v1/users/{userId}/roles", Times: 2})
	w.do(t, abi.Succeeded, "assign_role", `{`+ada+`,"type":"HELP_DESK_ADMIN"}`)
	if w.org.Effects() != 1 {
		t.Errorf("%d effects", w.org.Effects())
	}
}

// TestPageSize_OfInputAndConnection_IsCapped: the input's size counts, then the connection's, then the endpoint's,
// which caps both.
func TestPageSize_OfInputAndConnection_IsCapped(t *testing.T) {
	for _, c := range []struct {
		input string
		size  int
		want  string
	}{{`{}`, 0, "limit=200"}, {`{}`, 50, "limit=50"}, {`{}`, 1000, "limit=200"}, {`{"page_size":7}`, 50, "limit=7"}, {`{"page_size":7,"limit":3}`, 0, "limit=3"}} {
		org := oktatest.New(oktatest.Config{})
		conn := hosttest.Serve(t, hosttest.Connector.Module(t), withToken(org), host.Config{Name: "sized", DefaultPageSize: c.size}, host.ConnectOptions{})
		if _, err := conn.Invoke(context.Background(), "list_users", json.RawMessage(c.input)); err != nil {
			t.Error(err)
		}
		if got := org.Requests()[0].RawQuery; got != c.want {
			t.Errorf("%s with %d: %s, want %s", c.input, c.size, got, c.want)
		}
	}
}

// TestSearch_AfterAChange_LagsBehind: a change is read by id and by name immediately, and found by search later.
func TestSearch_AfterAChange_LagsBehind(t *testing.T) {
	var mu sync.Mutex
	now := stillAt()
	w := caseWorld(t, func(cfg *oktatest.Config) {
		cfg.SearchDelay = time.Minute
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	const found = `{"search":"profile.title eq \"Countess\""}`
	w.do(t, abi.Succeeded, "update_user", `{`+ada+`,"profile":{"title":"Countess"}}`)
	w.do(t, abi.Succeeded, "create_group", `{"name":"Night Shift"}`)
	w.do(t, abi.Succeeded, "lookup_group", `{"group":"Night Shift"}`)
	w.do(t, abi.Rejected, "create_group", `{"name":"Night Shift"}`)
	w.do(t, abi.Unchanged, "update_user", `{`+ada+`,"profile":{"title":"Countess"}}`)
	if n := len(listed(t, w.do(t, abi.Succeeded, "search_users", found))); n != 0 {
		t.Errorf("search found %d immediately", n)
	}
	mu.Lock()
	now = now.Add(2 * time.Minute)
	mu.Unlock()
	if n := len(listed(t, w.do(t, abi.Succeeded, "search_users", found))); n != 1 {
		t.Errorf("search found %d afterwards", n)
	}
}
