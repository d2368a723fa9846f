// Package hosttest is the harness of tests that run a module on the host. It builds and loads modules and connects them
// to handlers. It supplies secrets, clocks, journals and auditors. It knows no service.
package hosttest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/secrets"
)

// Token is the default secret of a connection. No output may contain it.
const Token = "tokenThatMustNeverShowUpAnywhere0123456789"

// Secret is a resolver that resolves every reference to itself.
type Secret string

// Resolve implements secrets.Resolver.
func (s Secret) Resolve(context.Context, string) (secrets.Value, error) {
	return secrets.New(string(s)), nil
}

// Connect connects a module until the test ends. It sets empty fields of config and opts as Open does.
func Connect(tb testing.TB, m *host.Module, config host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	c, err := Open(m, config, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// Open connects a module. The caller closes the connection. Empty fields are set to the name "test", the module's kind, a
// reference to a token unless there is an OAuth client, and Secret(Token). A base URL of this machine is allowed.
func Open(m *host.Module, config host.Config, opts host.ConnectOptions) (*host.Connection, error) {
	if config.Name == "" {
		config.Name = "test"
	}
	if config.Kind == "" {
		config.Kind = m.Manifest().Kind
	}
	if config.TokenSecretRef == "" && config.OAuth.ClientID == "" {
		config.TokenSecretRef = "env:X"
	}
	if opts.Secrets == nil {
		opts.Secrets = Secret(Token)
	}
	if u, err := url.Parse(config.BaseURL); err == nil && egress.ThisMachine(u.Hostname()) {
		config.AllowPrivateNetwork = true
	}
	return m.Connect(context.Background(), config, opts)
}

// Serve serves a handler on loopback until the test ends, and connects a module to it as Connect does.
func Serve(tb testing.TB, m *host.Module, h http.Handler, config host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	config.BaseURL = server.URL
	return Connect(tb, m, config, opts)
}

// Again returns a second connection with the configuration of c, as if by another process. Empty fields of opts are set as in
// Open. change may be nil.
func Again(tb testing.TB, c *host.Connection, opts host.ConnectOptions, change func(*host.Config, *host.ConnectOptions)) *host.Connection {
	tb.Helper()
	config := c.Config()
	if change != nil {
		change(&config, &opts)
	}
	return Connect(tb, c.Module(), config, opts)
}

// ShortSleep is a ConnectOptions.Sleep that waits for a fiftieth of the time. The events that these tests wait for have already
// happened, or never happen.
func ShortSleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d / 50):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WantOutcome fails the test if err is not an OutcomeError with this outcome and code.
func WantOutcome(tb testing.TB, err error, outcome abi.Outcome, code string) {
	tb.Helper()
	var o host.OutcomeError
	if !errors.As(err, &o) || o.Outcome != outcome || o.Detail == nil || o.Detail.Code != code {
		tb.Errorf("ended with %v (%+v), want %s %s", err, o.Detail, outcome, code)
	}
}
