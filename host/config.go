package host

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// Config configures one connection. Its fields are those of a connection file. It is not split, because that file is flat.
type Config struct {
	Name           string `yaml:"name"`
	Kind           string `yaml:"kind"`
	BaseURL        string `yaml:"base_url"`                   // the service's origin, such as https://service.example.com
	TokenSecretRef string `yaml:"token_secret_ref,omitempty"` // the static token: env:NAME or file:PATH
	OAuth          OAuth  `yaml:"oauth,omitempty"`            // signs in with OAuth instead of a static token
	// DefaultPageSize is the number of records requested per page when the input does not say. Default: what the
	// endpoint allows.
	DefaultPageSize int `yaml:"default_page_size,omitempty"`
	// InitialLookbackSeconds is how far back a source starts when it has no checkpoint. Default 86,400.
	InitialLookbackSeconds int `yaml:"initial_lookback_seconds,omitempty"`
	// RateLimitShare is the largest share of each rate limit of the service that this connection uses: over 0, at
	// most 1. Default 0.9, which leaves a tenth to the org's other tools. Connections of several processes to one org
	// each get their own share.
	RateLimitShare float64 `yaml:"rate_limit_share,omitempty"`
	// Grants are the safety classes that this connection may use. Default: read. Name each class: none includes
	// another.
	Grants []abi.Class `yaml:"grants,omitempty"`
	// MaxWritesPerMinute and MaxDestructivePerHour limit the writes of all processes that share this connection's
	// journal. 0 is unlimited. They need ConnectOptions.Journal.
	MaxWritesPerMinute    int `yaml:"max_writes_per_minute,omitempty"`
	MaxDestructivePerHour int `yaml:"max_destructive_per_hour,omitempty"`
	// Approve lists the classes whose writes need the approval of ConnectOptions.Approver.
	Approve []abi.Class `yaml:"approve,omitempty"`
	// Limits bound each call. Fields set in ConnectOptions.Limits take precedence.
	Limits Limits `yaml:"limits,omitempty"`
	// AllowPrivateNetwork permits a base URL of this machine, and one that resolves to a private address.
	AllowPrivateNetwork bool `yaml:"allow_private_network,omitempty"`
	// Proxy, ProxyCredentialsRef, CAFile and TLSMin are the fields of network.Settings. Default: a direct connection
	// that trusts the system's authorities and TLS 1.2.
	Proxy               string `yaml:"proxy,omitempty"`
	ProxyCredentialsRef string `yaml:"proxy_credentials_ref,omitempty"` // env:NAME or file:PATH, of user:password
	CAFile              string `yaml:"ca_file,omitempty"`
	TLSMin              string `yaml:"tls_min,omitempty"`
}

// OAuth describes the OAuth client of a connection, such as a service app. It gets access tokens with the client
// credentials grant. Each call uses a token with the scopes that its operation needs.
type OAuth struct {
	ClientID      string   `yaml:"client_id"`
	PrivateKeyRef string   `yaml:"private_key_ref"`  // a private key as PEM or JWK: env:NAME or file:PATH
	KeyID         string   `yaml:"key_id,omitempty"` // the key's id at the service, if the key does not contain it
	Scopes        []string `yaml:"scopes,omitempty"` // maximum scopes of a token. Default: what the operations need
	DPoP          string   `yaml:"dpop,omitempty"`   // binds tokens to a key: auto (default), required or off
}

// configError is the error for an invalid configuration. It wraps ErrConfig and the reason.
type configError struct {
	connection string
	reason     error
}

// Error implements error.
func (e configError) Error() string { return fmt.Sprintf("connection %q: %v", e.connection, e.reason) }

// Unwrap returns ErrConfig and the reason.
func (e configError) Unwrap() []error { return []error{ErrConfig, e.reason} }

var connectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// clone returns a deep copy, so that later changes by the caller have no effect. If c has no grants, the copy has the default.
func (c Config) clone() Config {
	c.Grants, c.Approve, c.OAuth.Scopes = slices.Clone(c.Grants), slices.Clone(c.Approve), slices.Clone(c.OAuth.Scopes)
	if len(c.Grants) == 0 {
		c.Grants = []abi.Class{abi.Read}
	}
	return c
}

// check returns the address of the service, or the first fault of a configuration.
func (c Config) check(m *Module, opts ConnectOptions) (*url.URL, error) {
	if !connectionName.MatchString(c.Name) {
		return nil, errors.New("name: use 1 to 64 letters, digits, '-', '_' or '.'")
	}
	if c.Kind != m.manifest.Kind {
		return nil, fmt.Errorf("kind: found %q, but the module is for %q", c.Kind, m.manifest.Kind)
	}
	base, err := egress.ParseBaseURL(c.BaseURL, m.manifest.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	if !c.AllowPrivateNetwork && egress.ThisMachine(base.Hostname()) {
		return nil, fmt.Errorf("base_url: %s is this machine: if that is intended, set AllowPrivateNetwork (allow_private_network)", base.Host)
	}
	if c.DefaultPageSize < 0 || c.InitialLookbackSeconds < 0 {
		return nil, errors.New("default_page_size and initial_lookback_seconds must not be negative")
	}
	if !(c.RateLimitShare >= 0 && c.RateLimitShare <= 1) {
		return nil, fmt.Errorf("rate_limit_share: must be over 0 and at most 1, found %v", c.RateLimitShare)
	}
	for _, g := range c.Grants {
		if !g.Valid() {
			return nil, fmt.Errorf("grants: %q is not a class; use read, write, destructive or privileged", g)
		}
	}
	if c.MaxWritesPerMinute < 0 || c.MaxDestructivePerHour < 0 {
		return nil, errors.New("max_writes_per_minute and max_destructive_per_hour must not be negative")
	}
	if (c.MaxWritesPerMinute > 0 || c.MaxDestructivePerHour > 0) && opts.Journal == nil {
		return nil, errors.New("max_writes_per_minute and max_destructive_per_hour need a journal, and none is configured")
	}
	for _, g := range c.Approve {
		if !g.Valid() || g == abi.Read {
			return nil, fmt.Errorf("approve: %q cannot be approved; use write, destructive or privileged", g)
		}
	}
	return base, m.manifest.CheckConfig(c, opts.Secrets != nil)
}
