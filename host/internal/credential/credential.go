// Package credential keeps a secret that is sent with requests up to date: a connection's token, or a sink's authorization.
package credential

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mach5/okta-connector/host/secrets"
)

// Credential is a secret that may change while it is used. It is read again when its file changes, when the service
// responds 401, and by Reload. It is safe for concurrent use.
type Credential struct {
	resolver secrets.Resolver
	ref      string
	log      *slog.Logger

	reading chan struct{} // holds an element during a read of the reference
	state   atomic.Pointer[tokens]
}

// tokens is the state of a credential. It is immutable.
type tokens struct {
	current  secrets.Value   // used by the next request; zero before the first successful read
	accepted secrets.Value   // the last one that the service accepted
	known    []secrets.Value // every token that may have been sent, latest last, at most MaxTokens
	stamp    string          // stamp of the reference at the last read
	failed   string          // the stamp of the last failed read
}

// MaxTokens is how many values of one credential are redacted. The oldest is dropped first.
const MaxTokens = 16

// New returns a credential that reads ref on first use.
func New(resolver secrets.Resolver, ref string, log *slog.Logger) *Credential {
	c := &Credential{resolver: resolver, ref: ref, log: log, reading: make(chan struct{}, 1)}
	c.state.Store(&tokens{})
	return c
}

// Start returns a credential that begins with a value that was just read from ref.
func Start(resolver secrets.Resolver, ref string, value secrets.Value, log *slog.Logger) *Credential {
	c := New(resolver, ref, log)
	c.state.Store(&tokens{current: value, known: []secrets.Value{value}, stamp: c.stamp()})
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
	_, err := c.read(ctx, func(now *tokens) bool { return now.current.IsZero() || stamp != now.stamp }) // another call may have read it
	now = c.state.Load()
	if now.current.IsZero() {
		return now.current, err
	}
	return now.current, nil
}

// read reads the reference, if that is still needed after waiting for other reads; nil means always. It returns when ctx
// ends, even if the resolver does not.
func (c *Credential) read(ctx context.Context, needed func(*tokens) bool) (changed bool, err error) {
	select {
	case c.reading <- struct{}{}:
	case <-ctx.Done():
		return false, fmt.Errorf("waiting for another read of the token: %w", ctx.Err())
	}
	if needed != nil && !needed(c.state.Load()) {
		<-c.reading
		return false, nil
	}
	type result struct {
		changed bool
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-c.reading }()
		var r result
		r.changed, r.err = c.resolve(ctx)
		done <- r
	}()
	select {
	case r := <-done:
		return r.changed, r.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// resolve reads the reference. Only one read runs at a time.
func (c *Credential) resolve(ctx context.Context) (changed bool, err error) {
	stamp := c.stamp() // before the read, so that the next Refresh notices a change during it
	token, err := c.resolver.Resolve(ctx, c.ref)
	if err == nil && token.IsZero() {
		return false, secrets.ErrUnavailable
	}
	if err == nil && secrets.IsKey(token.Reveal()) {
		err = keyError(c.ref)
	}
	before := c.update(func(next *tokens) {
		if err != nil {
			next.failed = stamp
			return
		}
		next.current, next.stamp, next.failed = token, stamp, ""
		if !token.In(next.known) {
			next.known = append(slices.Clone(next.known), token)
			next.known = next.known[max(0, len(next.known)-MaxTokens):]
		}
	})
	if err != nil {
		if !before.current.IsZero() && (before.failed == "" || before.failed != stamp) {
			c.log.Warn("the token could not be read again: the previous one is used", "reason", err.Error())
		}
		return false, err
	}
	changed = !token.Equal(before.current)
	if changed && !before.current.IsZero() {
		c.log.Info("token_secret_ref has a new value: it is used from now on")
	}
	return changed, nil
}

// keyError is the reference of a key where a token is wanted. It wraps secrets.ErrUnavailable.
type keyError string

// Error implements error.
func (e keyError) Error() string {
	return "token_secret_ref: " + secrets.Name(string(e)) + " is a private key, not a token: write oauth with client_id and private_key_ref instead"
}

// Unwrap returns secrets.ErrUnavailable.
func (e keyError) Unwrap() error { return secrets.ErrUnavailable }

// update changes the state and returns what it was before.
func (c *Credential) update(change func(next *tokens)) (before *tokens) {
	for {
		before = c.state.Load()
		next := *before
		change(&next)
		if c.state.CompareAndSwap(before, &next) {
			return before
		}
	}
}

// Reload reads the reference even if it seems unchanged.
func (c *Credential) Reload(ctx context.Context) (changed bool, err error) {
	return c.read(ctx, nil)
}

// After401 returns another token to try after the service refused those in tried. It prefers what the reference holds
// now. Otherwise it returns the last accepted token, since the reference may hold a token that is not valid yet, or
// half of one.
func (c *Credential) After401(ctx context.Context, tried []secrets.Value) (token secrets.Value, ok bool) {
	_, _ = c.read(ctx, nil) // a failure is logged, and the current token stays
	now := c.state.Load()
	for _, t := range []secrets.Value{now.current, now.accepted} {
		if !t.IsZero() && !t.In(tried) {
			return t, true
		}
	}
	return secrets.Value{}, false
}

// Accept records a token that the service accepted. If others were refused first, it is used from now on.
func (c *Credential) Accept(token secrets.Value, refusedFirst bool) {
	if now := c.state.Load(); now.accepted.Equal(token) && !refusedFirst {
		return
	}
	c.update(func(next *tokens) {
		next.accepted = token
		if refusedFirst {
			next.current = token
		}
	})
}

// Known returns every value that may have been sent, the latest last.
func (c *Credential) Known() []secrets.Value { return c.state.Load().known }

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
