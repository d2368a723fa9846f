// Package credential keeps the token of one connection up to date.
package credential

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mach5/okta-connector/host/secrets"
)

// Credential is a connection's token. It is read again when its file changes, when the service responds 401, and by
// Connection.ReloadToken. It is safe for concurrent use.
type Credential struct {
	resolver secrets.Resolver
	ref      string
	log      *slog.Logger

	reading sync.Mutex // held during a read of the reference
	state   atomic.Pointer[tokens]
}

// tokens is the state of a credential. It is immutable.
type tokens struct {
	current  secrets.Value   // used by the next request; zero before the first successful read
	accepted secrets.Value   // the last one that the service accepted
	known    []secrets.Value // every token that may have been sent, latest last, at most maxTokens
	stamp    string          // stamp of the reference at the last read
	failed   string          // the stamp of the last failed read
}

// maxTokens is how many tokens of one connection are redacted. The oldest is dropped first.
const maxTokens = 16

// New returns a credential that reads ref on first use.
func New(resolver secrets.Resolver, ref string, log *slog.Logger) *Credential {
	c := &Credential{resolver: resolver, ref: ref, log: log}
	c.state.Store(&tokens{})
	return c
}

// stamp returns a value that changes when the secret may have changed, or "" if the resolver has none.
func (c *Credential) stamp() string {
	if s, ok := c.resolver.(secrets.Stamper); ok {
		return s.Stamp(c.ref)
	}
	return ""
}

// Refresh returns the token for a request. It reads the reference first if its file changed or no token is known. If
// the file cannot be read, is empty or has no valid token, the current token stays, since the file may be half
// written. It returns an error only if no token is known.
func (c *Credential) Refresh(ctx context.Context) (secrets.Value, error) {
	now := c.state.Load()
	stamp := c.stamp()
	if !now.current.IsZero() && stamp == now.stamp {
		return now.current, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if now = c.state.Load(); !now.current.IsZero() && stamp == now.stamp { // another call read it meanwhile
		return now.current, nil
	}
	_, err := c.read(ctx)
	now = c.state.Load()
	if now.current.IsZero() {
		return now.current, err
	}
	return now.current, nil
}

// read reads the reference. The caller must hold c.reading.
func (c *Credential) read(ctx context.Context) (changed bool, err error) {
	next := *c.state.Load()
	stamp := c.stamp() // before the read, so that the next Refresh notices a change during it
	token, err := c.resolver.Resolve(ctx, c.ref)
	if err != nil {
		if !next.current.IsZero() && (next.failed == "" || next.failed != stamp) {
			c.log.Warn("the token could not be read again: the previous one is used", "reason", err.Error())
		}
		next.failed = stamp
		c.state.Store(&next)
		return false, err
	}
	if token.IsZero() {
		return false, secrets.ErrUnavailable
	}
	changed = token != next.current
	if changed && !next.current.IsZero() {
		c.log.Info("token_secret_ref has a new value: it is used from now on")
	}
	next.current, next.stamp, next.failed = token, stamp, ""
	if i := slices.Index(next.known, token); i < 0 {
		next.known = append(slices.Clone(next.known), token)
		next.known = next.known[max(0, len(next.known)-maxTokens):]
	}
	c.state.Store(&next)
	return changed, nil
}

// Reload reads the reference even if it seems unchanged.
func (c *Credential) Reload(ctx context.Context) (changed bool, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.read(ctx)
}

// After401 returns another token to try after the service refused those in tried. It prefers what the reference holds
// now. Otherwise it returns the last accepted token, since the reference may hold a token that is not valid yet, or
// half of one.
func (c *Credential) After401(ctx context.Context, tried []secrets.Value) (token secrets.Value, ok bool) {
	c.reading.Lock()
	defer c.reading.Unlock()
	_, _ = c.read(ctx) // a failure is logged, and the current token stays
	now := c.state.Load()
	for _, t := range []secrets.Value{now.current, now.accepted} {
		if !t.IsZero() && !slices.Contains(tried, t) {
			return t, true
		}
	}
	return secrets.Value{}, false
}

// Accept records a token that the service accepted. If others were refused first, it is used from now on.
func (c *Credential) Accept(token secrets.Value, refusedFirst bool) {
	if now := c.state.Load(); now.accepted == token && !refusedFirst {
		return
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	next := *c.state.Load()
	next.accepted = token
	if refusedFirst {
		next.current = token
	}
	c.state.Store(&next)
}

// Shows reports whether a text contains a current or former token of the connection.
func (c *Credential) Shows(s string) bool {
	for _, t := range c.state.Load().known {
		if strings.Contains(s, t.Reveal()) {
			return true
		}
	}
	return false
}

// ShowsIn is Shows for bytes.
func (c *Credential) ShowsIn(b []byte) bool {
	for _, t := range c.state.Load().known {
		if bytes.Contains(b, []byte(t.Reveal())) {
			return true
		}
	}
	return false
}
