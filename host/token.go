package host

import (
	"context"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/answers"
)

// exchange sends a request, with the connection's credential if signed.
func (c *call) exchange(ctx context.Context, endpoint abi.Endpoint, req abi.Request, signed bool) (*egress.Response, *abi.SendError) {
	out := egress.Call{Endpoint: endpoint, Request: req}
	if c.answers != nil {
		out.Memory = c.answers.Budget
	}
	return c.use.Send(ctx, c.conn.client, out, signed)
}

func (c *call) repeatsToken(resp *egress.Response, headers map[string][]string) bool {
	for _, values := range headers {
		for _, v := range values {
			if c.conn.credential.Shows(v) {
				return true
			}
		}
	}
	return c.conn.credential.Shows(resp.RequestID) || resp.Body.Len() <= answers.SearchAtOnce && c.holdsToken(resp.Body.Bytes())
}

func (c *call) holdsToken(b []byte) bool { return c.conn.credential.ShowsIn(b) }
