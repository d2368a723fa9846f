package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/gate"
)

// write passes a write through the gate and under the ceilings, and into the journal. A response is the end of it.
func (c *call) write(ctx context.Context, endpoint abi.Endpoint, req *abi.Request) *abi.Response {
	target, err := c.conn.client.Target(egress.Call{Endpoint: endpoint, Request: *req})
	if err != nil {
		return nil // Send says what is wrong with it
	}
	w := abi.PlannedWrite{Endpoint: endpoint.Endpoint, Target: target, IfMatch: gate.IfMatch(req.Headers), Body: bytes.Clone(req.Body)}
	refuse := func(e abi.SendError) *abi.Response {
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Error: e.Code})
		return &abi.Response{Error: &e}
	}
	if e := c.writes.earlier; e != nil && gate.OtherObject(e.target, gate.TargetOf(w, c.writes.values)) {
		c.violate("write_refused", fmt.Sprintf("%s is for another object than the write of the earlier run with this idempotency key", w.Endpoint))
		return refuse(abi.SendError{Code: abi.SendDenied, Message: c.violation.Message})
	}
	if c.writes.gate.Plan {
		if len(c.writes.gate.Held) == gate.MaxHeld {
			return refuse(abi.SendError{Code: abi.SendLimit, Message: fmt.Sprintf("a plan has at most %d writes", gate.MaxHeld)})
		}
		c.writes.gate.States.About(endpoint, req)
		c.writes.gate.Held = append(c.writes.gate.Held, w)
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Planned: true})
		return &abi.Response{Planned: true}
	}
	err = c.writes.gate.Allow(w)
	if errors.Is(err, gate.ErrChanged) {
		c.writes.changed = err
		c.conn.log.Warn("a write was held back: it is not one of those approved", "operation", c.op.Name, "endpoint", w.Endpoint)
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	if err != nil {
		c.violate("write_refused", err.Error())
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	c.writes.gate.Refused = true // until it leaves
	err = c.underCeilings(ctx)
	var over gate.CeilingError
	if errors.As(err, &over) {
		c.writes.ceiling = &over
		return refuse(abi.SendError{Code: abi.SendCeiling, Message: err.Error(), RetryAfterMS: over.RetryAfter()})
	}
	if err == nil && c.writes.gate.Intent != nil {
		if len(c.writes.deed.targets) == 0 {
			c.writes.gate.States.About(endpoint, req)
			c.writes.deed.before, _ = c.writes.gate.States.Now(ctx)
		}
		err = c.writes.gate.Intent(ctx, w)
	}
	if err == nil && c.writes.gate.Sending != nil {
		err = c.writes.gate.Sending(w)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return refuse(abi.SendError{Code: abi.SendTimeout, Message: "the call's time was up before the write could leave"})
	case err != nil:
		c.writes.journalErr = err
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	return nil
}

// keepsState reports whether an answer now is from before the first write, and a plan or the audit wants it. A module may read
// for a plan what it does not need for the write.
func (c *call) keepsState() bool {
	if c.writes.gate.Plan {
		return true // nothing is sent, so every read is from before
	}
	return c.writes.gate.Intent != nil && c.class != abi.Read && len(c.writes.deed.targets) == 0
}

// keepState remembers an answer for the state in a plan or in the audit.
func (c *call) keepState(endpoint *abi.Endpoint, out abi.Response) {
	if c.keepsState() && endpoint.Method() == http.MethodGet && out.Status == http.StatusOK && out.Length <= gate.MaxState {
		c.writes.gate.States.Keep(endpoint, c.answers.Read(out.Body))
	}
}
