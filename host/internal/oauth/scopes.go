package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/internal/nearest"
)

// refusals are the scopes that the service refused.
type refusals map[string]refused

// refused says when a scope may be requested again.
type refused struct {
	until time.Time
	wait  time.Duration // how long that was from the refusal
}

// isRefused reports whether the service has lately refused the app a scope.
func (c *Client) isRefused(scope string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, found := c.refused[scope]
	return found && c.config.Now().Before(r.until)
}

// learn records which scopes the app has. Each refusal of a scope triples the time before it is requested again.
func (c *Client) learn(granted, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range granted {
		delete(c.refused, s)
	}
	for _, s := range missing {
		wait := refusedFor
		if before, again := c.refused[s]; again {
			wait = min(3*before.wait, maxRefusedFor)
		}
		c.refused[s] = refused{c.config.Now().Add(wait), wait}
	}
}

// forgetRefusals drops what was refused to a private key that may have been replaced.
func (c *Client) forgetRefusals() {
	stamper, ok := c.config.Secrets.(secrets.Stamper)
	if !ok {
		return
	}
	stamp := stamper.Stamp(c.config.Options.PrivateKeyRef)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stamp != stamp {
		c.stamp = stamp
		clear(c.refused)
	}
}

// denied returns the error for scopes that the app does not have.
func (c *Client) denied(missing []string) error {
	return denied(fmt.Sprintf("the service has not granted the app %s what the operation needs: grant it %s", c.config.Options.ClientID, strings.Join(missing, ", ")))
}

// beyond returns the error for scopes that the connection does not allow.
func (c *Client) beyond(over []string) error {
	text := "the operation needs scopes that oauth.scopes of the connection leaves out: add " + strings.Join(over, ", ") + " there"
	for _, scope := range c.config.Options.Scopes {
		if meant := nearest.Of(scope, over); meant != "" && !isVariant(scope, meant) {
			text += fmt.Sprintf(". It has %s, which may be a misspelling of %s", scope, meant)
		}
	}
	return denied(text)
}

// isVariant reports whether two scopes differ only in what they allow, such as x.read and x.manage.
func isVariant(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	return i > 0 && j > 0 && a[:i] == b[:j] && nearest.Of(a[i+1:], []string{b[j+1:]}) == ""
}

func denied(message string) error {
	return credential.Error{Outcome: abi.Denied, Detail: abi.Error{Code: "scope_missing", Message: message}}
}

// overCeiling returns the scopes that the connection does not allow.
func (c *Client) overCeiling(scopes []string) []string {
	if len(c.config.Options.Scopes) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(c.config.Options.Scopes, s) })
}

// Granted returns which of these scopes a token can have. The service has not granted the missing ones, and the ceiling of
// the connection leaves those beyond it out. It asks the service.
func (c *Client) Granted(ctx context.Context, scopes []string) (granted, missing, beyond []string, err error) {
	beyond = c.overCeiling(scopes)
	asked := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(beyond, s) })
	if len(asked) > 0 {
		_, err = c.cached(ctx, slices.Sorted(slices.Values(asked)))
	}
	var lacks scopeError
	if errors.As(err, &lacks) {
		missing, err = slices.Sorted(slices.Values(lacks.missing)), nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	granted = slices.DeleteFunc(asked, func(s string) bool { return slices.Contains(missing, s) })
	return granted, missing, beyond, nil
}
