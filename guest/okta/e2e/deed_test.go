package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// TestAudit_OfAWrite_SaysWhoDidWhatToWhom: the record has the caller, the token's owner, the org, the object, its state
// before and after, and the module.
func TestAudit_OfAWrite_SaysWhoDidWhatToWhom(t *testing.T) {
	ctx, k := context.Background(), &hosttest.Audit{}
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = k })
	who := func(r host.AuditRecord) {
		t.Helper()
		name, _ := os.Hostname()
		if r.Process == nil || r.Process.UID == "" || r.Process.Host != name || r.Process.PID != os.Getpid() {
			t.Errorf("process %+v", r.Process)
		}
		if r.BaseURL != org.URL || r.Connection != "actor" || r.Run == "" {
			t.Errorf("%q %q %q", r.BaseURL, r.Connection, r.Run)
		}
		if m := r.Module; m == nil || m.Kind != "okta" || m.Version == "" || m.SHA256 != c.Module().SHA256() || len(m.SHA256) != 64 {
			t.Errorf("module %+v", r.Module)
		}
	}
	res, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"alan.turing@example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	alan, _ := org.Org.User("alan.turing@example.com")
	id := gjson.GetBytes(alan, "id").Str
	writing, ended := k.Last()
	for _, r := range []host.AuditRecord{writing, ended} {
		who(r)
		if r.Account == nil || r.Account.ID == "" || !strings.Contains(r.Account.Name, "@") || r.Account.Absent != "" || r.Account.Secret != "env:X" {
			t.Errorf("account %+v", r.Account)
		}
		if len(r.Targets) != 1 || r.Targets[0].Path["id"] != id || r.Targets[0].Endpoint != "POST /api/v1/users/{id}/lifecycle/deactivate" {
			t.Errorf("targets %+v", r.Targets)
		}
		if r.Before == nil || gjson.GetBytes(r.Before.Value, "status").Str != "ACTIVE" || gjson.GetBytes(r.Before.Value, "id").Str != id {
			t.Errorf("before %+v", r.Before)
		}
	}
	if writing.Run != ended.Run || writing.After != nil || ended.After == nil || string(ended.After.Value) != string(res.Output) {
		t.Errorf("%s %s, after %+v", writing.Run, ended.Run, ended.After)
	}

	// A read has no members for writes, and is another run.
	reads := len(org.Org.Requests())
	if _, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`)); err != nil {
		t.Fatal(err)
	}
	_, read := k.Last()
	who(read)
	if read.Account != nil || read.Before != nil || read.After != nil || len(read.Targets) > 0 || read.Run == ended.Run || len(org.Org.Requests()) != reads+1 {
		t.Errorf("%+v, %d requests", read, len(org.Org.Requests())-reads)
	}

	// The account is read once.
	if _, err := c.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`)); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, r := range org.Org.Requests() {
		if r.Path == "/api/v1/users/me" {
			asked++
		}
	}
	_, created := k.Last()
	if asked != 2 || created.Account.ID != ended.Account.ID || gjson.GetBytes(created.After.Value, "profile.name").Str != "Night Shift" { // once by deactivate_user itself
		t.Errorf("asked %d times, %+v, after %+v", asked, created.Account, created.After)
	}

	// A plan has the writes and their targets, and nothing about the state after them.
	if _, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`), host.InvokeOptions{Plan: true}); err != nil {
		t.Fatal(err)
	}
	_, plan := k.Last()
	if plan.Outcome != abi.Planned || len(plan.Targets) != 1 || plan.Before == nil || plan.After != nil || plan.Account != nil {
		t.Errorf("%+v", plan)
	}
	// Two writes with two targets.
	if _, err := c.Invoke(ctx, "delete_user", json.RawMessage(`{"user":"kofi.lindqvist4@example.com"}`)); err != nil {
		t.Fatal(err)
	}
	if _, deleted := k.Last(); len(deleted.Targets) != 2 || deleted.Targets[0].Path["id"] != deleted.Targets[1].Path["id"] {
		t.Errorf("%+v", deleted.Targets)
	}
}

// TestAudit_OfAnApprovedWrite_HasThePlan that was shown, its hash, and the approver, also if it was refused.
func TestAudit_OfAnApprovedWrite_HasThePlan(t *testing.T) {
	k, yes := &hosttest.Audit{}, true
	var shown abi.Plan
	c, _ := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Approve, o.Auditor = []abi.Class{abi.Destructive}, k
		o.Approver = host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
			if shown = r.Plan; yes {
				return "grace", nil
			}
			return "", context.Canceled
		})
	})
	run := func() (writing, ended host.AuditRecord) {
		_, _ = c.Invoke(context.Background(), "deactivate_user", json.RawMessage(`{"user":"alan.turing@example.com"}`))
		return k.Last()
	}
	for _, yes = range []bool{false, true} {
		writing, ended := run()
		records := []host.AuditRecord{ended}
		by := ""
		if yes {
			records, by = append(records, writing), "grace"
		}
		text, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Approval == nil || r.Approval.By != by || r.Approval.PlanSHA256 != audit.Hash(text) || string(r.Approval.Plan.Value) != string(text) || r.ApprovedBy != by {
				t.Errorf("%+v by %q", r.Approval, r.ApprovedBy)
			}
			if len(r.Targets) != 1 || r.Before == nil {
				t.Errorf("%+v %+v", r.Targets, r.Before)
			}
		}
		if yes != (ended.After != nil) {
			t.Errorf("approved %v, after %+v", yes, ended.After)
		}
	}
}

// TestAudit_OfSecrets_HasNone covers states before and after, and targets.
func TestAudit_OfSecrets_HasNone(t *testing.T) {
	const secret = "Correct horse battery staple 1"
	ctx, k := context.Background(), &hosttest.Audit{}
	c, _ := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		o.Auditor, cfg.Approve = k, []abi.Class{abi.Write}
		o.Approver = host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) { return "grace", nil })
	})
	for op, input := range map[string]string{
		"create_user":           `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"credentials":{"password":{"value":"` + secret + `"}}}`,
		"update_user":           `{"user":"ada.lovelace@example.com","credentials":{"password":{"value":"` + secret + `"}}}`,
		"user_lifecycle_action": `{"user":"ada.lovelace@example.com","action":"reset_password"}`,
	} {
		if res, err := c.Invoke(ctx, op, json.RawMessage(input)); err != nil {
			t.Fatalf("%s: %v %+v", op, err, res)
		}
	}
	text, err := json.Marshal(append(k.All, k.Writing...))
	if err != nil || strings.Contains(string(text), "horse battery") || strings.Contains(string(text), "reset_password_url") || !strings.Contains(string(text), "holds a credential") {
		t.Errorf("%v %s", err, text)
	}
}

// TestAudit_AccountUnreadable_SaysWhy also checks that the write is done.
func TestAudit_AccountUnreadable_SaysWhy(t *testing.T) {
	t.Parallel()
	me := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"forbidden":          {me(403, `{"errorCode":"E0000006"}`), "found status 403"},
		"not a user":         {me(404, `{"errorCode":"E0000007"}`), "found status 404"},
		"a web page":         {me(200, `<html>`), "found status 200"},
		"an empty body":      {me(200, ``), "found status 200"},
		"without an id":      {me(200, `{"profile":{"login":"a"}}`), "the response has no id"},
		"a number":           {me(200, `{"id":7}`), "the response has no id"},
		"the hosttest.Token": {me(200, `{"id":"`+hosttest.Token+`"}`), "the response has no id"},
		"broken off": {func(w http.ResponseWriter) {
			panic(http.ErrAbortHandler)
		}, "GET /api/v1/users/me: "},
	} {
		t.Run(name, func(t *testing.T) {
			org := withToken(oktatest.New(oktatest.Config{}))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v1/users/me" {
					c.answer(w)
					return
				}
				org.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			k := &hosttest.Audit{}
			conn := connectTo(t, server.URL, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = k })
			res, err := conn.Invoke(context.Background(), "create_group", json.RawMessage(`{"name":"Night Shift"}`))
			writing, r := k.Last()
			if err != nil || res.Outcome != abi.Succeeded || r.Account == nil || r.Account.ID != "" || !strings.Contains(r.Account.Absent, c.want) ||
				writing.Account == nil || *writing.Account != *r.Account {
				t.Errorf("%v %+v, account %+v", err, res, r.Account)
			}
		})
	}
}

// TestAudit_AccountHangs_DoesNotUseTheWritesTime has an org that never answers who owns the token.
func TestAudit_AccountHangs_DoesNotUseTheWritesTime(t *testing.T) {
	t.Parallel()
	org := withToken(oktatest.New(oktatest.Config{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/users/me" {
			<-r.Context().Done() // until the client gives up
			return
		}
		org.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	k := &hosttest.Audit{}
	conn := connectTo(t, server.URL, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = k })
	var wg sync.WaitGroup
	for _, name := range []string{"Night Shift", "Day Shift"} { // the second knows that it cannot be read
		wg.Go(func() {
			res, err := conn.Invoke(context.Background(), "create_group", json.RawMessage(`{"name":"`+name+`"}`))
			if err != nil || res.Outcome != abi.Succeeded {
				t.Errorf("%v %+v", err, res)
			}
		})
	}
	wg.Wait()
	if _, r := k.Last(); r.Account == nil || r.Account.Absent == "" {
		t.Errorf("%+v", r.Account)
	}
}

// TestAudit_OfASettledWrite_NamesItsTarget: this run sent nothing, and reports the earlier run's write.
func TestAudit_OfASettledWrite_NamesItsTarget(t *testing.T) {
	k, j := &hosttest.Audit{}, hosttest.Journal(t, journal.Options{})
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) { o.Journal = hosttest.Killed(j) })
	key := host.InvokeOptions{IdempotencyKey: "k"}
	input := json.RawMessage(`{"user":"alan.turing@example.com"}`)
	if res, err := c.Invoke(context.Background(), "deactivate_user", input, key); err != nil {
		t.Fatalf("%v %+v", err, res)
	}
	again := e2e.Again(t, c, org, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor, o.Journal = k, j })
	res, err := again.Invoke(context.Background(), "deactivate_user", input, key)
	_, r := k.Last()
	if err != nil || !res.Meta.Reconciled || len(k.Writing) != 0 || len(r.Targets) != 1 || r.Targets[0].Path["id"] == "" || r.After == nil {
		t.Errorf("%v %+v: %+v, after %+v", err, res, r.Targets, r.After)
	}
}

// TestAudit_OfAWriteByID_HasTheStateBefore also checks that a write without an audit makes no extra reads.
func TestAudit_OfAWriteByID_HasTheStateBefore(t *testing.T) {
	ctx := context.Background()
	for _, audited := range []bool{true, false} {
		k := &hosttest.Audit{}
		c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
			if audited {
				o.Auditor = k
			}
		})
		found, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
		if err != nil {
			t.Fatal(err)
		}
		user := gjson.GetBytes(found.Output, "id").Str
		for _, w := range []struct{ op, input string }{
			{"assign_role", `{"user":"` + user + `","type":"HELP_DESK_ADMIN"}`},
			{"revoke_role", `{"user":"` + user + `","type":"HELP_DESK_ADMIN"}`},
			{"revoke_session", `{"user":"` + user + `"}`},
		} {
			from := len(org.Org.Requests())
			res, err := c.Invoke(ctx, w.op, json.RawMessage(w.input))
			if err != nil || res.Outcome != abi.Succeeded {
				t.Fatalf("%s: %v %+v", w.op, err, res)
			}
			read := false
			for _, r := range org.Org.Requests()[from:] {
				read = read || r.Pattern == "GET /api/v1/users/{id}"
			}
			if read != audited {
				t.Errorf("%s, audited %v: the user was read: %v", w.op, audited, read)
			}
			if !audited {
				continue
			}
			if writing, ended := k.Last(); writing.Before == nil || gjson.GetBytes(writing.Before.Value, "profile.login").Str != "ada.lovelace@example.com" || ended.Before == nil {
				t.Errorf("%s: before %+v", w.op, writing.Before) // an id may be masked, as a session's is
			}
		}
	}
}

// TestAudit_OfARefusedAttempt_NamesItsTarget: if the module refuses to send a write, the audit has its target and
// state.
func TestAudit_OfARefusedAttempt_NamesItsTarget(t *testing.T) {
	for name, change := range map[string]func(*host.Config, *host.ConnectOptions){
		"invoked":  func(*host.Config, *host.ConnectOptions) {},
		"approved": func(cfg *host.Config, _ *host.ConnectOptions) { cfg.Approve = abi.Classes()[1:] },
		"planned":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			k := &hosttest.Audit{}
			c, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
				o.Auditor = k
				if change != nil {
					change(cfg, o)
				}
			})
			writes := org.Org.Writes()
			res, _ := c.Invoke(context.Background(), "deactivate_user", json.RawMessage(`{"user":"robin.keeper@example.com"}`), host.InvokeOptions{Plan: change == nil})
			if res.Outcome != abi.Rejected || res.Error.Code != "own_account" || org.Org.Writes() != writes {
				t.Fatalf("%+v", res)
			}
			_, r := k.Last()
			if len(r.Targets) != 1 || r.Before == nil || r.After != nil || r.Targets[0].Path["id"] == "" || gjson.GetBytes(r.Before.Value, "id").Str != r.Targets[0].Path["id"] {
				t.Errorf("targets %+v, before %+v, after %+v", r.Targets, r.Before, r.After)
			}
		})
	}
}
