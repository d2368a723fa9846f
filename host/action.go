package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
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
	Plan       abi.Plan        // the writes that will leave, and no others
}

// ApproverFunc is a function that is an Approver.
type ApproverFunc func(context.Context, ApprovalRequest) (string, error)

// Approve implements Approver.
func (f ApproverFunc) Approve(ctx context.Context, r ApprovalRequest) (string, error) {
	return f(ctx, r)
}

// masked stands for what is not shown.
const masked = `"***"`

// maxState bounds the state that a plan shows, in bytes.
const maxState = 256 << 10

// gate is what an invoke's writes pass before they leave. The zero gate lets them through.
type gate struct {
	plan     bool               // none leaves: they are collected
	held     []abi.PlannedWrite // that were
	state    json.RawMessage    // the last object that was read
	approved []abi.PlannedWrite // nil is any; else these alone, in this order
	next     int                // of approved
	wrote    func() error       // before a write leaves; nil is nothing to do
	secrets  []string           // JSON texts of the input's sensitive values
}

// pass decides about one write: leave, be held back, or be refused.
func (g *gate) pass(w abi.PlannedWrite) (held bool, err error) {
	if g.plan {
		w.Body = g.mask(w.Body)
		g.held = append(g.held, w)
		return true, nil
	}
	if g.approved != nil {
		w.Body = g.mask(w.Body)
		i := slices.IndexFunc(g.approved[g.next:], func(a abi.PlannedWrite) bool { return sameWrite(a, w) })
		switch {
		case i >= 0:
			g.next += i // those before it turned out not to be needed
		case g.next > 0 && sameWrite(g.approved[g.next-1], w): // a repeat of the last
			return false, g.leaving()
		default:
			return false, fmt.Errorf("%s %s was not approved: the state changed since, or the module does something else", w.Endpoint, w.Target)
		}
		g.next++
	}
	return false, g.leaving()
}

func (g *gate) leaving() error {
	if g.wrote == nil {
		return nil
	}
	return g.wrote()
}

func sameWrite(a, b abi.PlannedWrite) bool {
	return a.Endpoint == b.Endpoint && a.Target == b.Target && bytes.Equal(a.Body, b.Body)
}

// mask takes the input's sensitive values out of a body.
func (g *gate) mask(body json.RawMessage) json.RawMessage {
	for _, s := range g.secrets {
		body = bytes.ReplaceAll(body, []byte(s), []byte(masked))
	}
	return body
}

// sensitiveFields are the fields of an input whose schema says "x-sensitive".
func sensitiveFields(op *abi.Operation) []string {
	var fields []string
	gjson.GetBytes(op.InputSchema, "properties").ForEach(func(name, schema gjson.Result) bool {
		if schema.Get("x-sensitive").Bool() {
			fields = append(fields, name.Str)
		}
		return true
	})
	return fields
}

// sensitiveValues are the strings and numbers of an input's sensitive fields, as JSON.
func sensitiveValues(op *abi.Operation, input json.RawMessage) []string {
	var values []string
	var walk func(gjson.Result)
	walk = func(v gjson.Result) {
		if v.IsObject() || v.IsArray() {
			v.ForEach(func(_, m gjson.Result) bool { walk(m); return true })
		} else if v.Type == gjson.String && v.Str != "" || v.Type == gjson.Number {
			values = append(values, v.Raw)
		}
	}
	for _, f := range sensitiveFields(op) {
		walk(gjson.GetBytes(input, gjson.Escape(f)))
	}
	return values
}

// maskInput is an input without its sensitive fields' values.
func maskInput(op *abi.Operation, input json.RawMessage) json.RawMessage {
	for _, f := range sensitiveFields(op) {
		if path := gjson.Escape(f); gjson.GetBytes(input, path).Exists() {
			out, err := sjson.SetRawBytes(input, path, []byte(masked))
			if err != nil {
				return json.RawMessage(`{}`)
			}
			input = out
		}
	}
	return input
}

// write passes a write through the gate. A response is the end of it.
func (c *call) write(ctx context.Context, endpoint abi.Endpoint, req *abi.Request) *abi.Response {
	target, err := c.conn.client.Target(egress.Call{Endpoint: endpoint, Request: *req})
	if err != nil {
		return nil // Send says what is wrong with it
	}
	if !c.gate.plan {
		if err := c.underCeilings(ctx); err != nil {
			var ceiling errCeiling
			if errors.As(err, &ceiling) {
				c.ceiling = &ceiling
			}
			c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Error: abi.SendRateLimited})
			out := refused(abi.SendRateLimited, err.Error())
			return &out
		}
	}
	held, err := c.gate.pass(abi.PlannedWrite{Endpoint: endpoint.Endpoint, Target: target, Body: req.Body})
	switch {
	case err != nil:
		c.violate("write_refused", err.Error())
		out := refused(abi.SendDenied, err.Error())
		return &out
	case held:
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint})
		return &abi.Response{Planned: true}
	}
	return nil
}

// needsApproval reports whether the connection wants a class approved.
func (c *Connection) needsApproval(class abi.Class) bool {
	return slices.Contains(c.config.Approve, class)
}

// approve plans an invoke and asks the connection's approver about it. A result is the end of it: there is nothing to
// approve, or it was refused.
func (c *Connection) approve(ctx context.Context, run *call, input json.RawMessage, o InvokeOptions, started time.Time) (plan *abi.Plan, approver string, end *abi.Result) {
	o.Plan = true
	planned := c.once(ctx, &call{conn: c, op: run.op, class: run.class, surface: run.surface, settle: run.settle}, input, o, started)
	if planned.Outcome != abi.Succeeded || planned.Plan == nil || len(planned.Plan.Writes) == 0 {
		planned.Plan = nil
		return nil, "", planned
	}
	refuse := func(why string) *abi.Result {
		return &abi.Result{Operation: run.op.Name, Outcome: abi.Denied, Plan: planned.Plan, Meta: planned.Meta,
			Error: &abi.Error{Code: "not_approved", Message: fmt.Sprintf("%s is of class %s, which connection %s wants approved: %s",
				run.op.Name, run.class, c.config.Name, why)}}
	}
	if c.opts.Approver == nil {
		return nil, "", refuse("nobody is there to ask")
	}
	approver, err := c.opts.Approver.Approve(ctx, ApprovalRequest{Connection: c.config.Name, Operation: run.op.Name, Class: run.class,
		Input: maskInput(run.op.Operation, input), Plan: *planned.Plan})
	if err != nil {
		return nil, "", refuse(err.Error())
	}
	return planned.Plan, approver, nil
}
