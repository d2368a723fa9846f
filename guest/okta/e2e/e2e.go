// Package e2e tests the Okta connector end to end: its module, on the host, against simulated orgs.
package e2e

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// Change changes how a connection is made. It may be nil.
type Change = func(*host.Config, *host.ConnectOptions)

// Start starts a simulated org for the length of a test, and connects the connector to it with every grant. The module is
// the connection's own, so that what it learns of rate limits stays with this org.
func Start(tb testing.TB, sim oktatest.Config, change Change) (*host.Connection, *oktatest.Server) {
	tb.Helper()
	org := oktatest.New(sim).Start()
	tb.Cleanup(func() { _ = org.Close() })
	config := host.Config{Name: "actor", BaseURL: org.URL, Grants: abi.Classes()}
	opts := host.ConnectOptions{Secrets: hosttest.Secret(org.Token()), Sleep: hosttest.Briefly}
	if change != nil {
		change(&config, &opts)
	}
	return hosttest.Connect(tb, hosttest.Connector.Load(tb), config, opts), org
}

// Again makes a second connection to an org, as another process does.
func Again(tb testing.TB, c *host.Connection, org *oktatest.Server, change Change) *host.Connection {
	tb.Helper()
	return hosttest.Again(tb, c, host.ConnectOptions{Secrets: hosttest.Secret(org.Token()), Sleep: hosttest.Briefly}, change)
}
