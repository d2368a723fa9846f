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

// Approver decides whether an invoke may write. It is asked once, before the first write of a class that needs
// approval. It must be safe for concurrent use.
type Approver interface {
	// Approve returns who approved. An error denies the invoke; its text says why.
	Approve(ctx context.Context, r ApprovalRequest) (approver string, err error)
}

// ApprovalRequest is what an Approver sees. Sensitive values are masked.
type ApprovalRequest struct {
	Connection string
	Operation  string
	Class      abi.Class
	Input      json.RawMessage // sensitive fields masked
	Plan       abi.Plan        // exactly the writes that will be sent; sensitive values masked
}

// ApproverFunc makes a function an Approver.
type ApproverFunc func(context.Context, ApprovalRequest) (string, error)

// Approve implements Approver.
func (f ApproverFunc) Approve(ctx context.Context, r ApprovalRequest) (string, error) {
	return f(ctx, r)
}

// needsApproval reports whether writes of the class need approval on this connection.
func (c *Connection) needsApproval(class abi.Class) bool {
	return slices.Contains(c.config.Approve, class)
}

// invokeApproved runs an invoke. If its class needs approval, it plans the invoke and asks. Then it sends exactly the
// planned writes.
func (c *Connection) invokeApproved(ctx context.Context, inv *invocation, run *call) *abi.Result {
	if !c.needsApproval(run.class) {
		return c.invokeOnce(ctx, inv, run)
	}
	planning := c.newCall(run.op, run.class, run.surface, inv.input)
	planning.writes = writes{gate: gate.Gate{Plan: true}, earlier: run.writes.earlier, values: run.writes.values, entry: run.writes.entry}
	planned := c.invokeOnce(ctx, inv, planning)
	if planned.Outcome != abi.Planned {
		planned.Plan = nil
		return planned // there is nothing to approve
	}
	refuse := func(why string) *abi.Result {
		run.writes.entry.approval = audit.NewApproval(planned.Plan, "")
		return &abi.Result{Operation: run.op.Name, Outcome: abi.Denied, Plan: planned.Plan, Meta: planned.Meta,
			Error: &abi.Error{Code: "not_approved", Message: fmt.Sprintf("%s is of class %s, which needs approval on connection %s: %s",
				run.op.Name, run.class, c.config.Name, why)}}
	}
	if c.opts.Approver == nil {
		return refuse("no approver is configured: add one, or remove the class from the connection's approve list")
	}
	approver, err := c.opts.Approver.Approve(ctx, ApprovalRequest{Connection: c.config.Name, Operation: run.op.Name, Class: run.class,
		Input: redact.Input(run.op.Operation, inv.input), Plan: *planned.Plan})
	if err != nil {
		return refuse(err.Error())
	}
	run.writes.gate.Approved, run.writes.approver, run.writes.entry.approval = planning.writes.gate.Planned, approver, audit.NewApproval(planned.Plan, approver)
	res := c.invokeOnce(ctx, inv, run)
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
