package faultmatrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// sent returns the writes that arrived, in the form of planned ones.
func sent(o *org) []string {
	var all []string
	for _, r := range o.Requests()[o.filled.requests:] {
		if r.Method == http.MethodGet {
			continue
		}
		target := r.Path
		if r.RawQuery != "" {
			target += "?" + r.RawQuery
		}
		all = append(all, fmt.Sprintf("%s %s %s", r.Method, target, bytes.ReplaceAll(r.Body, []byte(`"Correct horse battery 9"`), []byte(`"***"`))))
	}
	return all
}

func planned(p *abi.Plan) []string {
	var all []string
	for _, w := range p.Writes {
		method, _, _ := strings.Cut(w.Endpoint, " ")
		all = append(all, fmt.Sprintf("%s %s %s", method, w.Target, w.Body))
	}
	return all
}

// TestPlan_EveryWrite_IsWhatRunSends plans each write, which sends nothing, and then runs it with approval. The plan, the
// approval request and the sent writes must be the same.
func TestPlan_EveryWrite_IsWhatRunSends(t *testing.T) {
	m := hosttest.Connector.Module(t)
	for _, a := range actions {
		t.Run(a.op+" "+a.input, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			o := newOrg(t)
			input := json.RawMessage(o.fill(t, a.input))
			var asked []host.ApprovalRequest
			c := hosttest.Connect(t, m, host.Config{Name: "plan", BaseURL: o.address, Grants: abi.Classes(),
				Approve: []abi.Class{abi.Write, abi.Destructive, abi.Privileged}},
				host.ConnectOptions{Secrets: hosttest.Secret(o.Token()), Approver: host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
					asked = append(asked, r)
					return "grace", nil
				})})

			plan, err := c.Invoke(ctx, a.op, input, host.InvokeOptions{Plan: true})
			if err != nil || plan.Outcome != abi.Planned || plan.Plan == nil || plan.Output != nil || len(plan.Plan.Writes) != max(1, len(a.writes)) {
				t.Fatalf("%v %+v", err, plan)
			}
			if o.entered.Load() != 0 || o.Writes() != 0 || o.Effects() != 0 || len(asked) != 0 {
				t.Fatalf("planning sent a write or asked for approval: %v %v", sent(o), asked)
			}
			text, _ := json.Marshal(plan)
			if !strings.HasPrefix(a.op, "create_") && !strings.HasPrefix(a.op, "assign_") && !json.Valid(plan.Plan.State) {
				t.Errorf("the plan has no current state: %s", text)
			}

			res, err := c.Invoke(ctx, a.op, input)
			if err != nil || res.Outcome != abi.Succeeded || res.Meta.ApprovedBy != "grace" || o.Effects() != max(1, len(a.writes)) {
				t.Fatalf("%v %+v, %d effects", err, res, o.Effects())
			}
			if len(asked) != 1 || asked[0].Operation != a.op || asked[0].Connection != "plan" || asked[0].Class != res.Meta.Class {
				t.Fatalf("asked %+v", asked)
			}
			want := strings.Join(planned(plan.Plan), "\n")
			got := strings.Join(sent(o), "\n")
			var in struct{ Session string }
			if err := json.Unmarshal(input, &in); err != nil {
				t.Fatal(err)
			}
			if in.Session != "" { // plans do not show sessions
				got = strings.Replace(got, in.Session, "***", 1)
			}
			if got != want {
				t.Errorf("planned\n%s\nsent\n%s", want, got)
			}
			if got := strings.Join(planned(&asked[0].Plan), "\n"); got != want {
				t.Errorf("planned\n%s\napproved\n%s", want, got)
			}
			shown, _ := json.Marshal(asked)
			if all := string(text) + string(shown); strings.Contains(all, "Correct horse") {
				t.Errorf("the plan or the approval request shows a password: %s", all)
			}

			// If nothing is to be done, the plan has no writes, and no approval is requested.
			again, err := c.Invoke(ctx, a.op, input, host.InvokeOptions{Plan: true})
			if err == nil && again.Outcome == abi.Unchanged && len(again.Plan.Writes) != 0 {
				t.Errorf("%+v", again.Plan)
			}
		})
	}
}
