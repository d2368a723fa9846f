package host

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/internal/warn"
)

// Invoke runs an operation once, as an action or a read. input is a JSON object; nil is {}. It is safe for concurrent
// use.
//
// The result is never nil. The error is an OutcomeError unless the outcome is succeeded or unchanged, or planned when
// a plan was asked for. So it is enough to check the error.
func (c *Connection) Invoke(ctx context.Context, operation string, input json.RawMessage, opts ...InvokeOptions) (*abi.Result, error) {
	inv := &invocation{input: input, started: time.Now(), entry: newAuditEntry()}
	for _, inv.options = range opts {
	}
	res := c.refuse(operation, abi.Invalid, "options", fmt.Sprintf("Invoke takes one InvokeOptions, found %d: put all options into one", len(opts)))
	if len(opts) <= 1 {
		res = c.invoke(ctx, operation, inv)
	}
	c.logResult(res)
	c.audit(ctx, inv, res)
	if !res.Outcome.OK() && res.Outcome != abi.Planned {
		return res, OutcomeError{Operation: res.Operation, Outcome: res.Outcome, Detail: res.Error}
	}
	return res, nil
}

// invocation is one Invoke: its arguments, and what the audit records of it.
type invocation struct {
	input   json.RawMessage
	options InvokeOptions
	started time.Time
	entry   *auditEntry
}

func (c *Connection) invoke(ctx context.Context, operation string, inv *invocation) *abi.Result {
	input := inv.input
	limited, cancel := c.deadline(ctx, inv.options.Timeout) // starts before the input is checked
	defer cancel()
	run, fail := c.prepare(limited, operation, abi.Axon, &input)
	if fail != nil {
		return fail
	}
	inv.input = input
	run.writes.entry = inv.entry
	run.writes.gate.BeforeWrite = c.auditWrites(inv, run)
	switch {
	case inv.options.Plan:
		run.writes.gate.Plan = true
		res := c.invokeOnce(limited, inv, run)
		if res.Outcome == abi.Succeeded && run.class != abi.Read { // no write was planned
			res.Outcome = abi.Unchanged
		}
		return res
	case inv.options.IdempotencyKey != "" && run.class != abi.Read:
		return c.invokeKeyed(ctx, inv, run)
	case c.needsApproval(run.class):
		return c.invokeApproved(ctx, inv, run) // an approval may take longer than a call
	}
	return c.invokeOnce(limited, inv, run)
}

// invokeOnce runs the module's invoke export for a call.
func (c *Connection) invokeOnce(ctx context.Context, inv *invocation, run *call) *abi.Result {
	defer run.end()
	values := redact.Of(run.op.Operation, inv.input)
	ctx, cancel := c.deadline(ctx, inv.options.Timeout)
	defer cancel()

	deadline, _ := ctx.Deadline()
	in := abi.InvokeInput{Operation: run.op.Name, Input: inv.input, Settings: c.settings(), Features: abi.Features(),
		Deadline: wireTime(deadline), Now: wireTime(c.opts.Now()), Show: run.writes.gate.BeforeWrite != nil && run.class != abi.Read}
	if e := run.writes.earlier; e != nil {
		in.Settle, in.SettleSince, in.SettleTarget = true, e.since, gate.SettleTarget(e.target)
	}
	raw, err := c.export(ctx, run, "invoke", in)
	res := &abi.Result{Operation: run.op.Name}
	var out abi.InvokeOutput
	if err == nil {
		res.Outcome, res.Error = run.judge(raw, &out)
	} else {
		res.Outcome, res.Error = run.failure(ctx, err)
	}
	trusted := res.Outcome == "" // the result is the module's
	if trusted {
		res.Outcome, res.Error, res.NextCursor = out.Outcome, values.Error(out.Error), out.NextCursor
		res.Truncated = out.Truncated && out.List && out.NextCursor != ""
		var repeats int
		if res.Output, repeats, err = run.answers.Output(ctx, &out); err != nil && run.wrote() {
			out.Warnings = append(out.Warnings, "the output was omitted: "+err.Error())
		} else if err != nil {
			res.Outcome, res.Error = run.noMemory(err)
		}
		if repeats > 0 {
			out.Warnings = append(out.Warnings, warn.Repeated(repeats))
			run.answers.Records -= repeats
		}
	}
	run.withheld(ctx, out.Withheld, values)
	if run.writes.gate.Plan {
		res.Plan = &abi.Plan{Writes: values.Writes(run.writes.gate.Planned), Warnings: out.Warnings}
		state, related := run.writes.gate.States.Now(ctx)
		res.Plan.State, res.Plan.Related = values.State(state), values.States(related)
		if len(run.writes.gate.Planned) > 0 && res.Outcome.OK() {
			res.Output = nil // it describes a write that was not sent
			res.Outcome = abi.Planned
		}
	}
	res.Meta = run.meta(inv.started)
	sent := run.wrote() || run.writes.earlier != nil // by this run or the earlier one
	partial := out.Partial && sent
	if !trusted || res.Outcome == abi.Failed { // the module may have read back what became of a write, unless it failed
		partial = partial || run.writes.accepted
	}
	res.Meta.Partial, res.Meta.Reconciled = partial && !res.Outcome.OK(), out.Reconciled && sent
	res.Meta.Sensitive, res.Meta.Warnings = out.Sensitive || run.answers.Revealed, out.Warnings
	if res.Outcome == abi.Planned {
		res.Meta.Records, res.Meta.Sensitive = 0, false // there is no output
	}
	return res
}

func (c *Connection) logResult(res *abi.Result) {
	attrs := []any{"operation", res.Operation, "outcome", string(res.Outcome), "requests", len(res.Meta.Requests),
		"ms", res.Meta.DurationMS}
	if res.Error != nil {
		attrs = append(attrs, "code", res.Error.Code)
		if res.Error.Upstream != nil {
			attrs = append(attrs, "status", res.Error.Upstream.Status, "request_id", res.Error.Upstream.RequestID)
		}
	}
	switch res.Outcome {
	case abi.Failed, abi.Unknown:
		c.log.Error("invoke", attrs...)
	default:
		c.log.Info("invoke", attrs...)
	}
}
