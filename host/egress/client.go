// Package egress is the one way out: it turns what a guest asked for into a request to the connection's origin, and
// nothing else into anything.
//
// A Client knows one origin. It takes endpoint templates and fills them, follows no redirect, uses no proxy, dials the
// very address that it judged, paces itself by the service's rate limits, and tells whether a request that failed may
// have been seen.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

// Service is what a Client must know of its service. The zero value is a service that tells of no rate limits.
type Service struct {
	Headers abi.RateLimitHeaders
	Habits  *abi.RateLimitHabits
	Errors  *abi.RateLimitErrors // how to read a 429's body; nil takes every 429 for the bucket's
	// AuthHeader is the header that Call.Authorization goes into; default Authorization.
	AuthHeader      string
	RequestIDHeader string   // of answers; empty is none
	ResponseHeaders []string // that a guest may see besides abi.ResponseHeaders, in lower case
	// ContentTypeParameters may follow application/json in the Content-Type of a request.
	ContentTypeParameters []string
	// AnyQuery lets a request other than a GET have any query, as modules of minor version 0 do.
	AnyQuery bool
}

// ServiceOf returns what a manifest declares of its service. auth is the way to sign in that is used.
func ServiceOf(m *abi.Manifest, auth abi.Auth) Service {
	return Service{
		Headers:               m.RateLimitHeaders,
		Habits:                m.RateLimitHabits,
		Errors:                m.RateLimitErrors,
		AuthHeader:            auth.Header,
		RequestIDHeader:       m.RequestIDHeader,
		ResponseHeaders:       m.ResponseHeaders,
		ContentTypeParameters: m.ContentTypeParameters,
		AnyQuery:              m.Minor == 0,
	}
}

// Config configures a Client. BaseURL is required; a zero field means its default.
type Config struct {
	BaseURL        *url.URL // from ParseBaseURL
	Service        Service
	RateLimitShare float64                              // part of each rate limit that may be used, 0 < share ≤ 1; default 0.9, since others use the org too
	Limiter        func(pacing.Options) *pacing.Limiter // makes the pacer; default pacing.New, which shares with nobody
	Timeout        time.Duration                        // of one attempt, from dialling to the last byte in; default 60 s
	MaxBody        int64                                // bytes of a decoded body; default 64 MiB
	MaxAttempts    int                                  // for a GET, and for a write that was not sent; default 4
	RootCAs        *x509.CertPool                       // default the system's
	// Dial connects to an address that was judged before; it must not keep the context. Default a net.Dialer.
	Dial                func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup              func(ctx context.Context, host string) ([]net.IPAddr, error) // default the system's resolver
	AllowPrivateNetwork bool                                                         // addresses that are not public
	UserAgent           string                                                       // default "mach5-connector"
	Clock               pacing.Clock                                                 // default pacing.System
	LookupEnv           func(string) (string, bool)                                  // read to say in an error that a proxy is not used; default os.LookupEnv
	Rand                func() float64                                               // in [0,1), for jitter; safe for concurrent use; default math/rand/v2
	Logger              *slog.Logger                                                 // default discards; gets what is repeated, at Debug
}

// Client sends requests to one origin. It is safe for concurrent use.
type Client struct {
	config    Config
	transport *http.Transport
	limiter   *pacing.Limiter
	wait      *regexp.Regexp // of Service.Errors; nil without one
	visible   []string       // headers of answers that a guest may see, in lower case
	templates sync.Map       // endpoint → template
	gzips     sync.Pool
}

// Call is one request. Authorization is the real value of Service.AuthHeader, or empty; what the request itself has of that
// header does not count. The endpoint is granted by the caller, and the request's, where it names one, must be the same.
type Call struct {
	Endpoint      abi.Endpoint
	Request       abi.Request
	Authorization string
}

// String names the endpoint alone, so that a Call can be logged.
func (c Call) String() string { return c.Endpoint.Endpoint }

// GoString is String.
func (c Call) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c Call) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON gives the endpoint alone.
func (c Call) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Response is an answer, whatever its status. Release its Body.
type Response struct {
	Status    int
	Header    http.Header
	Body      *Buffer       // nil without a body
	Attempts  int           // requests that were sent or tried to be; 1 without a repeat
	Waited    time.Duration // for rate limits and between attempts
	RequestID string
}

// ABIHeaders are the headers of an answer that a guest may see: names in lower case, all values.
func (c *Client) ABIHeaders(r *Response) map[string][]string {
	m := make(map[string][]string, len(c.visible))
	for _, name := range c.visible {
		if values := r.Header.Values(name); len(values) > 0 {
			m[name] = values
		}
	}
	return m
}

const tlsTimeout = 15 * time.Second

// New makes a client. It makes no request. An error is one of the configuration.
func New(c Config) (*Client, error) {
	if c.BaseURL == nil {
		return nil, errors.New("egress: no base URL")
	}
	base, err := ParseBaseURL(c.BaseURL.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("egress: base URL: %w", err)
	}
	c.BaseURL = base
	switch {
	case c.Timeout < 0, c.MaxBody < 0, c.MaxAttempts < 0:
		return nil, errors.New("egress: Timeout, MaxBody and MaxAttempts are not negative")
	case !(c.RateLimitShare >= 0 && c.RateLimitShare <= 1):
		return nil, errors.New("egress: RateLimitShare is over 0 and at most 1")
	}
	c.setDefaults()
	client := &Client{config: c, visible: slices.Concat(abi.ResponseHeaders(), c.Service.ResponseHeaders)}
	if errors := c.Service.Errors; errors != nil {
		if err := errors.Check(); err != nil {
			return nil, fmt.Errorf("egress: %w", err)
		}
		if errors.Wait != "" {
			client.wait = regexp.MustCompile(errors.Wait)
		}
	}
	client.limiter = c.Limiter(pacing.Options{Headers: c.Service.Headers, Habits: c.Service.Habits, Share: c.RateLimitShare, Clock: c.Clock, Rand: c.Rand})
	client.transport = &http.Transport{
		Proxy:                  nil, // the environment does not decide where requests go
		DialContext:            dialer(c),
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second}, // finds dead connections
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tlsTimeout,
		DisableCompression:     true, // decoded here, so that the body limit holds for what was decoded
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		ReadBufferSize:         64 << 10,
	}
	return client, nil
}

func (c *Config) setDefaults() {
	if c.Service.AuthHeader == "" {
		c.Service.AuthHeader = "Authorization"
	}
	c.Service.AuthHeader = http.CanonicalHeaderKey(c.Service.AuthHeader)
	if c.RateLimitShare == 0 {
		c.RateLimitShare = 0.9
	}
	if c.Limiter == nil {
		c.Limiter = pacing.New
	}
	if c.Timeout == 0 {
		c.Timeout = 60 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 20
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 4
	}
	if c.Clock == nil {
		c.Clock = pacing.System{}
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	if c.UserAgent == "" {
		c.UserAgent = "mach5-connector"
	}
}

// Close drops idle connections. Requests on their way are left to end.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Quota is the state of the rate limits, by bucket.
func (c *Client) Quota() []pacing.State { return c.limiter.Buckets() }
