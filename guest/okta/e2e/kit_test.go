package e2e_test

import (
	"testing"

	"github.com/mach5/okta-connector/guest/connectortest"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestConnector_Kit runs the kit of every connector, as far as it needs no org: the other tests here have one.
func TestConnector_Kit(t *testing.T) {
	t.Parallel()
	connectortest.Kit{Connector: okta.Connector(), Module: hosttest.Connector}.Run(t)
}
