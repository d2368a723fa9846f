package cli

import (
	"context"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/secrets"
)

// The connection that --demo brings.
const (
	demoName = "okta"
	demoKind = "okta"
)

// DemoOrg is the simulated org of --demo, new in each process. It implements secrets.Resolver for its own token.
type DemoOrg struct {
	Server *oktatest.Server
}

// StartDemo starts the org of --demo on a free port of this machine. The module must be of its kind.
func (a *App) StartDemo() (*DemoOrg, error) {
	if err := a.checkDemo(); err != nil {
		return nil, err
	}
	server, err := oktatest.New(oktatest.Config{GroupRules: 1}).Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &DemoOrg{server}, nil
}

// Config returns the connection to the org.
func (d *DemoOrg) Config() host.Config {
	return host.Config{Name: demoName, Kind: demoKind, BaseURL: d.Server.URL, TokenSecretRef: "demo:token", AllowPrivateNetwork: true}
}

// Resolve implements secrets.Resolver.
func (d *DemoOrg) Resolve(context.Context, string) (secrets.Value, error) {
	return secrets.New(d.Server.Org.Token()), nil
}
