package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/host"
)

func TestApproval_OfAWrite_IsAskedBeforeTheFirst(t *testing.T) {
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
		// A call without a write needs no approval. A class that is not named is not asked about.
		if res, err := c.Invoke(ctx, op, json.RawMessage(input)); err != nil || res.Outcome != abi.Unchanged || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
		if res, err := c.Invoke(ctx, "update_user", json.RawMessage(`{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`)); err != nil || res.Outcome != abi.Succeeded || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("the state changes before the write", func(t *testing.T) {
		var other *host.Connection
		c, org := actor(t, approving(host.ApproverFunc(func(ctx context.Context, _ host.ApprovalRequest) (string, error) {
			_, err := other.Invoke(ctx, op, json.RawMessage(input)) // while the approver reads
			return "grace", err
		})))
		other = e2e.Again(t, c, org, func(cfg *host.Config, _ *host.ConnectOptions) { cfg.Approve = nil })
		// The plan of delete_user had two writes. Only the second is still needed.
		if res, err := c.Invoke(ctx, "delete_user", json.RawMessage(input)); err != nil || res.Outcome != abi.Succeeded {
			t.Errorf("%+v %v", res, err)
		}
	})
}

// TestApproval_TargetChangedMeanwhile_IsAskedAgain changes the object while the approver reads the plan.
func TestApproval_TargetChangedMeanwhile_IsAskedAgain(t *testing.T) {
	ctx := context.Background()
	var others *host.Connection
	asked := 0
	conn, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Approve = []abi.Class{abi.Write, abi.Destructive, abi.Privileged}
		o.Approver = host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
			if asked++; asked > 1 {
				return "grace", nil
			}
			_, err := others.Invoke(ctx, "update_zone", json.RawMessage(`{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.8"]}`))
			return "grace", err
		})
	})
	others = e2e.Again(t, conn, org, func(cfg *host.Config, _ *host.ConnectOptions) { cfg.Approve = nil })
	const add = `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`
	res, _ := conn.Invoke(ctx, "update_zone", json.RawMessage(add))
	if res.Outcome != abi.Rejected || res.Error.Code != "changed_meanwhile" || !res.Error.Retryable || org.Org.Writes() != 1 {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Org.Writes())
	}
	if res, _ = conn.Invoke(ctx, "update_zone", json.RawMessage(add)); res.Outcome != abi.Succeeded || asked != 2 {
		t.Errorf("again: %s %+v", res.Outcome, res.Error)
	}
}
