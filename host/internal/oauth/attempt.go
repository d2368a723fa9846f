package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
)

// Begin implements credential.Source.
func (c *Client) Begin(ctx context.Context, s credential.Scopes) (credential.Attempt, error) {
	t, err := c.token(ctx, s)
	if err != nil {
		return nil, err
	}
	return &attempt{client: c, scopes: s, token: t}, nil
}

// attempt signs one request.
type attempt struct {
	client  *Client
	scopes  credential.Scopes
	token   *token
	path    string // the method and path
	renewed bool   // the service refused the first token, and token is its replacement
	nonce   string // of the last proof
	refused string // the nonce that the service last refused, and
	asked   string // the one that it asked for instead
	nonced  int    // how often the request was repeated with another nonce
}

// maxNonced is how often a request is repeated because its nonce is out of date. While a nonce changes, parallel requests
// use both the old and the new one.
const maxNonced = 16

// Sign implements credential.Attempt. Each call makes a new proof.
func (a *attempt) Sign(method string, address *url.URL) (s egress.Signature, err error) {
	c := a.client
	a.path = method + " " + address.Path
	if !a.token.bound {
		s.Authorization = c.config.Auth.Prefix + " " + a.token.value.Reveal()
		return s, nil
	}
	c.mu.Lock()
	latest, now := c.nonces.requests, c.config.Now().Add(c.offset)
	c.mu.Unlock()
	if a.nonced > 0 && latest == a.refused { // the response to an older request has brought it back
		latest = a.asked
	}
	a.nonce = latest
	s.Authorization = "DPoP " + a.token.value.Reveal()
	s.Proof, err = c.prover.proof(method, address, now, a.nonce, a.token.value.Reveal())
	return s, err
}

// Again implements credential.Attempt. It returns true when the service asks for another nonce than the proof had, at
// most maxNonced times, and once when a new token replaces one that the service refused.
func (a *attempt) Again(ctx context.Context, resp *egress.Response) bool {
	c := a.client
	latest := c.observe(resp.Header, &c.nonces.requests)
	if resp.Status == http.StatusUnauthorized && a.token.bound && asksForNonce(resp.Header) { // says nothing about the token
		if latest == a.nonce || a.nonced == maxNonced {
			return false
		}
		a.refused, a.asked = a.nonce, latest
		a.nonced++
		return true
	}
	if !c.tokenRefused(resp) {
		if resp.Status < 400 {
			c.setLasting(a.path, false)
		}
		return false
	}
	if a.renewed { // a new token does not help
		c.setLasting(a.path, true)
		return false
	}
	if c.isLasting(a.path) {
		return false
	}
	c.drop(a.token)
	t, err := c.token(ctx, a.scopes)
	if err != nil {
		c.config.Logger.Warn("the service refused an access token, and there is no new one", "status", resp.Status, "reason", err.Error())
		return false
	}
	a.token, a.renewed = t, true
	return true
}

// asksForNonce reports whether a 401 asks for a proof with a nonce (RFC 9449, section 9).
func asksForNonce(h http.Header) bool {
	for _, v := range h.Values("Www-Authenticate") {
		if strings.Contains(strings.ToLower(v), `error="use_dpop_nonce"`) {
			return true
		}
	}
	return false
}

// tokenRefused reports whether a response may mean that the token is not valid. If so, the service did not carry out the
// request.
func (c *Client) tokenRefused(resp *egress.Response) bool {
	switch resp.Status {
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden:
		if resp.Body == nil || c.config.ErrorCode == "" || len(c.config.Auth.ExpiredCodes) == 0 {
			return false
		}
		code := gjson.GetBytes(resp.Body.Bytes(), c.config.ErrorCode).Str
		for _, expired := range c.config.Auth.ExpiredCodes {
			if code == expired {
				return true
			}
		}
	}
	return false
}

// setLasting records whether the service refused a request to a path even with a new token. The cause of such a refusal
// is the request, not the token.
func (c *Client) setLasting(path string, lasting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !lasting {
		delete(c.lasting, path)
		return
	}
	const most = 256
	if len(c.lasting) >= most {
		clear(c.lasting)
	}
	c.lasting[path] = c.config.Now()
}

// isLasting reports whether setLasting recorded such a refusal less than lastingFor ago.
func (c *Client) isLasting(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, found := c.lasting[path]
	return found && c.config.Now().Sub(at) < lastingFor
}
