// Package oauth signs requests with access tokens that it gets with the client credentials grant (RFC 6749, RFC 7523),
// bound to a key where the service does that (DPoP, RFC 9449).
package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

// Modes of DPoP.
const (
	Auto     = "auto"     // every token request has a proof, and the service decides; the default
	Required = "required" // a token that is not bound is refused
	Off      = "off"      // no request has a proof
)

// Limits of one client.
const (
	MaxTokensPerHour = 60               // requests for a token
	maxMargin        = time.Minute      // a token is renewed so long before it expires, or after nine tenths of its life
	refusedFor       = 10 * time.Second // a refused scope is not requested again for so long; each refusal triples the time
	maxRefusedFor    = 30 * time.Minute // maximum of that time
	lastingFor       = 10 * time.Minute // see Client.lasting
	acceptedFor      = time.Minute      // for so long after a token was accepted, an endpoint that never accepted one cannot replace it
	maxVain          = 20               // tokens an hour that are requested in place of a refused one and do not help
	defaultLife      = 5 * time.Minute  // if a response has no expires_in
	maxSent          = 256              // tokens that are looked for in responses; the oldest is dropped first
)

// Config configures a Client.
type Config struct {
	Auth    abi.Auth
	Base    *url.URL // the connection's address
	Options Options
	Secrets secrets.Resolver
	// ErrorCode is the path of the code in the service's errors; "" if it is unknown.
	ErrorCode string
	Now       func() time.Time
	Logger    *slog.Logger
	// Send sends a request to the connection's address.
	Send func(context.Context, egress.Call) (*egress.Response, *abi.SendError)
}

// Options are what a connection says about its client.
type Options struct {
	ClientID      string
	PrivateKeyRef string
	KeyID         string
	Scopes        []string // ceiling; empty means no ceiling
	DPoP          string   // Auto if empty
}

// Client gets and caches the access tokens of one connection, one for each set of scopes. It implements
// credential.Source and is safe for concurrent use.
type Client struct {
	config   Config
	audience string // address of the token endpoint
	prover   *prover

	minting chan struct{} // holds an element while a token is requested

	mu      sync.Mutex
	tokens  map[string]*token  // by scopes, joined by spaces
	sent    []*token           // tokens that have not expired, dropped ones included, latest last
	failed  map[string]failure // by scopes: the last request for a token, if it failed
	refused refusals           // scopes that the app does not have
	asked   []time.Time        // requests for a token in the last hour
	round   uint64             // number of requests for a token so far
	nonces  struct{ tokens, requests string }
	offset  time.Duration        // how far the service's clock is ahead of this machine's
	lasting map[string]time.Time // endpoints whose refusal a new token did not change, and when that was
	works   map[string]bool      // endpoints that have accepted a token
	vain    map[*token]time.Time // tokens that replaced a refused one and did not help, and when that was
	key     string               // fingerprint of the private key that was last used
	stamp   string               // stamp of the private key's reference, when refused was last used
}

// token is an access token. Only accepted changes.
type token struct {
	value   secrets.Value
	bound   bool     // to the key of the proofs
	scopes  []string // what the service granted
	missing []string // what was requested and not granted
	renew   time.Time
	expires time.Time

	accepted time.Time // when the service last accepted it, if ever; it changes under Client.mu
}

// failure is a request for a token that failed.
type failure struct {
	err   error
	round uint64
}

// New returns a client. It sends nothing.
func New(c Config) (*Client, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Options.DPoP == "" {
		c.Options.DPoP = Auto
	}
	if !c.Auth.DPoP {
		if c.Options.DPoP == Required {
			return nil, errors.New("oauth.dpop: the module's service does not bind tokens to keys: write dpop: auto, or leave it out")
		}
		c.Options.DPoP = Off
	}
	client := &Client{config: c, minting: make(chan struct{}, 1), tokens: map[string]*token{}, failed: map[string]failure{}, refused: refusals{},
		lasting: map[string]time.Time{}, works: map[string]bool{}, vain: map[*token]time.Time{}}
	_, path, _ := strings.Cut(c.Auth.TokenEndpoint, " ")
	client.audience = c.Base.Scheme + "://" + c.Base.Host + path
	if c.Options.DPoP != Off {
		var err error
		if client.prover, err = newProver(); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// Key reads the private key.
func (c *Client) Key(ctx context.Context) (*Key, error) {
	text, err := c.config.Secrets.Resolve(ctx, c.config.Options.PrivateKeyRef)
	if err == nil && text.IsZero() {
		err = secrets.ErrUnavailable
	}
	if err != nil {
		return nil, fmt.Errorf("oauth.private_key_ref: %w", err)
	}
	key, err := ParseKey(text.Reveal(), c.config.Options.KeyID)
	if err != nil {
		return nil, keyError{c.config.Options.PrivateKeyRef, err}
	}
	return key, nil
}

// keyError is a secret that is not a private key. It wraps secrets.ErrUnavailable.
type keyError struct {
	ref    string
	reason error
}

// Error implements error.
func (e keyError) Error() string {
	return fmt.Sprintf("oauth.private_key_ref: %s has no usable private key: %v", secrets.Name(e.ref), e.reason)
}

// Unwrap returns secrets.ErrUnavailable.
func (e keyError) Unwrap() error { return secrets.ErrUnavailable }

// Reload implements credential.Source. If the private key changed, the next calls get new tokens.
func (c *Client) Reload(ctx context.Context) (changed bool, err error) {
	key, err := c.Key(ctx)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.refused) // the app may have got scopes meanwhile
	if changed = c.key != "" && c.key != key.fingerprint(); changed {
		clear(c.tokens)
	}
	return changed, nil
}

// Ready implements credential.Source. It gets a token for the scopes.
func (c *Client) Ready(ctx context.Context, s credential.Scopes) error {
	if len(s.Required)+len(s.Optional) == 0 {
		return nil
	}
	_, err := c.token(ctx, s)
	return err
}

// token returns a valid token with the required scopes, and with those optional ones that the app has.
func (c *Client) token(ctx context.Context, s credential.Scopes) (*token, error) {
	if over := c.overCeiling(s.Required); len(over) > 0 {
		return nil, c.beyond(over)
	}
	within := slices.DeleteFunc(slices.Clone(s.Optional), func(scope string) bool {
		return len(c.overCeiling([]string{scope})) > 0 || slices.Contains(s.Required, scope)
	})
	c.forgetRefusals()
	for range len(within) + 2 {
		optional := slices.DeleteFunc(slices.Clone(within), c.isRefused)
		all := slices.Concat(s.Required, optional)
		if missing := slices.DeleteFunc(slices.Clone(s.Required), func(scope string) bool { return !c.isRefused(scope) }); len(missing) > 0 {
			return nil, c.denied(missing)
		}
		if len(all) == 0 && len(within) > 0 {
			return nil, c.denied(within)
		}
		slices.Sort(all)
		t, err := c.cached(ctx, all)
		var scopes scopeError
		if !errors.As(err, &scopes) {
			return t, err
		}
		// The next round leaves the missing ones out, or fails.
	}
	return nil, c.denied(slices.Concat(s.Required, within))
}

// cached returns a valid token for a set of scopes. It requests one if there is none. Of concurrent callers, one
// requests it.
func (c *Client) cached(ctx context.Context, scopes []string) (*token, error) {
	name := strings.Join(scopes, " ")
	c.mu.Lock()
	t, began := c.tokens[name], c.round
	c.mu.Unlock()
	if t != nil && c.config.Now().Before(t.renew) {
		return t, nil
	}
	select {
	case c.minting <- struct{}{}:
		defer func() { <-c.minting }()
	case <-ctx.Done():
		return nil, unavailable("timeout", "the call's time ended while another call requested a token")
	}
	c.mu.Lock()
	t, failed := c.tokens[name], c.failed[name]
	c.mu.Unlock()
	if t != nil && c.config.Now().Before(t.renew) {
		return t, nil
	}
	if failed.err != nil && failed.round > began { // requested meanwhile, by a call that waited like this one
		return nil, failed.err
	}
	t, err := c.request(ctx, scopes)
	if err == nil && len(t.missing) > 0 {
		err = scopeError{t.missing}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, name)
	switch {
	case err == nil:
		c.tokens[name] = t
		c.sent = append(slices.DeleteFunc(c.sent, func(t *token) bool { return !c.config.Now().Before(t.expires) }), t)
		c.sent = slices.Delete(c.sent, 0, max(0, len(c.sent)-maxSent))
	case ctx.Err() == nil:
		c.failed[name] = failure{err, c.round}
	}
	return t, err
}

// scopeError says which scopes of a set the service did not grant.
type scopeError struct{ missing []string }

// Error implements error.
func (e scopeError) Error() string { return "scopes not granted: " + strings.Join(e.missing, ", ") }

// request requests a token for a set of scopes. If the service refuses the set, it finds out which of the scopes the app
// does not have.
func (c *Client) request(ctx context.Context, scopes []string) (*token, error) {
	t, err := c.mint(ctx, scopes)
	var refused refusal
	if err == nil {
		c.learn(t.scopes, t.missing)
		return t, nil
	}
	if !errors.As(err, &refused) || !refused.aboutScopes() {
		return nil, c.explain(err, scopes)
	}
	missing := scopes
	if len(scopes) > 1 {
		missing = nil
		for _, scope := range scopes {
			one, err := c.mint(ctx, []string{scope})
			switch {
			case err == nil && len(one.missing) == 0:
				c.learn([]string{scope}, nil)
			case err == nil || errors.As(err, &refused) && refused.aboutScopes():
				missing = append(missing, scope)
			default:
				return nil, c.explain(err, scopes)
			}
		}
	}
	if len(missing) == 0 {
		return nil, c.explain(err, scopes)
	}
	c.learn(nil, missing)
	return nil, scopeError{missing}
}

// Shows implements credential.Source.
func (c *Client) Shows(s string) bool {
	return c.shows(func(secret string) bool { return strings.Contains(s, secret) })
}

// ShowsIn implements credential.Source.
func (c *Client) ShowsIn(b []byte) bool {
	return c.shows(func(secret string) bool { return bytes.Contains(b, []byte(secret)) })
}

func (c *Client) shows(found func(secret string) bool) bool {
	now := c.config.Now()
	expired := func(t *token) bool { return !now.Before(t.expires) }
	c.mu.Lock()
	if slices.ContainsFunc(c.sent, expired) { // no secret is kept longer than needed
		c.sent = slices.DeleteFunc(c.sent, expired)
		maps.DeleteFunc(c.tokens, func(_ string, t *token) bool { return expired(t) })
	}
	sent := slices.Clone(c.sent)
	c.mu.Unlock()
	return slices.ContainsFunc(sent, func(t *token) bool { return found(t.value.Reveal()) })
}
