package host

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/account"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/pacing"
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
	credential credential.Source

	closing sync.Once
	closed  chan struct{}
}

// Connect checks a configuration and reads its token. It sends no request. The error wraps ErrConfig, and
// secrets.ErrUnavailable if the token cannot be read.
func (m *Module) Connect(ctx context.Context, cfg Config, opts ConnectOptions) (*Connection, error) {
	cfg = cfg.clone()
	c, err := m.connect(ctx, cfg, opts, cmp.Or(opts.Logger, m.log).With("connection", cfg.Name))
	if err != nil {
		return nil, configError{cfg.Name, err}
	}
	return c, nil
}

func (m *Module) connect(ctx context.Context, cfg Config, opts ConnectOptions, log *slog.Logger) (*Connection, error) {
	base, err := cfg.check(m, opts)
	if err != nil {
		return nil, err
	}
	auth, err := credential.Select(m.manifest.Manifest, cfg.TokenSecretRef != "", cfg.OAuth.set())
	if err != nil {
		return nil, err
	}
	limits, err := opts.Limits.Or(cfg.Limits).Complete(m.code.Memory())
	if err != nil {
		return nil, err
	}
	c := &Connection{module: m, config: cfg, opts: opts.withDefaults(), base: base, auth: auth, log: log, closed: make(chan struct{})}
	opts = c.opts
	account, err := c.signIn(ctx)
	if err != nil {
		return nil, err
	}
	leaveLimits := func() {}
	route, err := network.Settings{Proxy: cfg.Proxy, Secret: cfg.ProxyCredentialsRef, CAFile: cfg.CAFile, TLSMin: cfg.TLSMin, Resolver: opts.Secrets, Logger: log}.Route(base, opts.RootCAs)
	if err != nil {
		return nil, err
	}
	c.client, err = egress.New(egress.Config{
		BaseURL:        base,
		Service:        egress.ServiceOf(m.manifest.Manifest, auth),
		RateLimitShare: cfg.RateLimitShare,
		Limiter: func(o pacing.Options) (l *pacing.Limiter) {
			l, leaveLimits = m.limits.Limiter(base.String(), account, o)
			return l
		},
		MaxBody:             limits.BodyBytes,
		Timeout:             limits.RequestTimeout,
		Route:               route,
		Dial:                opts.Dial,
		Lookup:              opts.Lookup,
		AllowPrivateNetwork: cfg.AllowPrivateNetwork,
		Sleep:               opts.Sleep,
		UserAgent:           "mach5-" + m.manifest.Kind + "-connector/" + m.manifest.Version,
		Logger:              log,
	})
	if err != nil {
		return nil, err
	}
	c.limits, c.leaveLimits = limits, leaveLimits
	c.pool = m.code.NewPool(sandbox.PoolOptions{Memory: limits.MemoryBytes, Concurrency: limits.Concurrency, Logger: log, Printed: logPrinted})
	return c, nil
}

// Config returns the effective configuration, defaults included. It holds a reference to the token, never the token.
func (c *Connection) Config() Config { return c.config.clone() }

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
	return abi.Settings{DefaultPageSize: c.config.DefaultPageSize, InitialLookbackSeconds: c.config.InitialLookbackSeconds, Auth: c.auth.Type}
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
