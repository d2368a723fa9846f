package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/account"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/secrets"
)

// Connection binds a module to one org: its address, token and grants. It is safe for concurrent use. Close it before
// its module.
//
// Its fields stay one struct: Connect sets them, they do not change, and each call uses nearly all of them.
type Connection struct {
	module      *Module
	config      Config
	opts        ConnectOptions
	limits      Limits
	base        *url.URL
	client      *egress.Client
	pool        *sandbox.Pool
	log         *slog.Logger
	clock       pacing.ServiceClock
	owner       account.Reader
	leaveLimits func() // leaves the rate limits that it shares with other connections

	auth       abi.Auth
	credential *credential.Credential

	closing sync.Once
	closed  chan struct{}
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

// Connect checks a configuration and reads its token. It sends no request. The error wraps ErrConfig, and
// secrets.ErrUnavailable if the token cannot be read.
func (m *Module) Connect(ctx context.Context, cfg Config, opts ConnectOptions) (*Connection, error) {
	fail := func(format string, args ...any) (*Connection, error) {
		return nil, configError{cfg.Name, fmt.Errorf(format, args...)}
	}
	cfg = cfg.clone()
	if !connectionName.MatchString(cfg.Name) {
		return fail("name: use 1 to 64 letters, digits, '-', '_' or '.'")
	}
	if cfg.Kind != m.manifest.Kind {
		return fail("kind: found %q, but the module is for %q", cfg.Kind, m.manifest.Kind)
	}
	auth, err := credential.AuthOf(m.manifest.Manifest)
	if err != nil {
		return fail("%w", err)
	}
	base, err := egress.ParseBaseURL(cfg.BaseURL, m.manifest.BaseURL)
	if err != nil {
		return fail("base_url: %w", err)
	}
	if cfg.DefaultPageSize < 0 || cfg.InitialLookbackSeconds < 0 {
		return fail("default_page_size and initial_lookback_seconds must not be negative")
	}
	if !(cfg.RateLimitShare >= 0 && cfg.RateLimitShare <= 1) {
		return fail("rate_limit_share: must be over 0 and at most 1, found %v", cfg.RateLimitShare)
	}
	if len(cfg.Grants) == 0 {
		cfg.Grants = []abi.Class{abi.Read}
	}
	for _, g := range cfg.Grants {
		if !g.Valid() {
			return fail("grants: %q is not a class; use read, write, destructive or privileged", g)
		}
	}
	if cfg.MaxWritesPerMinute < 0 || cfg.MaxDestructivePerHour < 0 {
		return fail("max_writes_per_minute and max_destructive_per_hour must not be negative")
	}
	if (cfg.MaxWritesPerMinute > 0 || cfg.MaxDestructivePerHour > 0) && opts.Journal == nil {
		return fail("max_writes_per_minute and max_destructive_per_hour need a journal, and none is configured")
	}
	for _, g := range cfg.Approve {
		if !g.Valid() || g == abi.Read {
			return fail("approve: %q cannot be approved; use write, destructive or privileged", g)
		}
	}
	if err := m.manifest.CheckConfig(cfg, opts.Secrets != nil); err != nil {
		return fail("%w", err)
	}
	if opts.Secrets == nil {
		opts.Secrets = secrets.Default{}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = pacing.System{}.Sleep
	}
	log := cmp.Or(opts.Logger, m.log).With("connection", cfg.Name)
	secret := credential.New(opts.Secrets, cfg.TokenSecretRef, log)
	token, err := secret.Refresh(ctx)
	if err != nil && !opts.AwaitToken {
		return fail("%w", err)
	}
	leaveLimits := func() {}
	limits := opts.Limits.or(cfg.Limits).or(DefaultLimits())
	if err := limits.check(); err != nil {
		return fail("%w", err)
	}
	if opts.Limits.or(cfg.Limits).MemoryBytes > m.code.Memory() {
		return fail("limits.memory_bytes: %d is more than the %d that the module was loaded with (LoadOptions.Memory)", limits.MemoryBytes, m.code.Memory())
	}
	client, err := egress.New(egress.Config{
		BaseURL:        base,
		Service:        egress.ServiceOf(m.manifest.Manifest, auth),
		RateLimitShare: cfg.RateLimitShare,
		Limiter: func(o pacing.Options) (l *pacing.Limiter) {
			l, leaveLimits = m.limits.Limiter(base.String(), token.Reveal(), o)
			return l
		},
		MaxBody:             limits.BodyBytes,
		Timeout:             limits.RequestTimeout,
		RootCAs:             opts.RootCAs,
		Dial:                opts.Dial,
		Lookup:              opts.Lookup,
		AllowPrivateNetwork: cfg.AllowPrivateNetwork,
		UserAgent:           "mach5-" + m.manifest.Kind + "-connector/" + m.manifest.Version,
		Logger:              log,
	})
	if err != nil {
		return fail("%w", err)
	}
	c := &Connection{module: m, config: cfg, opts: opts, limits: limits, base: base, auth: auth, credential: secret, client: client, log: log,
		leaveLimits: leaveLimits, closed: make(chan struct{})}
	c.pool = m.code.NewPool(sandbox.PoolOptions{Memory: limits.MemoryBytes, Concurrency: limits.Concurrency, Logger: log, Printed: logPrinted})
	return c, nil
}

// Config returns the effective configuration, defaults included. It holds a reference to the token, never the token.
func (c *Connection) Config() Config { return c.config.clone() }

// clone returns a deep copy, so that later changes by the caller have no effect.
func (c Config) clone() Config {
	c.Grants, c.Approve = slices.Clone(c.Grants), slices.Clone(c.Approve)
	return c
}

// Module returns the module of the connection.
func (c *Connection) Module() *Module { return c.module }

// Close ends the connection. Idle instances are freed; running calls finish. It waits only for instances that are being
// restored, until ctx ends.
func (c *Connection) Close(ctx context.Context) error {
	c.closing.Do(func() {
		close(c.closed)
		c.pool.Close(ctx)
		c.client.Close()
		c.leaveLimits()
	})
	return nil
}

func (c *Connection) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// granted reports whether the connection may use a class.
func (c *Connection) granted(class abi.Class) bool { return slices.Contains(c.config.Grants, class) }

// settings returns the part of the configuration that the guest sees.
func (c *Connection) settings() abi.Settings {
	return abi.Settings{DefaultPageSize: c.config.DefaultPageSize, InitialLookbackSeconds: c.config.InitialLookbackSeconds}
}

// Quota is the state of one rate-limit bucket according to the service's last response.
type Quota struct {
	Bucket    string        `json:"bucket"`
	Limit     int           `json:"limit"`     // requests per window
	Remaining int           `json:"remaining"` // requests left in this window
	ResetIn   time.Duration `json:"reset_in"`
}

// Quota returns, sorted by name, the state of every bucket that this connection used and that the service reported.
func (c *Connection) Quota() []Quota {
	var all []Quota
	for _, q := range c.client.Quota() {
		if q.Known {
			all = append(all, Quota{Bucket: q.Bucket, Limit: q.Limit, Remaining: q.Remaining, ResetIn: q.ResetIn})
		}
	}
	slices.SortFunc(all, func(a, b Quota) int { return cmp.Compare(a.Bucket, b.Bucket) })
	return all
}
