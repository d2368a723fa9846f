package host

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/answers"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

// secret returns a placeholder for the connection's token, a new one for each call.
func (c *call) secret(ref string) abi.Secret {
	if ref != abi.TokenRef {
		return abi.Secret{Error: "unknown secret"}
	}
	if c.placeholder == "" {
		c.placeholder = credential.NewPlaceholder()
	}
	s := abi.Secret{Header: c.conn.auth.Header, Scheme: c.conn.auth.Prefix, Placeholder: string(c.placeholder)}
	if s.Header == credential.Authorization {
		s.Header = ""
	}
	return s
}

// authorize removes the credential's header from a request, and refuses a placeholder anywhere else. signed reports
// whether the request must be sent with the token.
func (c *call) authorize(req *abi.Request) (signed bool, err error) {
	header := ""
	for name, value := range req.Headers {
		if strings.EqualFold(name, c.conn.auth.Header) {
			if header != "" {
				return false, fmt.Errorf("the request has two %s headers", c.conn.auth.Header)
			}
			header = value
			delete(req.Headers, name)
		}
	}
	if c.placeholder != "" && c.placeholder.In(req) {
		return false, fmt.Errorf("the placeholder of a secret may only be in the %s header", c.conn.auth.Header)
	}
	if req.Sign {
		if header != "" {
			return false, fmt.Errorf("the request has both sign and the %s header: use one", c.conn.auth.Header)
		}
		return true, nil
	}
	if header == "" {
		return false, nil
	}
	if c.placeholder == "" || header != credential.HeaderValue(c.conn.auth, string(c.placeholder)) {
		return false, fmt.Errorf("the %s header must be the scheme and placeholder of secret_get", c.conn.auth.Header)
	}
	return true, nil
}

// exchange sends a request, with the connection's token if signed. After a 401, which means the request was not
// carried out, it reads the token again and repeats the request with each token not yet tried.
func (c *call) exchange(ctx context.Context, endpoint abi.Endpoint, req abi.Request, signed bool) (*egress.Response, *abi.SendError) {
	out := egress.Call{Endpoint: endpoint, Request: req}
	if c.answers != nil {
		out.Memory = c.answers.Budget
	}
	if !signed {
		return c.conn.client.Send(ctx, out)
	}
	token, err := c.conn.credential.Refresh(ctx)
	if err != nil {
		return &egress.Response{}, &abi.SendError{Code: abi.SendConnect, Message: "the token cannot be read: " + err.Error()}
	}
	attempts, waited := 0, time.Duration(0)
	for tried := []secrets.Value{token}; ; tried = append(tried, token) {
		out.Authorization = credential.HeaderValue(c.conn.auth, token.Reveal())
		resp, sendErr := c.conn.client.Send(ctx, out)
		attempts, waited = attempts+resp.Attempts, waited+resp.Waited
		resp.Attempts, resp.Waited = attempts, waited
		switch {
		case sendErr != nil:
			return resp, sendErr
		case resp.Status != http.StatusUnauthorized:
			c.conn.credential.Accept(token, len(tried) > 1)
			return resp, nil
		}
		var ok bool
		if token, ok = c.conn.credential.After401(ctx, tried); !ok {
			return resp, nil
		}
		resp.Body.Release()
	}
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
