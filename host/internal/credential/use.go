package credential

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// Authorization is the default header for a credential.
const Authorization = "Authorization"

// HeaderValue returns the value of the credential's header: the prefix, if there is one, then the credential.
func HeaderValue(a abi.Auth, credential string) string {
	if a.Prefix == "" {
		return credential
	}
	return a.Prefix + " " + credential
}

// Placeholder replaces a secret in what the guest sees.
type Placeholder string

// NewPlaceholder returns a random placeholder.
func NewPlaceholder() Placeholder {
	var b [16]byte
	_, _ = rand.Read(b[:]) // cannot fail
	return Placeholder("{secret:" + hex.EncodeToString(b[:]) + "}")
}

// In reports whether the placeholder is in any part of a request. It would not be replaced there; only a hostile or
// faulty guest puts it there.
func (p Placeholder) In(req *abi.Request) bool {
	mark := strings.Trim(string(p), "{}")
	has := func(s string) bool {
		if strings.Contains(s, mark) {
			return true
		}
		plain, err := url.QueryUnescape(s)
		return err == nil && strings.Contains(plain, mark)
	}
	for _, v := range req.Path {
		if has(v) {
			return true
		}
	}
	for _, q := range req.Query {
		if has(q[0]) || has(q[1]) {
			return true
		}
	}
	for n, v := range req.Headers {
		if has(n) || has(v) {
			return true
		}
	}
	return has(req.Link) || bytes.Contains(req.Body, []byte(mark))
}

// Use is what one call does with its connection's credential: it gets a placeholder, and its requests are signed.
type Use struct {
	Auth   abi.Auth
	Source Source
	Scopes Scopes

	placeholder Placeholder
}

// Secret returns a placeholder for the connection's credential, a new one for each call.
func (u *Use) Secret(ref string) abi.Secret {
	if ref != abi.TokenRef {
		return abi.Secret{Error: "unknown secret"}
	}
	if u.placeholder == "" {
		u.placeholder = NewPlaceholder()
	}
	s := abi.Secret{Header: u.Auth.Header, Scheme: u.Auth.Prefix, Placeholder: string(u.placeholder)}
	if s.Header == Authorization {
		s.Header = ""
	}
	return s
}

// Authorize removes the credential's header from a request, and refuses a placeholder anywhere else. signed reports
// whether the request must be sent with the credential.
func (u *Use) Authorize(req *abi.Request) (signed bool, err error) {
	header := ""
	for name, value := range req.Headers {
		if strings.EqualFold(name, u.Auth.Header) {
			if header != "" {
				return false, fmt.Errorf("the request has two %s headers", u.Auth.Header)
			}
			header = value
			delete(req.Headers, name)
		}
	}
	if u.placeholder != "" && u.placeholder.In(req) {
		return false, fmt.Errorf("the placeholder of a secret may only be in the %s header", u.Auth.Header)
	}
	if req.Sign {
		if header != "" {
			return false, fmt.Errorf("the request has both sign and the %s header: use one", u.Auth.Header)
		}
		return true, nil
	}
	if header == "" {
		return false, nil
	}
	if u.placeholder == "" || header != HeaderValue(u.Auth, string(u.placeholder)) {
		return false, fmt.Errorf("the %s header must be the scheme and placeholder of secret_get", u.Auth.Header)
	}
	return true, nil
}

// Begin returns an attempt to send a signed request of the call to an endpoint.
func (u *Use) Begin(ctx context.Context, endpoint string) (Attempt, *abi.SendError) {
	attempt, err := u.Source.Begin(ctx, endpoint, u.Scopes)
	if err != nil {
		return nil, sendError(err)
	}
	return attempt, nil
}

// Send sends a request of the call, with the connection's credential if signed. If the service refused the credential and
// did not carry the request out, it repeats the request with each other credential of the connection. The response is never
// nil. Send is safe for concurrent use.
func (u *Use) Send(ctx context.Context, client *egress.Client, out egress.Call, signed bool) (*egress.Response, *abi.SendError) {
	if !signed {
		return client.Send(ctx, out)
	}
	attempt, failed := u.Begin(ctx, out.Endpoint.Endpoint)
	if failed != nil {
		return &egress.Response{}, failed
	}
	attempts, waited := 0, time.Duration(0)
	for {
		out.Sign = attempt.Sign
		resp, sendErr := client.Send(ctx, out)
		attempts, waited = attempts+resp.Attempts, waited+resp.Waited
		resp.Attempts, resp.Waited = attempts, waited
		if sendErr != nil || !attempt.Again(ctx, resp) {
			return resp, sendErr
		}
		resp.Body.Release()
	}
}
