package host_test

import (
	"context"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// The host must use the writes that were planned, not what the module says.
func TestPlan_OfAModuleThatLies_IsPlanned(t *testing.T) {
	for text, want := range map[string]abi.Outcome{
		`{"outcome":"unchanged"}`: abi.Planned,
		`{"outcome":"succeeded","output":{"done":true},"reconciled":true}`: abi.Planned,
		`{"outcome":"planned"}`: abi.Failed,
		`{"outcome":"planned","error":{"code":"x","message":"y"}}`:                 abi.Failed,
		`{"outcome":"rejected","error":{"code":"x","message":"y"},"partial":true}`: abi.Rejected,
	} {
		c, got := hostile(t, nil)
		res, _ := c.Invoke(context.Background(), "write", said(text, ``, update), host.InvokeOptions{Plan: true})
		if len(got.URIs()) != 0 || res.Outcome != want || res.Meta.Reconciled || res.Meta.Partial || res.Outcome == abi.Planned && res.Output != nil {
			t.Errorf("%s: received %v, %s %+v %+v", text, got.URIs(), res.Outcome, res.Error, res.Meta)
		}
	}
	// Without a write, success in a plan means unchanged.
	c, _ := hostile(t, nil)
	if res, err := c.Invoke(context.Background(), "write", said(`{"outcome":"succeeded"}`, ``), host.InvokeOptions{Plan: true}); err != nil || res.Outcome != abi.Unchanged {
		t.Errorf("%v %+v", err, res)
	}
	// Outside a plan, planned is not a valid outcome.
	for _, op := range []string{"read", "write"} {
		res, err := c.Invoke(context.Background(), op, said(`{"outcome":"planned","error":{"code":"x","message":"y"}}`, ``))
		if err == nil || res.Outcome != abi.Failed || res.Error.Code != "bad_result" {
			t.Errorf("%s: %v %+v", op, err, res)
		}
	}
	r := newRig(t, host.Limits{}, nil)
	const planned = `{"outcome":"planned","checkpoint":{"v":1},"caught_up":true,"error":{"code":"x","message":"y"}}`
	hosttest.WantOutcome(t, firstPage(r, said(planned, ``)), abi.Failed, "bad_result")
	_, err := rows(t, r, said(planned, ``))
	hosttest.WantOutcome(t, err, abi.Failed, "bad_result")
}
