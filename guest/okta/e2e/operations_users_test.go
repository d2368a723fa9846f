package e2e_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/openapi"
)

// userWith returns the name of a seeded user with a status.
func (w world) userWith(t *testing.T, status string) string {
	t.Helper()
	for _, id := range w.org.UserIDs() {
		if u, ok := w.org.User(id); ok && get(t, u, "status") == status && get(t, u, "profile", "login") != tokenOwner {
			return id
		}
	}
	t.Fatalf("no user is %s", status)
	return ""
}

// tokenOwner is the login of the token's owner.
const tokenOwner = "robin.keeper@example.com"

func TestExamples_OfUsersGroupsAndLogs_Succeed(t *testing.T) {
	for op, want := range map[string]abi.Outcome{
		"org_identity": abi.Succeeded, "lookup_user": abi.Succeeded, "list_users": abi.Succeeded, "search_users": abi.Succeeded, "create_user": abi.Succeeded,
		"update_user": abi.Succeeded, "deactivate_user": abi.Succeeded, "reactivate_user": abi.Succeeded, "delete_user": abi.Succeeded,
		"user_lifecycle_action": abi.Succeeded, "lookup_group": abi.Succeeded, "list_groups": abi.Succeeded, "search_groups": abi.Succeeded,
		"create_group": abi.Succeeded, "update_group": abi.Succeeded, "delete_group": abi.Succeeded, "add_group_member": abi.Succeeded,
		"remove_group_member": abi.Succeeded, "bounded_system_log_range": abi.Succeeded,
	} {
		t.Run(op, func(t *testing.T) {
			now := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
			w := newWorld(t, oktatest.Config{Now: func() time.Time { return now }})
			for _, o := range w.Module().Manifest().Operations {
				if o.Name == op {
					w.do(t, want, op, string(o.Example))
					return
				}
			}
			t.Error("the operation does not exist")
		})
	}
}

func TestOrgIdentity_OfASimulatedOrg_NamesIt(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	res := w.do(t, abi.Succeeded, "org_identity", `{}`)
	if get(t, res.Output, "id") == "" || get(t, res.Output, "pipeline") != "idx" || get(t, res.Output, "companyName") == "" {
		t.Errorf("%s", res.Output)
	}
}

func TestSearchUsers_EachExpression_FindsTheRightUsers(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	res := w.do(t, abi.Succeeded, "search_users", `{"search":"profile.login eq \"ada.lovelace@example.com\""}`)
	var list struct{ Records []json.RawMessage }
	if err := json.Unmarshal(res.Output, &list); err != nil || len(list.Records) != 1 || get(t, list.Records[0], "profile", "login") != "ada.lovelace@example.com" {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.Succeeded, "search_users", `{"search":"status eq \"DEPROVISIONED\"","sort_by":"profile.lastName","sort_order":"desc","limit":1}`)
	w.do(t, abi.Rejected, "search_users", `{"search":"nonsense"}`)
	w.do(t, abi.Invalid, "search_users", `{"search":"status pr","sort_order":"desc"}`)
	w.do(t, abi.Invalid, "search_users", `{}`)
}

func TestUpdateUser_InASimulatedOrg_ChangesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	const ada = `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`
	first := w.twice(t, "update_user", ada)
	if get(t, first.Output, "before", "profile", "title") == "Countess" || get(t, first.Output, "after", "profile", "title") != "Countess" || first.Meta.Class != abi.Write {
		t.Errorf("%s, class %s", first.Output, first.Meta.Class)
	}
	profile := get(t, first.Output, "after", "profile")
	w.do(t, abi.Unchanged, "update_user", `{"user":"ada.lovelace@example.com","replace":true,"profile":`+profile+`}`)
	w.twice(t, "update_user", `{"user":"ada.lovelace@example.com","replace":true,"profile":{"login":"ada.lovelace@example.com","email":"ada.lovelace@example.com","firstName":"Ada","lastName":"Byron"}}`)
	if u, _ := w.org.User("ada.lovelace@example.com"); get(t, u, "profile", "lastName") != "Byron" || strings.Contains(string(u), "Countess") {
		t.Errorf("%s", u)
	}
	if res := w.do(t, abi.Succeeded, "update_user", `{"user":"ada.lovelace@example.com","credentials":{"password":{"value":"Correct horse battery 9"}}}`); res.Meta.Class != abi.Privileged {
		t.Errorf("credentials are of class %s", res.Meta.Class)
	}
	w.do(t, abi.Rejected, "update_user", `{"user":"ada.lovelace@example.com","profile":{"shoeSize":44}}`)
	w.do(t, abi.NotFound, "update_user", `{"user":"nobody@example.com","profile":{"title":"x"}}`)
	w.do(t, abi.Invalid, "update_user", `{"user":"ada.lovelace@example.com"}`)
	w.do(t, abi.Invalid, "update_user", `{"user":"ada.lovelace@example.com","replace":true,"credentials":{"password":{"value":"x"}}}`)
}

func TestUserLifecycleAction_EachAction_ChangesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	act := func(action string) func(id string) string {
		return func(id string) string { return `{"user":"` + id + `","action":"` + action + `"}` }
	}
	for _, c := range []struct {
		action, from, to string
		class            abi.Class
		sensitive        bool
	}{
		{"suspend", "ACTIVE", "SUSPENDED", abi.Destructive, false},
		{"unsuspend", "SUSPENDED", "", abi.Write, false},
		{"unlock", "LOCKED_OUT", "", abi.Write, false},
		{"activate", "STAGED", "", abi.Write, true},
		{"expire_password", "ACTIVE", "PASSWORD_EXPIRED", abi.Destructive, false},
		{"deactivate", "ACTIVE", "DEPROVISIONED", abi.Destructive, false},
	} {
		id := w.userWith(t, c.from)
		first := w.twice(t, "user_lifecycle_action", act(c.action)(id))
		now, _ := w.org.User(id)
		if after := get(t, first.Output, "after"); get(t, first.Output, "before") != c.from || c.to != "" && after != c.to || after != get(t, now, "status") {
			t.Errorf("%s: %s, and then %s", c.action, first.Output, now)
		}
		if first.Meta.Class != c.class || first.Meta.Sensitive != c.sensitive {
			t.Errorf("%s: class %s, sensitive %v", c.action, first.Meta.Class, first.Meta.Sensitive)
		}
	}
	for _, action := range []string{"reset_password", "expire_password_with_temp_password"} {
		active := w.userWith(t, "ACTIVE")
		one := w.do(t, abi.Succeeded, "user_lifecycle_action", act(action)(active))
		two := w.do(t, abi.Succeeded, "user_lifecycle_action", act(action)(active))
		if !one.Meta.Sensitive || !two.Meta.Sensitive || string(one.Output) == string(two.Output) {
			t.Errorf("%s: %s, then %s", action, one.Output, two.Output)
		}
	}
	w.do(t, abi.Succeeded, "user_lifecycle_action", act("reset_factors")(w.userWith(t, "ACTIVE")))
	w.do(t, abi.Rejected, "user_lifecycle_action", act("unlock")(w.userWith(t, "SUSPENDED")))
	w.do(t, abi.Rejected, "user_lifecycle_action", act("expire_password")(w.userWith(t, "DEPROVISIONED")))
	w.do(t, abi.NotFound, "user_lifecycle_action", act("suspend")("nobody@example.com"))
	for _, input := range []string{
		`{"user":"a@example.com"}`,
		`{"user":"a@example.com","action":"promote"}`,
		`{"user":"a@example.com","action":"suspend","send_email":true}`,
		`{"user":"a@example.com","action":"reset_factors","revoke_sessions":true}`,
	} {
		w.do(t, abi.Invalid, "user_lifecycle_action", input)
	}
}

func TestReactivateUser_EachStatus_ActivatesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	in := func(id string) string { return `{"user":"` + id + `"}` }
	for _, status := range []string{"PROVISIONED", "RECOVERY", "DEPROVISIONED", "STAGED"} {
		res := w.do(t, abi.Succeeded, "reactivate_user", in(w.userWith(t, status)))
		if get(t, res.Output, "before") != status || get(t, res.Output, "activation_url") == "" || !res.Meta.Sensitive {
			t.Errorf("%s: %s", status, res.Output)
		}
	}
	w.do(t, abi.Unchanged, "reactivate_user", in(w.userWith(t, "ACTIVE")))
	if res := w.do(t, abi.Rejected, "reactivate_user", in(w.userWith(t, "SUSPENDED"))); !strings.Contains(res.Error.Message, "SUSPENDED") {
		t.Errorf("%+v", res.Error)
	}
	if res := w.do(t, abi.Succeeded, "reactivate_user", `{"user":"`+w.userWith(t, "PROVISIONED")+`","send_email":true}`); res.Meta.Sensitive {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.NotFound, "reactivate_user", `{"user":"nobody@example.com"}`)
}

func TestDeleteUser_EachStatus_DeletesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	if res := w.do(t, abi.Rejected, "delete_user", `{"user":"alan.turing"}`); res.Error.Code != "short_name" {
		t.Errorf("%+v", res.Error)
	}
	if res := w.do(t, abi.Rejected, "delete_user", `{"user":"me"}`); res.Error.Code != "short_name" {
		t.Errorf("%+v", res.Error)
	}
	for _, status := range []string{"ACTIVE", "STAGED", "DEPROVISIONED"} {
		id := w.userWith(t, status)
		first := w.twice(t, "delete_user", `{"user":"`+id+`"}`)
		if _, there := w.org.User(id); there || get(t, first.Output, "before") != status || get(t, first.Output, "after") != "DELETED" {
			t.Errorf("%s: %s, and the user is there: %v", status, first.Output, there)
		}
	}
}

// TestUserWrite_LostResponse_IsSettled is TestWrite_LostResponse_IsSettledByReadingBack for the other writes of users.
func TestUserWrite_LostResponse_IsSettled(t *testing.T) {
	for _, op := range []struct{ name, input, method, path string }{
		{"update_user", `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`, "POST", "/api/v1/users/{id}"},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspend"}`, "POST", "/api/v1/users/{id}/lifecycle/suspend"},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"reset_password"}`, "POST", "/api/v1/users/{id}/lifecycle/reset_password"},
		{"delete_user", `{"user":"ada.lovelace@example.com"}`, "DELETE", "/api/v1/users/{id}"},
	} {
		for _, f := range []struct {
			name  string
			fault oktatest.Fault
			done  bool
		}{
			{"reset before", oktatest.Fault{Kind: oktatest.ResetBefore}, false},
			{"reset after", oktatest.Fault{Kind: oktatest.ResetAfter}, true},
			{"500 after", oktatest.Fault{Kind: oktatest.StatusAfter, Status: 500}, true},
		} {
			t.Run(op.name+" "+op.path+" "+f.name, func(t *testing.T) {
				t.Parallel() // most of the time is waiting
				org := oktatest.New(oktatest.Config{})
				c := bound(t, withToken(org), abi.Classes()...)
				fault := f.fault
				fault.Method, fault.Path, fault.Times = op.method, op.path, 1
				org.Inject(fault)
				want := map[bool]abi.Outcome{true: abi.Succeeded, false: abi.Unavailable}[f.done]
				res, _ := c.Invoke(context.Background(), op.name, json.RawMessage(op.input))
				if res.Outcome != want || !res.Meta.Reconciled {
					t.Errorf("%s %+v, reconciled %v, want %s", res.Outcome, res.Error, res.Meta.Reconciled, want)
				}
				if sent := org.Count(op.method + " " + op.path); sent != 1 {
					t.Errorf("the write was sent %d times", sent)
				}
			})
		}
	}
}

// TestUserLifecycleAction_ChangeUnderWay_Waits: the status after the change counts. An action against it must wait.
func TestUserLifecycleAction_ChangeUnderWay_Waits(t *testing.T) {
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	var okta hosttest.Clock
	okta.Set(stillAt())
	org := oktatest.New(oktatest.Config{Now: okta.Now, TransitionTime: 3 * time.Second})
	server := httptest.NewServer(judge.Middleware(t, withToken(org)))
	defer server.Close()
	w := world{connectTo(t, server.URL, func(_ *host.Config, o *host.ConnectOptions) {
		o.Sleep = func(_ context.Context, d time.Duration) error { okta.Set(okta.Now().Add(d)); return nil }
	}), org}
	const alan = `{"user":"alan.turing@example.com"`
	waits := func(op, input string) {
		t.Helper()
		effects := org.Effects()
		if res := w.do(t, abi.Rejected, op, input); res.Error.Code != "transition" || !res.Error.Retryable || org.Effects() != effects {
			t.Errorf("%s: %+v", op, res.Error)
		}
	}
	res := w.do(t, abi.Succeeded, "deactivate_user", alan+`}`)
	if get(t, res.Output, "after") != "ACTIVE" || get(t, res.Output, "transitioning_to") != "DEPROVISIONED" {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.Unchanged, "deactivate_user", alan+`}`)
	waits("reactivate_user", alan+`}`)
	waits("user_lifecycle_action", alan+`,"action":"suspend"}`)
	waits("user_lifecycle_action", alan+`,"action":"activate"}`)
	if res := w.do(t, abi.Rejected, "update_user", alan+`,"profile":{"title":"Doctor"}}`); !res.Error.Retryable || res.Error.Upstream.Code != "E0000112" {
		t.Errorf("%+v", res.Error)
	}
	okta.Set(okta.Now().Add(3 * time.Second))
	w.do(t, abi.Succeeded, "reactivate_user", alan+`}`)
	waits("deactivate_user", alan+`}`) // DEPROVISIONED, and being activated
	waits("delete_user", `{"user":"`+get(t, res.Output, "id")+`"}`)
	okta.Set(okta.Now().Add(3 * time.Second))
	w.do(t, abi.Succeeded, "deactivate_user", alan+`}`)
	// Both steps of a deletion, the second after the first is done.
	before := okta.Now()
	w.do(t, abi.Succeeded, "delete_user", `{`+ada+`}`)
	if _, there := org.User("ada.lovelace@example.com"); there || okta.Now().Sub(before) < 3*time.Second {
		t.Errorf("there: %v, after %s", there, okta.Now().Sub(before))
	}
}

// TestPlan_OfAUser_ShowsTheTarget, not the token's owner, who is read after it.
func TestPlan_OfAUser_ShowsTheTarget(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	for op, input := range map[string]string{"deactivate_user": `{` + ada + `}`, "delete_user": `{` + ada + `}`, "user_lifecycle_action": `{` + ada + `,"action":"suspend"}`} {
		res, err := w.Invoke(context.Background(), op, json.RawMessage(input), host.InvokeOptions{Plan: true})
		if err != nil || get(t, res.Plan.State, "profile", "login") != "ada.lovelace@example.com" {
			t.Errorf("%s: %v %+v", op, err, res.Plan)
		}
	}
}

// TestListUsers_LaterPageRefused_KeepsRecordsAndCursor, together with the refusal.
func TestListUsers_LaterPageRefused_KeepsRecordsAndCursor(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Method: "GET", Path: "/api/v1/users", Status: 403, Skip: 1, Times: 1})
	res := w.do(t, abi.Rejected, "list_users", `{"page_size":7}`)
	var out struct {
		Records    []json.RawMessage `json:"records"`
		NextCursor string            `json:"next_cursor"`
	}
	if err := json.Unmarshal(res.Output, &out); err != nil || len(out.Records) != 7 || res.Meta.Records != 7 || out.NextCursor == "" || res.NextCursor != out.NextCursor {
		t.Errorf("%v: %d records of %d, cursor %q and %q", err, len(out.Records), res.Meta.Records, out.NextCursor, res.NextCursor)
	}
	rest := w.do(t, abi.Succeeded, "list_users", `{"page_size":7,"cursor":"`+res.NextCursor+`"}`)
	all := w.do(t, abi.Succeeded, "list_users", `{}`)
	if rest.Meta.Records+7 != all.Meta.Records {
		t.Errorf("7 and %d records of %d", rest.Meta.Records, all.Meta.Records)
	}
}
