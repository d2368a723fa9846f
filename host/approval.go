package host

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
)

// Approver decides whether an invoke may write. It is asked once, before the first write of a class that the connection
// wants approved, and must be safe for concurrent use.
type Approver interface {
	// Approve answers who approved. An error refuses, and its text says why.
	Approve(ctx context.Context, r ApprovalRequest) (approver string, err error)
}

// ApprovalRequest is what an Approver gets to see. Nothing sensitive is in it.
type ApprovalRequest struct {
	Connection string
	Operation  string
	Class      abi.Class
	Input      json.RawMessage // sensitive fields masked
	Plan       abi.Plan        // the writes that will leave, and no others; sensitive values masked
}

// ApproverFunc is a function that is an Approver.
type ApproverFunc func(context.Context, ApprovalRequest) (string, error)

// Approve implements Approver.
func (f ApproverFunc) Approve(ctx context.Context, r ApprovalRequest) (string, error) {
	return f(ctx, r)
}

// needsApproval reports whether the connection wants a class approved.
func (c *Connection) needsApproval(class abi.Class) bool {
	return slices.Contains(c.config.Approve, class)
}

// approved runs an invoke. If its class needs approval, it plans the invoke, asks, and then lets exactly the planned writes
// pass.
func (c *Connection) approved(ctx context.Context, inv *invocation, run *call) *abi.Result {
	if !c.needsApproval(run.class) {
		return c.once(ctx, inv, run)
	}
	planning := c.newCall(run.op, run.class, run.surface)
	planning.writes = writes{gate: gate.Gate{Plan: true}, earlier: run.writes.earlier, values: run.writes.values, deed: run.writes.deed}
	planned := c.once(ctx, inv, planning)
	if planned.Outcome != abi.Planned {
		planned.Plan = nil
		return planned // there is nothing to approve
	}
	refuse := func(why string) *abi.Result {
		run.writes.deed.approval = audit.NewApproval(planned.Plan, "")
		return &abi.Result{Operation: run.op.Name, Outcome: abi.Denied, Plan: planned.Plan, Meta: planned.Meta,
			Error: &abi.Error{Code: "not_approved", Message: fmt.Sprintf("%s is of class %s, which connection %s wants approved: %s",
				run.op.Name, run.class, c.config.Name, why)}}
	}
	if c.opts.Approver == nil {
		return refuse("nobody is there to ask")
	}
	approver, err := c.opts.Approver.Approve(ctx, ApprovalRequest{Connection: c.config.Name, Operation: run.op.Name, Class: run.class,
		Input: redact.Input(run.op.Operation, inv.input), Plan: *planned.Plan})
	if err != nil {
		return refuse(err.Error())
	}
	run.writes.gate.Approved, run.writes.approver, run.writes.deed.approval = planning.writes.gate.Held, approver, audit.NewApproval(planned.Plan, approver)
	res := c.once(ctx, inv, run)
	res.Meta.ApprovedBy = approver
	var reads []abi.RequestMeta
	for _, r := range planned.Meta.Requests {
		if r.Attempts > 0 || r.Error != "" {
			reads = append(reads, r)
		}
	}
	res.Meta.Requests = append(reads, res.Meta.Requests...)
	return res
}
