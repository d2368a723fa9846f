package host

import (
	"context"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/announced"
	"github.com/mach5/okta-connector/host/internal/guard"
)

// passGuards makes the reads of an endpoint's guards. If it returns a response, the request must not be sent.
func (c *call) passGuards(ctx context.Context, e *abi.Endpoint, req *abi.Request) *abi.Response {
	target := func() (string, error) { return c.conn.client.Target(egress.Call{Endpoint: *e, Request: *req}) }
	out, err := guard.Call{Target: target, Class: c.class, ErrorCode: c.answers.ErrorCode, Body: c.answers.Read, Send: func(read abi.Request) abi.Response {
		if over := c.countSend(); over != nil {
			return abi.Response{Error: over}
		}
		e, started := c.op.Granted[read.Endpoint], time.Now()
		resp, err := c.exchange(ctx, *e, read, true)
		return c.settled(ctx, announced.Read{Endpoint: e, Request: read}, announced.Sent{Response: resp, Err: err}, started)
	}}.Pass(e, req)
	if err != nil {
		c.violate("guard_evaded", err.Error())
	}
	if out != nil {
		c.requests = append(c.requests, abi.RequestMeta{Endpoint: e.Endpoint, Error: out.Error.Code})
	}
	return out
}
