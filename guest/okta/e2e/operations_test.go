package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
)

func TestLookupUser_ByIDAndLogin_ReadsTheUser(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	res := w.do(t, abi.Succeeded, "lookup_user", `{"user":"ada.lovelace@example.com"}`)
	id := get(t, res.Output, "id")
	if again := w.do(t, abi.Succeeded, "lookup_user", `{"user":"`+id+`"}`); get(t, again.Output, "profile", "login") != "ada.lovelace@example.com" {
		t.Errorf("%s", again.Output)
	}
	res = w.do(t, abi.NotFound, "lookup_user", `{"user":"nobody@example.com"}`)
	if up := res.Error.Upstream; up == nil || up.Code != "E0000007" || up.RequestID == "" {
		t.Errorf("%+v", res.Error)
	}
	for input, want := range map[string]string{
		`{}`:                        "missing property 'user'",
		`{"user":7}`:                "user: got number, want string",
		`{"user":""}`:               "user: minLength",
		`{"usr":"x"}`:               "did you mean user?",
		`{"user":"x","expand":"y"}`: "expand",
		`[]`:                        "not a JSON object",
		`{"user":`:                  "not JSON",
	} {
		if res := w.do(t, abi.Invalid, "lookup_user", input); !strings.Contains(res.Error.Message, want) || len(res.Meta.Requests) != 0 {
			t.Errorf("%s: %s, want %q", input, res.Error.Message, want)
		}
	}
	if res := w.do(t, abi.Invalid, "lookup_users", `{}`); !strings.Contains(res.Error.Message, "did you mean lookup_user?") {
		t.Errorf("%s", res.Error.Message)
	}
}

func TestListUsers_EachFilter_ListsTheRightUsers(t *testing.T) {
	w := newWorld(t, oktatest.Config{Users: 450})
	all := func(input string) (ids []string, pages int) {
		cursor := ""
		for {
			in := input
			if cursor != "" {
				in = strings.Replace(input, "{", `{"cursor":"`+cursor+`",`, 1)
			}
			res := w.do(t, abi.Succeeded, "list_users", in)
			var list struct {
				Records []struct{ ID, Status string }
			}
			if err := json.Unmarshal(res.Output, &list); err != nil {
				t.Fatal(err)
			}
			for _, u := range list.Records {
				ids = append(ids, u.ID)
			}
			pages++
			if cursor = res.NextCursor; cursor == "" {
				return ids, pages
			}
		}
	}
	everyone := w.org.UserIDs()
	ids, _ := all(`{"include_deprovisioned":true,"limit":150}`)
	slices.Sort(ids)
	slices.Sort(everyone)
	if !slices.Equal(ids, everyone) {
		t.Errorf("%d users of %d", len(ids), len(everyone))
	}
	deprovisioned, _ := all(`{"status":"DEPROVISIONED"}`)
	active, _ := all(`{}`)
	if len(deprovisioned) == 0 || len(active)+len(deprovisioned) != len(everyone) {
		t.Errorf("%d, and %d that are deprovisioned, are not %d", len(active), len(deprovisioned), len(everyone))
	}
	if ids, _ := all(`{"q":"Ada"}`); len(ids) == 0 || len(ids) > 10 {
		t.Errorf("q found %d", len(ids))
	}
	w.do(t, abi.Invalid, "list_users", `{"q":"x","status":"ACTIVE"}`)
	w.do(t, abi.Invalid, "list_users", `{"page_size":201}`)
	w.do(t, abi.Rejected, "list_users", `{"filter":"nonsense"}`)
	w.do(t, abi.Invalid, "list_users", `{"cursor":"bm9uc2Vuc2U"}`)
}

func TestCreateUser_InASimulatedOrg_CreatesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	const grace = `"profile":{"login":"grace.hopper@example.com","email":"grace.hopper@example.com","firstName":"Grace","lastName":"Hopper"}`
	group := w.groupOf(t, "OKTA_GROUP", "Engineering")
	res := w.do(t, abi.Succeeded, "create_user", `{`+grace+`,"activate":false,"group_ids":["`+group+`"]}`)
	if get(t, res.Output, "status") != "STAGED" {
		t.Errorf("%s", res.Output)
	}
	effects := w.org.Effects()
	again := w.do(t, abi.Rejected, "create_user", `{`+grace+`}`)
	if again.Error.Code != "login_taken" || get(t, again.Output, "existing_id") != get(t, res.Output, "id") || w.org.Effects() != effects {
		t.Errorf("%+v %s", again.Error, again.Output)
	}
	res = w.do(t, abi.Rejected, "create_user", `{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y"},"group_ids":["00gnosuchgroup000000"]}`)
	if res.Error.Code != "group_not_found" || !strings.Contains(res.Error.Message, "00gnosuchgroup000000") {
		t.Errorf("%+v", res.Error)
	}
	res = w.do(t, abi.Rejected, "create_user", `{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y","shoeSize":44}}`)
	if up := res.Error.Upstream; up == nil || up.Code != "E0000001" || len(up.Causes) == 0 {
		t.Errorf("%+v", res.Error)
	}
	w.do(t, abi.NotFound, "lookup_user", `{"user":"x@example.com"}`)
	w.do(t, abi.Invalid, "create_user", `{"profile":{"login":"x@example.com"}}`)
}

func TestDeactivateUser_InASimulatedOrg_DeactivatesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	const alan = `{"user":"alan.turing@example.com"}`
	res := w.do(t, abi.Succeeded, "deactivate_user", alan)
	if get(t, res.Output, "before") != "ACTIVE" || get(t, res.Output, "after") != "DEPROVISIONED" {
		t.Errorf("%s", res.Output)
	}
	writes := w.org.Writes()
	w.do(t, abi.Unchanged, "deactivate_user", `{"user":"`+get(t, res.Output, "id")+`"}`)
	if w.org.Writes() != writes {
		t.Error("a write was sent for a user who is already deactivated")
	}
	w.do(t, abi.NotFound, "deactivate_user", `{"user":"nobody@example.com"}`)
	found := false
	for e := range w.org.Events() {
		found = found || get(t, e, "eventType") == "user.lifecycle.deactivate" && get(t, e, "debugContext", "debugData", "requestId") == res.Meta.Requests[2].RequestID
	}
	if !found {
		t.Error("the System Log has no event of this request")
	}
}

func TestAssignRole_EachPrincipal_AssignsOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	group, client := get(t, w.org.Groups()[1], "id"), get(t, w.org.Clients()[0], "client_id")
	roles, sets := w.org.CustomRoles()
	custom := fmt.Sprintf(`"role":%q,"resource_set":%q}`, roles[0], sets[0])
	for _, input := range []string{
		`{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		`{"group":"` + group + `","type":"APP_ADMIN"}`,
		`{"client":"` + client + `","type":"HELP_DESK_ADMIN"}`,
		`{"user":"ada.lovelace@example.com",` + custom,
	} {
		res := w.do(t, abi.Succeeded, "assign_role", input)
		effects := w.org.Effects()
		again := w.do(t, abi.Unchanged, "assign_role", input)
		if get(t, again.Output, "id") != get(t, res.Output, "id") || w.org.Effects() != effects {
			t.Errorf("%s: %s, then %s", input, res.Output, again.Output)
		}
	}
	w.do(t, abi.NotFound, "assign_role", `{"user":"nobody@example.com","type":"HELP_DESK_ADMIN"}`)
	w.do(t, abi.NotFound, "assign_role", `{"group":"00gnosuchgroup000000","type":"HELP_DESK_ADMIN"}`)
	w.do(t, abi.Invalid, "assign_role", `{"user":"ada.lovelace@example.com","type":"NO_SUCH_ADMIN"}`)
	for _, input := range []string{
		`{"type":"HELP_DESK_ADMIN"}`,
		`{"user":"a","group":"b","type":"HELP_DESK_ADMIN"}`,
		`{"user":"a"}`,
		`{"user":"a","role":"b"}`,
		`{"user":"a","type":"CUSTOM"}`,
		`{"user":"a","type":"APP_ADMIN","role":"b","resource_set":"c"}`,
	} {
		w.do(t, abi.Invalid, "assign_role", input)
	}
}

func TestValidate_EachProblem_IsAFinding(t *testing.T) {
	checks := func(t *testing.T, res *abi.Result) map[string]bool {
		t.Helper()
		var out struct {
			Checks []struct {
				Name string
				OK   bool
			}
		}
		if err := json.Unmarshal(res.Output, &out); err != nil {
			t.Fatal(err)
		}
		m := map[string]bool{}
		for _, c := range out.Checks {
			m[c.Name] = c.OK
		}
		return m
	}
	w := newWorld(t, oktatest.Config{})
	res := w.do(t, abi.Succeeded, "validate", `{}`)
	if get(t, res.Output, "valid") != "true" || get(t, res.Output, "principal", "login") == "" || get(t, res.Output, "organization", "id") == "" {
		t.Errorf("%s", res.Output)
	}
	t.Run("a wrong token is a finding", func(t *testing.T) {
		c := bound(t, oktatest.New(oktatest.Config{})) // needs another token
		res, err := c.Invoke(context.Background(), "validate", nil)
		if err != nil || get(t, res.Output, "valid") != "false" || checks(t, res)["credentials"] {
			t.Errorf("%s %v", res.Output, err)
		}
	})
	t.Run("a missing feature or permission is not a bad token", func(t *testing.T) {
		const me = "GET /api/v1/users/{id}" // also the endpoint of me
		for name, cfg := range map[string]oktatest.Config{"permission": {Forbid: []string{me, "GET /api/v1/org"}}, "feature": {Unavailable: []string{me, "GET /api/v1/org"}},
			"the org's settings": {Forbid: []string{"GET /api/v1/org"}}, "the token's owner": {Forbid: []string{me}}} {
			w := newWorld(t, cfg)
			if res := w.do(t, abi.Succeeded, "validate", `{}`); !checks(t, res)["credentials"] || get(t, res.Output, "valid") != "true" {
				t.Errorf("%s: %s", name, res.Output)
			}
		}
	})
	t.Run("a wrong clock is a finding", func(t *testing.T) {
		for words, shift := range map[string]time.Duration{"400 s ahead of": -400 * time.Second, "400 s behind": 400 * time.Second} {
			w := newWorld(t, oktatest.Config{Now: func() time.Time { return stillAt().Add(shift) }})
			w.Connection = boundWith(t, withToken(w.org), host.ConnectOptions{Now: stillAt}, abi.Read)
			res := w.do(t, abi.Succeeded, "validate", `{}`)
			if ok, is := checks(t, res)["clock"]; !is || ok || get(t, res.Output, "valid") != "false" || !strings.Contains(string(res.Output), words) {
				t.Errorf("%s: %s", words, res.Output)
			}
		}
	})
	t.Run("the engine is named", func(t *testing.T) {
		for engine, words := range map[string]string{"idx": "Identity Engine", "v1": "Classic"} {
			if res := newWorld(t, oktatest.Config{Engine: engine}).do(t, abi.Succeeded, "validate", `{}`); !strings.Contains(string(res.Output), words) {
				t.Errorf("%s", res.Output)
			}
		}
	})
	t.Run("a server that is not an org is a finding", func(t *testing.T) {
		c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
		res, err := c.Invoke(context.Background(), "validate", nil)
		if err != nil || get(t, res.Output, "valid") != "false" || checks(t, res)["organization"] {
			t.Errorf("%s %v", res.Output, err)
		}
	})
}

func TestTable_OfUsers_HasTypedColumns(t *testing.T) {
	w := newWorld(t, oktatest.Config{Users: 450})
	rows, err := w.Table(context.Background(), "list_users", nil, host.TableOptions{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if len(row.Values) != len(rows.Columns()) {
			t.Fatalf("%d values for %d columns", len(row.Values), len(rows.Columns()))
		}
		n++
	}
	if n != 10 || w.org.Count("GET /api/v1/users") != 1 {
		t.Errorf("%d rows in %d requests", n, w.org.Count("GET /api/v1/users"))
	}
}

// TestWrite_LostResponse_IsSettledByReadingBack breaks the connection of a write before and after it took effect. The
// reported outcome must be true, and nothing may be done twice.
func TestWrite_LostResponse_IsSettledByReadingBack(t *testing.T) {
	const roles = "/api/v1/users/{userId}/roles"
	for _, op := range []struct{ name, input, path string }{
		{"create_user", `{"profile":{"login":"grace.hopper@example.com","email":"grace.hopper@example.com","firstName":"Grace","lastName":"Hopper"},"activate":false}`, "/api/v1/users"},
		{"deactivate_user", `{"user":"alan.turing@example.com"}`, "/api/v1/users/{id}/lifecycle/deactivate"},
		{"assign_role", `{"user":"alan.turing@example.com","type":"HELP_DESK_ADMIN"}`, roles},
	} {
		for _, f := range []struct {
			name  string
			fault oktatest.Fault
			want  abi.Outcome
			done  int
		}{
			{"reset before", oktatest.Fault{Kind: oktatest.ResetBefore}, abi.Unavailable, 0},
			{"reset after", oktatest.Fault{Kind: oktatest.ResetAfter}, abi.Succeeded, 1},
			{"500 after", oktatest.Fault{Kind: oktatest.StatusAfter, Status: 500}, abi.Succeeded, 1},
			{"503 before", oktatest.Fault{Kind: oktatest.Status, Status: 503}, abi.Unavailable, 0},
			{"cut off", oktatest.Fault{Kind: oktatest.Truncate}, abi.Succeeded, 1},
		} {
			t.Run(op.name+" "+f.name, func(t *testing.T) {
				t.Parallel() // most of the time is waiting
				org := oktatest.New(oktatest.Config{})
				c := bound(t, withToken(org), abi.Classes()...)
				fault := f.fault
				fault.Method, fault.Path, fault.Times = "POST", op.path, 1
				org.Inject(fault)
				res, _ := c.Invoke(context.Background(), op.name, json.RawMessage(op.input))
				if res.Outcome != f.want || !res.Meta.Reconciled {
					t.Errorf("%s %+v, reconciled %v, want %s", res.Outcome, res.Error, res.Meta.Reconciled, f.want)
				}
				if org.Effects() != f.done {
					t.Errorf("%d effects, want %d", org.Effects(), f.done)
				}
				if sent := org.Count("POST " + op.path); sent > 1 {
					t.Errorf("the write was sent %d times", sent)
				}
			})
		}
	}
}
