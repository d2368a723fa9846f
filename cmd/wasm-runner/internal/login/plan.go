package login

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/secrets"
)

// plan is what login is about to write.
type plan struct {
	place    cli.NewConnections
	text     []byte       // the connection file's
	existing *host.Config // nil for a new connection
	config   host.Config  // the connection as it will be
	token    bool         // a token is asked for and saved
	fields   []connections.Field
}

// set sets a field of an existing connection, if a value is given.
func (p *plan) set(given bool, to *string, value string, path ...string) {
	if given {
		*to = value
		p.fields = append(p.fields, connections.Field{Path: path, Value: value})
	}
}

// says says what will be written if the checks pass.
func (p *plan) says() string {
	name, path := p.config.Name, p.place.Path
	token := ""
	if p.token {
		token = "the token to " + secrets.Name(p.config.TokenSecretRef)
	}
	switch {
	case p.existing == nil && p.token:
		return fmt.Sprintf("if the checks pass, login writes connection %s to %s, and %s", name, path, token)
	case p.existing == nil:
		return fmt.Sprintf("if the checks pass, login writes connection %s to %s. The key stays at %s", name, path, secrets.Name(p.config.OAuth.PrivateKeyRef))
	case p.token:
		return fmt.Sprintf("if the checks pass, login writes %s, in place of the old one. %s stays as it is", token, path)
	}
	var fields []string
	for _, f := range p.fields {
		fields = append(fields, strings.Join(f.Path, "."))
	}
	return fmt.Sprintf("if the checks pass, login changes connection %s in %s: %s", name, path, strings.Join(fields, ", "))
}

// newText returns the new text of the connection file, or nil if it stays as it is.
func (p *plan) newText() ([]byte, error) {
	switch {
	case p.existing == nil:
		entry := p.config
		if path, is := strings.CutPrefix(entry.TokenSecretRef, "file:"); is {
			entry.TokenSecretRef = "file:" + filepath.Base(path)
		}
		return p.place.Schema.Add(p.text, entry)
	case len(p.fields) > 0:
		return p.place.Schema.Change(p.text, p.config.Name, p.fields)
	}
	return nil, nil
}

// settings are the flags that change a setting of a connection.
var settings = []string{"client-id", "private-key", "key-id", "scopes", "dpop", "proxy", "proxy-credentials", "ca-file", "tls-min", "allow-private-network"}

// setFlags sets the fields of an existing connection for which there are flags.
func (o *options) setFlags(p *plan) {
	c, n := &p.config, o.network
	p.set(o.given("client-id"), &c.OAuth.ClientID, o.client.ClientID, "oauth", "client_id")
	p.set(o.given("private-key"), &c.OAuth.PrivateKeyRef, "file:"+cli.Absolute(o.keyFile), "oauth", "private_key_ref")
	p.set(o.given("key-id"), &c.OAuth.KeyID, o.client.KeyID, "oauth", "key_id")
	p.set(o.given("dpop"), &c.OAuth.DPoP, o.client.DPoP, "oauth", "dpop")
	if o.given("scopes") {
		c.OAuth.Scopes = slices.Clone(o.client.Scopes)
		p.fields = append(p.fields, connections.Field{Path: []string{"oauth", "scopes"}, Value: c.OAuth.Scopes})
	}
	p.set(o.given("proxy"), &c.Proxy, n.Proxy, "proxy")
	p.set(o.given("proxy-credentials"), &c.ProxyCredentialsRef, absoluteRef(n.ProxyCredentialsRef), "proxy_credentials_ref")
	p.set(o.given("ca-file"), &c.CAFile, cli.Absolute(n.CAFile), "ca_file")
	p.set(o.given("tls-min"), &c.TLSMin, n.TLSMin, "tls_min")
	if o.given("allow-private-network") {
		c.AllowPrivateNetwork = n.AllowPrivateNetwork
		p.fields = append(p.fields, connections.Field{Path: []string{"allow_private_network"}, Value: n.AllowPrivateNetwork})
	}
}

// absoluteRef returns a reference whose path does not depend on the folder of the connection file.
func absoluteRef(ref string) string {
	if path, is := strings.CutPrefix(ref, "file:"); is {
		return "file:" + cli.Absolute(path)
	}
	return ref
}
