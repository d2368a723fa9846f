package oauth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
)

// Begin implements credential.Source.
func (c *Client) Begin(ctx context.Context, endpoint string, s credential.Scopes) (credential.Attempt, error) {
	t, err := c.token(ctx, s)
	if err != nil {
		return nil, err
	}
	return &attempt{client: c, endpoint: endpoint, scopes: s, token: t}, nil
}

// attempt signs one request.
type attempt struct {
	client   *Client
	endpoint string
	scopes   credential.Scopes
	token    *token
	renewed  bool   // the service refused the first token, and token is its replacement
	nonce    string // what the last proof had
	refused  string // the nonce that the service last refused, and
	asked    string // the one that it asked for instead
	nonced   int    // how often the request was repeated with another nonce
}

// maxNonced is how often a request is repeated because its nonce is out of date. While a nonce changes, parallel requests
// use both the old and the new one.
const maxNonced = 16

// Sign implements credential.Attempt. Each call makes a new proof.
func (a *attempt) Sign(method string, address *url.URL) (s egress.Signature, err error) {
	c := a.client
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
// most maxNonced times. It returns true once for a new token in place of a refused one.
func (a *attempt) Again(ctx context.Context, resp *egress.Response) bool {
	c := a.client
	latest := c.observe(resp, &c.nonces.requests)
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
			c.accept(a)
		}
		return false
	}
	t, err := c.replace(ctx, a)
	if err != nil {
		c.config.Logger.Warn("the service refused an access token, and there is no new one", "status", resp.Status, "reason", err.Error())
	}
	if t == nil {
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

// accept records that the service accepted a token.
func (c *Client) accept(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.token.accepted = c.config.Now()
	c.works[a.endpoint] = true
	if a.renewed {
		delete(c.vain, a.token)
	}
}

// replace returns a token that may be accepted instead of the one that the service refused. It returns nil if the cause
// of the refusal is probably the request, and not the token. It requests at most maxVain tokens in vain, so that refusals
// do not use up those of an hour.
func (c *Client) replace(ctx context.Context, a *attempt) (*token, error) {
	c.mu.Lock()
	now := c.config.Now()
	if a.renewed {
		c.lasting[a.endpoint] = now
		c.mu.Unlock()
		return nil, nil
	}
	maps.DeleteFunc(c.vain, func(_ *token, at time.Time) bool { return now.Sub(at) >= time.Hour })
	maps.DeleteFunc(c.lasting, func(_ string, at time.Time) bool { return now.Sub(at) >= lastingFor })
	_, lasting := c.lasting[a.endpoint]
	good := !c.works[a.endpoint] && now.Sub(a.token.accepted) < acceptedFor
	current := false // no other call has replaced it
	for _, known := range c.tokens {
		current = current || known == a.token
	}
	if lasting || good || current && len(c.vain) >= maxVain {
		c.mu.Unlock()
		return nil, nil
	}
	maps.DeleteFunc(c.tokens, func(_ string, known *token) bool { return known == a.token })
	c.mu.Unlock()
	t, err := c.token(ctx, a.scopes)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.accepted.IsZero() {
		c.vain[t] = now
	}
	return t, nil
}
