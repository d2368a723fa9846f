package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// TestPlan_OfAWrite_IsPlanned: the outcome alone shows that nothing was done.
func TestPlan_OfAWrite_IsPlanned(t *testing.T) {
	ctx, audit := context.Background(), &hosttest.Audit{}
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
		o.Auditor, o.Journal = audit, hosttest.Journal(t, journal.Options{})
	})
	plan := host.InvokeOptions{Plan: true, IdempotencyKey: "k"}
	for _, w := range []struct {
		op, input string
		want      abi.Outcome
		writes    int
	}{
		{"deactivate_user", `{"user":"alan.turing@example.com"}`, abi.Planned, 1},
		{"delete_user", `{"user":"alan.turing@example.com"}`, abi.Planned, 2},
		{"create_group", `{"name":"Night Shift"}`, abi.Planned, 1},
		{"reactivate_user", `{"user":"kofi.lindqvist4@example.com"}`, abi.Planned, 1}, // returns a link
		{"update_user", `{"user":"ada.lovelace@example.com","profile":{"firstName":"Ada"}}`, abi.Unchanged, 0},
		{"create_group", `{"name":"Engineering"}`, abi.Rejected, 0},
		{"update_user", `{"user":"nobody@example.com","profile":{"title":"x"}}`, abi.NotFound, 0},
		{"create_group", `{}`, abi.Invalid, 0},
		{"lookup_user", `{"user":"ada.lovelace@example.com"}`, abi.Succeeded, 0}, // a read is executed
	} {
		res, err := c.Invoke(ctx, w.op, json.RawMessage(w.input), plan)
		failed := errors.As(err, new(host.OutcomeError))
		fine := w.want.OK() || w.want == abi.Planned
		if res.Outcome != w.want || failed == fine || audit.All[len(audit.All)-1].Outcome != w.want {
			t.Errorf("%s %s: %s %+v, error %v, in the audit %s", w.op, w.input, res.Outcome, res.Error, err, audit.All[len(audit.All)-1].Outcome)
		}
		if w.want != abi.Invalid && (res.Plan == nil || len(res.Plan.Writes) != w.writes) {
			t.Errorf("%s: the plan is %+v", w.op, res.Plan)
		}
		held := 0
		for _, r := range res.Meta.Requests {
			if r.Planned != (r.Attempts == 0) {
				t.Errorf("%s: %+v", w.op, r)
			}
			if r.Planned {
				held++
			}
		}
		if held != w.writes || res.Meta.Reconciled || res.Meta.Partial || res.Outcome == abi.Planned && (res.Output != nil || res.Meta.Records != 0 || res.Meta.Sensitive) {
			t.Errorf("%s: %+v, output %s", w.op, res.Meta, res.Output)
		}
	}
	if org.Org.Writes() != 0 || len(audit.Writing) != 0 {
		t.Errorf("%d writes were sent, %d are in the audit", org.Org.Writes(), len(audit.Writing))
	}
	// The plans did not use up the key.
	key := host.InvokeOptions{IdempotencyKey: "k"}
	res, err := c.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`), key)
	if err != nil || res.Outcome != abi.Succeeded || res.Meta.Replayed || !res.Meta.RecordedAt.IsZero() {
		t.Errorf("%v %+v", err, res)
	}
	// A replayed result says so, with its time.
	res, err = c.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`), key)
	if err != nil || res.Outcome != abi.Succeeded || !res.Meta.Replayed || res.Meta.RecordedAt.IsZero() {
		t.Errorf("%v %+v", err, res)
	}
	if abi.Planned.OK() || !abi.Planned.Valid() {
		t.Error("planned counts as OK, but the wanted state does not hold")
	}
}
