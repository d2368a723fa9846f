// Package e2e tests the Okta connector end to end: its module, in the host, against simulated orgs.
package e2e

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// Change changes the configuration of a connection. It may be nil.
type Change = func(*host.Config, *host.ConnectOptions)

// Start starts a simulated org for the duration of a test, and connects to it with every grant. The connection has its
// own module, so that learned rate limits are not shared with other orgs.
func Start(tb testing.TB, sim oktatest.Config, change Change) (*host.Connection, *oktatest.Server) {
	tb.Helper()
	org := oktatest.New(sim).Start()
	tb.Cleanup(func() { _ = org.Close() })
	config := host.Config{Name: "actor", BaseURL: org.URL, Grants: abi.Classes()}
	opts := host.ConnectOptions{Secrets: hosttest.Secret(org.Token()), Sleep: hosttest.ShortSleep}
	if change != nil {
		change(&config, &opts)
	}
	return hosttest.Connect(tb, hosttest.Connector.Module(tb), config, opts), org
}

// Again makes a second connection to an org, as another process would.
func Again(tb testing.TB, c *host.Connection, org *oktatest.Server, change Change) *host.Connection {
	tb.Helper()
	return hosttest.Again(tb, c, host.ConnectOptions{Secrets: hosttest.Secret(org.Token()), Sleep: hosttest.ShortSleep}, change)
}
