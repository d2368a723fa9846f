package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// maxRepeats is how often one approved write may leave again after it was refused: services refuse some for a moment.
const maxRepeats = 8

// gate is what an invoke's writes pass before they leave. The zero gate lets them through.
type gate struct {
	plan     bool                                          // none leaves: they are collected
	held     []abi.PlannedWrite                            // that were, as they would leave
	states   states                                        // what was read before the first of them
	approved []abi.PlannedWrite                            // nil is any; else these alone, in this order
	next     int                                           // of approved
	repeats  int                                           // of the last that left
	refused  bool                                          // it certainly did nothing
	intent   func(context.Context, abi.PlannedWrite) error // before that: the audit notes the first, and where each goes
	leaving  func(abi.PlannedWrite) error                  // before a write leaves; nil is nothing to do
}

// allow refuses a write that was not approved. Of those approved, each leaves once, and again where it did nothing.
func (g *gate) allow(w abi.PlannedWrite) error {
	if g.approved == nil {
		return nil
	}
	i := slices.IndexFunc(g.approved[g.next:], func(a abi.PlannedWrite) bool { return sameWrite(a, w) })
	switch {
	case i >= 0:
		g.next += i + 1 // those before it turned out not to be needed
		g.repeats = 0
		return nil
	case g.next > 0 && g.refused && g.repeats < maxRepeats && sameWrite(g.approved[g.next-1], w):
		g.repeats++
		return nil
	}
	if g.next == 0 {
		return errChanged
	}
	return fmt.Errorf("%s was not approved, after what was: the module does something else", w.Endpoint)
}

// errChanged is a first write that is not one of those approved. The state that they were planned from is not the same.
var errChanged = errors.New("the write that this needs now is not the one that was approved, since somebody changed the object: repeat it, to have the new one approved")

func sameWrite(a, b abi.PlannedWrite) bool {
	return a.Endpoint == b.Endpoint && a.Target == b.Target && a.IfMatch == b.IfMatch && bytes.Equal(a.Body, b.Body)
}

// ifMatch is the state that a write is for, as far as it says so: another one was not approved.
func ifMatch(headers map[string]string) string {
	for name, value := range headers {
		if http.CanonicalHeaderKey(name) == "If-Match" {
			return value
		}
	}
	return ""
}

// write passes a write through the gate and under the ceilings, and into the journal. A response is the end of it.
func (c *call) write(ctx context.Context, endpoint abi.Endpoint, req *abi.Request) *abi.Response {
	target, err := c.conn.client.Target(egress.Call{Endpoint: endpoint, Request: *req})
	if err != nil {
		return nil // Send says what is wrong with it
	}
	w := abi.PlannedWrite{Endpoint: endpoint.Endpoint, Target: target, IfMatch: ifMatch(req.Headers), Body: bytes.Clone(req.Body)}
	refuse := func(e abi.SendError) *abi.Response {
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Error: e.Code})
		return &abi.Response{Error: &e}
	}
	if e := c.writes.earlier; e != nil && otherObject(e.target, targetOf(w, c.writes.values)) {
		c.violate("write_refused", fmt.Sprintf("%s is for another object than the write of the earlier run with this idempotency key", w.Endpoint))
		return refuse(abi.SendError{Code: abi.SendDenied, Message: c.violation.Message})
	}
	if c.writes.gate.plan {
		if len(c.writes.gate.held) == maxHeld {
			return refuse(abi.SendError{Code: abi.SendLimit, Message: fmt.Sprintf("a plan has at most %d writes", maxHeld)})
		}
		c.writes.gate.states.about(endpoint, req)
		c.writes.gate.held = append(c.writes.gate.held, w)
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: req.Endpoint, Planned: true})
		return &abi.Response{Planned: true}
	}
	err = c.writes.gate.allow(w)
	if errors.Is(err, errChanged) {
		c.writes.changed = err
		c.conn.log.Warn("a write was held back: it is not one of those approved", "operation", c.op.Name, "endpoint", w.Endpoint)
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	if err != nil {
		c.violate("write_refused", err.Error())
		return refuse(abi.SendError{Code: abi.SendDenied, Message: err.Error()})
	}
	c.writes.gate.refused = true // until it leaves
	err = c.underCeilings(ctx)
	var over errCeiling
	if errors.As(err, &over) {
		c.writes.ceiling = &over
		return refuse(abi.SendError{Code: abi.SendCeiling, Message: err.Error(), RetryAfterMS: over.retryAfter()})
	}
	if err == nil && c.writes.gate.intent != nil {
		if len(c.writes.deed.targets) == 0 {
			c.writes.gate.states.about(endpoint, req)
			c.writes.deed.before, _ = c.writes.gate.states.now(ctx)
		}
		err = c.writes.gate.intent(ctx, w)
	}
	if err == nil && c.writes.gate.leaving != nil {
		err = c.writes.gate.leaving(w)
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

// maxHeld bounds a plan.
const maxHeld = 100
