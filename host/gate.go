package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/gate"
)

// write checks a write against the gate and the ceilings, and records it in the journal. If it returns a response,
// the write must not be sent.
func (c *call) write(ctx context.Context, endpoint abi.Endpoint, req *abi.Request) *abi.Response {
	target, err := c.conn.client.Target(egress.Call{Endpoint: endpoint, Request: *req})
	if err != nil {
		return nil // Send reports the mistake in the request
	}
	w := abi.PlannedWrite{Endpoint: endpoint.Endpoint, Target: target, IfMatch: gate.IfMatch(req.Headers), Body: req.Body}
	refuse := func(e abi.SendError) *abi.Response {
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Error: e.Code})
		return &abi.Response{Error: &e}
	}
	if e := c.writes.earlier; e != nil && gate.OtherObject(e.target, gate.TargetOf(w, c.writes.values)) {
		c.violate("write_refused", fmt.Sprintf("%s targets a different object than the write of the earlier run with this idempotency key", w.Endpoint))
		return refuse(abi.SendError{Code: abi.SendDenied, Message: c.violation.Message})
	}
	if c.writes.gate.Plan {
		if len(c.writes.gate.Planned) == gate.MaxPlanned {
			return refuse(abi.SendError{Code: abi.SendLimit, Message: fmt.Sprintf("a plan has at most %d writes", gate.MaxPlanned)})
		}
		if err := c.answers.Budget.Take(int64(len(w.Body) + len(w.Target))); err != nil {
			return refuse(abi.SendError{Code: abi.SendLimit, Message: err.Error()})
		}
		c.writes.gate.States.About(endpoint, req)
		c.writes.gate.Planned = append(c.writes.gate.Planned, w)
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Planned: true})
		return &abi.Response{Planned: true}
	}
	err = c.writes.gate.Allow(w)
	if errors.Is(err, gate.ErrChanged) {
		c.writes.changed = err
		c.conn.log.Warn("a write was not sent: it is not an approved one", "operation", c.op.Name, "endpoint", w.Endpoint)
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	if err != nil {
		c.violate("write_refused", err.Error())
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	c.writes.gate.Refused = true // nothing has been sent yet
	err = c.writes.counter.Count(ctx)
	var over gate.CeilingError
	if errors.As(err, &over) {
		c.writes.ceiling = &over
		return refuse(abi.SendError{Code: abi.SendCeiling, Message: err.Error(), RetryAfterMS: over.RetryAfter()})
	}
	if err == nil && c.writes.gate.BeforeWrite != nil {
		if len(c.writes.entry.targets) == 0 {
			c.writes.gate.States.About(endpoint, req)
			c.writes.entry.before, _ = c.writes.gate.States.Now(ctx)
		}
		err = c.writes.gate.BeforeWrite(ctx, w)
	}
	if err == nil && c.writes.gate.Sending != nil {
		err = c.writes.gate.Sending(w)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return refuse(abi.SendError{Code: abi.SendTimeout, Message: "the call's time ended before the write was sent"})
	case err != nil:
		c.writes.journalErr = err
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	return nil
}

// keepsState reports whether a plan or the audit needs the state in a response that arrives now: the state before the first
// write. For a plan it is always true, also for reads that the write does not need.
func (c *call) keepsState() bool {
	if c.writes.gate.Plan {
		return true // a plan sends nothing, so every read shows the state before
	}
	return c.writes.gate.BeforeWrite != nil && c.class != abi.Read && len(c.writes.entry.targets) == 0
}

// keepState stores a successful response to a GET as the state for a plan or the audit, if keepsState says so.
func (c *call) keepState(endpoint *abi.Endpoint, out abi.Response) {
	if c.keepsState() && endpoint.Method() == http.MethodGet && out.Status == http.StatusOK && out.Length <= gate.MaxState {
		c.writes.gate.States.Keep(c.answers.Budget, endpoint, c.answers.Read(out.Body))
	}
}
