package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

// assertionType is the value of client_assertion_type (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Limits of the token endpoint's response.
const (
	maxToken = 16 << 10 // bytes of an access token
	maxNonce = 1 << 10  // bytes
	maxText  = 300      // bytes of the service's description of an error
)

// clockSlack is how far the clocks may differ before the service's is used. Its Date has no fractions of a second.
const clockSlack = 2 * time.Second

// refusal is an error response of the token endpoint (RFC 6749, section 5.2).
type refusal struct {
	status      int
	code        string
	description string
	requestID   string
	skew        time.Duration // what the service's clock was ahead of this machine's
	proof       bool          // the request had a DPoP proof
}

// Error implements error.
func (r refusal) Error() string {
	return fmt.Sprintf("the token endpoint answered %d %s", r.status, strings.TrimSpace(r.code+" "+r.description))
}

// aboutScopes reports whether the service refused the scopes. Services use the codes of both OAuth and OpenID Connect.
func (r refusal) aboutScopes() bool {
	return slices.Contains([]string{"invalid_scope", "access_denied", "consent_required"}, r.code)
}

// mint requests a token. It uses a nonce that the service asks for, and the service's clock if the request was refused
// and the clocks differ: once each.
func (c *Client) mint(ctx context.Context, scopes []string) (*token, error) {
	if err := c.count(); err != nil {
		return nil, err
	}
	key, err := c.Key(ctx)
	if err != nil {
		return nil, credential.Error{Outcome: abi.Unavailable, Detail: abi.Error{Code: "token", Message: err.Error(), Retryable: true}}
	}
	c.mu.Lock()
	if print := key.fingerprint(); c.key != print {
		c.key = print
		clear(c.tokens) // the service may refuse the tokens of a key that was replaced
		clear(c.refused)
	}
	c.mu.Unlock()
	for nonced, timed := false, false; ; {
		c.mu.Lock()
		nonce, offset := c.nonces.tokens, c.offset
		c.mu.Unlock()
		resp, sendErr := c.config.Send(ctx, c.tokenRequest(key, scopes))
		if sendErr != nil {
			return nil, c.notSent(sendErr)
		}
		c.observe(resp, &c.nonces.tokens)
		t, err := c.read(resp, resp.Body.Bytes(), scopes)
		clear(resp.Body.Bytes()) // its memory is used for other bodies
		resp.Body.Release()
		r, refused := err.(refusal)
		c.mu.Lock()
		fresh, now := c.nonces.tokens, c.offset
		c.mu.Unlock()
		switch {
		case refused && r.code == "use_dpop_nonce" && !nonced && fresh != nonce && c.prover != nil:
			nonced = true
		case refused && !timed && (now-offset).Abs() > clockSlack:
			timed = true
			c.config.Logger.Warn("this machine's clock differs from the service's, whose clock is used to sign in: set the clock (NTP)", "difference", roughly(now).String())
		default:
			return t, err
		}
	}
}

// count counts a request for a token, and returns an error for one over the limit.
func (c *Client) count() error {
	now := c.config.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round++
	c.asked = slices.DeleteFunc(c.asked, func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if len(c.asked) < MaxTokensPerHour {
		c.asked = append(c.asked, now)
		return nil
	}
	wait := c.asked[0].Add(time.Hour).Sub(now)
	return credential.Error{Outcome: abi.Throttled, Detail: abi.Error{Code: "tokens_per_hour", Retryable: true, RetryAfterMS: wait.Milliseconds(),
		Message: fmt.Sprintf("the connection has requested %d tokens within an hour, its limit (tokens_per_hour): try again in %s. Something ends its tokens early, or asks for ones that are refused",
			MaxTokensPerHour, wait.Round(time.Second))}}
}

// tokenRequest returns the request for a token. Each attempt has a new assertion and a new proof.
func (c *Client) tokenRequest(key *Key, scopes []string) egress.Call {
	_, path, _ := strings.Cut(c.config.Auth.TokenEndpoint, " ")
	bucket := c.config.Auth.TokenBucket
	if bucket == "" {
		bucket = path
	}
	endpoint := abi.Endpoint{Endpoint: c.config.Auth.TokenEndpoint, Bucket: bucket}
	sign := func(method string, address *url.URL) (s egress.Signature, err error) {
		c.mu.Lock()
		nonce, now := c.nonces.tokens, c.config.Now().Add(c.offset)
		c.mu.Unlock()
		form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType}}
		if len(scopes) > 0 {
			form.Set("scope", strings.Join(scopes, " "))
		}
		assertion, err := key.assertion(c.config.Options.ClientID, c.audience, now)
		if err != nil {
			return s, err
		}
		form.Set("client_assertion", assertion)
		s.Form = []byte(form.Encode())
		if c.prover != nil {
			s.Proof, err = c.prover.proof(method, address, now, nonce, "")
		}
		return s, err
	}
	return egress.Call{Endpoint: endpoint, Request: abi.Request{Endpoint: endpoint.Endpoint}, Sign: sign, Repeatable: true}
}

// observe takes the service's clock and its nonce from a response. It returns the current nonce.
func (c *Client) observe(resp *egress.Response, nonce *string) string {
	h := resp.Header
	date, err := http.ParseTime(h.Get("Date"))
	fresh := h.Get("Dpop-Nonce")
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		offset := date.Sub(c.config.Now().Add(-resp.BodyTook)) // a slow body does not make the clock late
		if offset < 0 {                                        // the Date has whole seconds
			offset = min(offset+time.Second, 0)
		}
		if offset.Abs() <= clockSlack {
			offset = 0
		}
		c.offset = offset
	}
	if fresh != "" && len(fresh) <= maxNonce && !strings.ContainsFunc(fresh, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		*nonce = fresh
	}
	return *nonce
}

// read reads the response of the token endpoint. The error is a refusal or a credential.Error.
func (c *Client) read(resp *egress.Response, body []byte, scopes []string) (*token, error) {
	if c.Shows(resp.RequestID) {
		resp.RequestID = ""
	}
	if resp.Status != http.StatusOK {
		return nil, c.refusal(resp, body)
	}
	return c.issued(resp, body, scopes)
}

// refusal reads an error response. Modules see its texts, so one that repeats an access token is dropped.
func (c *Client) refusal(resp *egress.Response, body []byte) refusal {
	r := refusal{status: resp.Status, requestID: resp.RequestID, proof: c.prover != nil}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) == nil && len(said.Error) <= 64 && !c.Shows(said.Error) && !c.Shows(said.Description) {
		r.code, r.description = plainText(said.Error), plainText(said.Description)
	}
	c.mu.Lock()
	r.skew = c.offset
	c.mu.Unlock()
	return r
}

// issued reads a response with a token. The error is a credential.Error.
func (c *Client) issued(resp *egress.Response, body []byte, scopes []string) (*token, error) {
	var said struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   any    `json:"expires_in"`
		Scope       string `json:"scope"`
	}
	bad := func(format string, args ...any) (*token, error) {
		return nil, credential.Error{Outcome: abi.Unavailable, Detail: abi.Error{Code: "token_answer", Message: c.audience + " " + fmt.Sprintf(format, args...) + ": check base_url",
			Upstream: &abi.Upstream{Status: resp.Status, RequestID: resp.RequestID}}}
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return bad("answered 200 without a JSON object")
	}
	if said.AccessToken == "" || len(said.AccessToken) > maxToken || strings.ContainsFunc(said.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("answered 200 without a usable access_token")
	}
	t := &token{value: secrets.New(said.AccessToken), scopes: scopes}
	switch {
	case strings.EqualFold(said.TokenType, "DPoP") && c.prover == nil:
		return bad("returned a token bound to a key (token_type DPoP), and no proof was sent")
	case strings.EqualFold(said.TokenType, "DPoP"):
		t.bound = true
	case !strings.EqualFold(said.TokenType, "Bearer"):
		return bad("returned a token of an unknown token_type: wanted DPoP or Bearer")
	case c.config.Options.DPoP == Required:
		return nil, credential.Error{Outcome: abi.Rejected, Detail: abi.Error{Code: "dpop_required", Upstream: &abi.Upstream{Status: resp.Status, RequestID: resp.RequestID},
			Message: fmt.Sprintf("the service returned a Bearer token, and the connection requires one bound to a key (oauth.dpop: required): make the app %s require DPoP, or write dpop: auto",
				c.config.Options.ClientID)}}
	}
	if said.Scope != "" {
		t.scopes = strings.Fields(said.Scope)
		t.missing = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(t.scopes, s) })
	}
	life := defaultLife
	if seconds, ok := wholeSeconds(said.ExpiresIn); ok {
		life = seconds
	}
	now := c.config.Now()
	t.expires, t.renew = now.Add(life), now.Add(life-min(maxMargin, life/10))
	return t, nil
}

// wholeSeconds reads expires_in, which some services write as a string.
func wholeSeconds(v any) (time.Duration, bool) {
	const most = 30 * 24 * 60 * 60
	n, ok := v.(float64)
	if s, text := v.(string); text {
		var err error
		n, err = strconv.ParseFloat(s, 64)
		ok = err == nil
	}
	if !ok || !(n > 0) {
		return 0, false
	}
	return time.Duration(min(n, most)) * time.Second, true
}

var jwtText = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}`)

// plainText returns a service's text for a message: short, printable, and without a JWT.
func plainText(s string) string {
	s = jwtText.ReplaceAllString(s, secrets.Redacted)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s)
}
