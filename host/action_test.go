package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/oktatest"
)

// actor is a connection with every grant to an org of its own.
func actor(t *testing.T, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *oktatest.Server) {
	t.Helper()
	return actorOn(t, oktatest.Config{}, change)
}

func actorOn(t *testing.T, sim oktatest.Config, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *oktatest.Server) {
	t.Helper()
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(sim).Start()
	cfg := host.Config{Name: "actor", Kind: "okta", BaseURL: org.URL, TokenSecretRef: "env:X", Grants: abi.Classes()}
	opts := host.ConnectOptions{Secrets: fixedSecret(org.Org.Token()), Sleep: briefly}
	if change != nil {
		change(&cfg, &opts)
	}
	c, err := m.Connect(ctx, cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close(ctx)
		_ = m.Close(ctx)
		_ = org.Close()
	})
	return c, org
}

// userWrites are writes of one request or more to the simulated org's seeded users.
var userWrites = []struct{ op, input string }{
	{"create_user", `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"credentials":{"password":{"value":"correct horse battery"}}}`},
	{"update_user", `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`},
	{"deactivate_user", `{"user":"alan.turing@example.com"}`},
	{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspend"}`},
	{"user_lifecycle_action", `{"user":"robin.keeper@example.com","action":"reset_password","send_email":true}`},
	{"reactivate_user", `{"user":"kofi.lindqvist4@example.com"}`},
	{"delete_user", `{"user":"uma.underhill33@example.com"}`},
	{"assign_role", `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`},
	{"revoke_role", `{"user":"robin.keeper@example.com","type":"SUPER_ADMIN"}`},
}

func TestAPlanIsWhatTheRunThenSends(t *testing.T) {
	ctx := context.Background()
	for _, w := range userWrites {
		t.Run(w.op, func(t *testing.T) {
			c, org := actor(t, nil)
			plan, err := c.Invoke(ctx, w.op, json.RawMessage(w.input), host.InvokeOptions{Plan: true})
			if err != nil || plan.Plan == nil || len(plan.Plan.Writes) == 0 {
				t.Fatalf("%v %+v", err, plan)
			}
			if org.Org.Writes() != 0 {
				t.Fatal("a plan wrote")
			}
			text, _ := json.Marshal(plan)
			if strings.Contains(string(text), "correct horse") {
				t.Errorf("a password stands in the plan: %s", text)
			}
			if w.op != "create_user" && !json.Valid(plan.Plan.State) {
				t.Errorf("the plan does not say what is there: %s", text)
			}
			if _, err := c.Invoke(ctx, w.op, json.RawMessage(w.input)); err != nil {
				t.Fatal(err)
			}
			var sent []string
			for _, r := range org.Org.Requests() {
				if r.Method != "GET" {
					target := r.Path
					if r.RawQuery != "" {
						target += "?" + r.RawQuery
					}
					sent = append(sent, r.Method+" "+target+" "+strings.ReplaceAll(string(r.Body), `"correct horse battery"`, `"***"`))
				}
			}
			var planned []string
			for _, p := range plan.Plan.Writes {
				method, _, _ := strings.Cut(p.Endpoint, " ")
				planned = append(planned, method+" "+p.Target+" "+string(p.Body))
			}
			if strings.Join(sent, "\n") != strings.Join(planned, "\n") {
				t.Errorf("planned\n%s\nsent\n%s", strings.Join(planned, "\n"), strings.Join(sent, "\n"))
			}
			// What is so already has nothing planned.
			again, err := c.Invoke(ctx, w.op, json.RawMessage(w.input), host.InvokeOptions{Plan: true})
			if err == nil && again.Outcome == abi.Unchanged && len(again.Plan.Writes) != 0 {
				t.Errorf("%+v", again.Plan)
			}
		})
	}
}

func TestApprovalIsAskedBeforeTheFirstWrite(t *testing.T) {
	ctx := context.Background()
	const op, input = "deactivate_user", `{"user":"alan.turing@example.com"}`
	approving := func(a host.Approver) func(*host.Config, *host.ConnectOptions) {
		return func(cfg *host.Config, opts *host.ConnectOptions) {
			cfg.Approve, opts.Approver = []abi.Class{abi.Destructive, abi.Privileged}, a
		}
	}
	t.Run("nobody to ask", func(t *testing.T) {
		c, org := actor(t, approving(nil))
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err == nil || res.Outcome != abi.Denied || res.Error.Code != "not_approved" || org.Org.Writes() != 0 {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		c, org := actor(t, approving(host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
			return "", errors.New("not at night")
		})))
		res, _ := c.Invoke(ctx, op, json.RawMessage(input))
		if res.Outcome != abi.Denied || !strings.Contains(res.Error.Message, "not at night") || org.Org.Writes() != 0 {
			t.Errorf("%+v", res)
		}
	})
	t.Run("given", func(t *testing.T) {
		var asked []host.ApprovalRequest
		c, org := actor(t, approving(host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
			asked = append(asked, r)
			return "grace", nil
		})))
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err != nil || res.Outcome != abi.Succeeded || res.Meta.ApprovedBy != "grace" || org.Org.Effects() != 1 {
			t.Fatalf("%+v %v", res, err)
		}
		if len(asked) != 1 || len(asked[0].Plan.Writes) != 1 || asked[0].Class != abi.Destructive || asked[0].Operation != op {
			t.Errorf("%+v", asked)
		}
		// Nothing to do is nothing to approve; a class that is not named is not asked about.
		if res, err := c.Invoke(ctx, op, json.RawMessage(input)); err != nil || res.Outcome != abi.Unchanged || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
		if res, err := c.Invoke(ctx, "update_user", json.RawMessage(userWrites[1].input)); err != nil || res.Outcome != abi.Succeeded || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("and then the state changes", func(t *testing.T) {
		var other *host.Connection
		c, org := actor(t, approving(host.ApproverFunc(func(ctx context.Context, _ host.ApprovalRequest) (string, error) {
			_, err := other.Invoke(ctx, op, json.RawMessage(input)) // while the approver reads
			return "grace", err
		})))
		other = another(t, c, org)
		// delete_user was planned with two writes; only the second is still needed.
		if res, err := c.Invoke(ctx, "delete_user", json.RawMessage(input)); err != nil || res.Outcome != abi.Succeeded {
			t.Errorf("%+v %v", res, err)
		}
	})
}

// another is a second connection to the same org, without approval.
func another(t *testing.T, c *host.Connection, org *oktatest.Server) *host.Connection {
	t.Helper()
	cfg := c.Config()
	cfg.Approve = nil
	other, err := c.Module().Connect(context.Background(), cfg, host.ConnectOptions{Secrets: fixedSecret(org.Org.Token())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	return other
}

// A module that writes during a plan, or what was not approved, is stopped by the host.
func TestAHostileModuleDoesNotWriteDuringAPlan(t *testing.T) {
	r := newRig(t, host.Limits{}, nil, abi.Read, abi.Write)
	input := json.RawMessage(`{"do":"send","emit":{},"requests":[{"endpoint":"POST /api/v1/users","body":{}},{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{}}]}`)
	res, _ := r.Invoke(context.Background(), "write", input, host.InvokeOptions{Plan: true})
	if len(r.seen.uris) != 0 || res.Plan == nil || len(res.Plan.Writes) != 2 {
		t.Errorf("%v %+v", r.seen.uris, res)
	}
}
