// Package egress sends the guest's requests to the connection's origin, and nowhere else.
//
// A Client sends to one origin. It fills endpoint templates, follows no redirect. It dials only addresses that it checked,
// or opens a tunnel through the configured proxy. It respects the service's rate limits, and reports whether a failed request may have
// been received.
package egress

import (
	"context"
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
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/pacing"
)

// Service describes the service to a Client. The zero value is a service that reports no rate limits.
type Service struct {
	Headers abi.RateLimitHeaders
	Habits  *abi.RateLimitHabits
	Errors  *abi.RateLimitErrors // how to read the body of a 429; if nil, every 429 counts for the request's bucket
	// AuthHeader is the header for Call.Authorization. Default Authorization.
	AuthHeader      string
	RequestIDHeader string   // response header; empty if there is none
	ResponseHeaders []string // additional response headers for the guest (see abi.ResponseHeaders), in lower case
	// ContentTypeParameters are the parameters that may follow application/json in a request's Content-Type.
	ContentTypeParameters []string
	// Minor0 says that the module is of minor version 0, which declares neither the query of a GET nor If-Match.
	Minor0 bool
}

// ServiceOf returns the service as a manifest describes it. auth is the selected auth method.
func ServiceOf(m *abi.Manifest, auth abi.Auth) Service {
	return Service{
		Headers:               m.RateLimitHeaders,
		Habits:                m.RateLimitHabits,
		Errors:                m.RateLimitErrors,
		AuthHeader:            auth.Header,
		RequestIDHeader:       m.RequestIDHeader,
		ResponseHeaders:       m.ResponseHeaders,
		ContentTypeParameters: m.ContentTypeParameters,
		Minor0:                m.Minor == 0,
	}
}

// Config configures a Client. BaseURL is required. A zero field means its default.
type Config struct {
	BaseURL        *url.URL // from ParseBaseURL
	Service        Service
	RateLimitShare float64                              // largest share of each rate limit to use, 0 < share ≤ 1; default 0.9
	Limiter        func(pacing.Options) *pacing.Limiter // creates the limiter; default pacing.New, which shares with no other Client
	Timeout        time.Duration                        // for one attempt, from dialling to the last byte; default 60 s
	MaxBody        int64                                // maximum size of a decoded body in bytes; default 64 MiB
	MaxAttempts    int                                  // for a GET, and for a write that was not sent; default 4
	Route          network.Route                        // how to reach BaseURL; default directly, with the system's certificate authorities
	// Dial connects to a checked address. It must not keep the context. Default: a net.Dialer.
	Dial                func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup              func(ctx context.Context, host string) ([]net.IPAddr, error) // default: the system's resolver
	AllowPrivateNetwork bool                                                         // allows addresses that are not public
	UserAgent           string                                                       // default "mach5-connector"
	Clock               pacing.Clock                                                 // default pacing.System
	Sleep               func(context.Context, time.Duration) error                   // waits before the next attempt; default Clock.Sleep
	LookupEnv           func(string) (string, bool)                                  // used only to mention an unused proxy in errors; default os.LookupEnv
	Rand                func() float64                                               // in [0,1), for jitter; must be safe for concurrent use; default math/rand/v2
	Logger              *slog.Logger                                                 // gets repeated requests at level Debug; default: discard
}

// Client sends requests to one origin. It is safe for concurrent use.
type Client struct {
	config    Config
	transport *network.Transport
	limiter   *pacing.Limiter
	wait      *regexp.Regexp // pattern of Service.Errors; nil if there is none
	visible   []string       // response headers that a guest may see, in lower case
	templates sync.Map       // endpoint → template
	gzips     sync.Pool
}

// Call is one request. Authorization is the value of Service.AuthHeader, or empty; that header in the request itself
// is ignored. The caller has checked that Endpoint is granted. If Request names an endpoint, it must be the same.
type Call struct {
	Endpoint      abi.Endpoint
	Request       abi.Request
	Authorization string
	Memory        Memory // counts the response body; nil counts nothing
	// Sign returns what is added to the request, anew for each attempt. Nil adds only Authorization.
	Sign func(method string, address *url.URL) (Signature, error)
	// Repeatable allows repeating the request like a GET, because carrying it out twice does no harm.
	Repeatable bool
}

// Signature authenticates one attempt of a request.
type Signature struct {
	Authorization string // value of Service.AuthHeader; empty sends none
	Proof         string // value of the header DPoP (RFC 9449); empty sends none
	Form          []byte // body of type application/x-www-form-urlencoded; nil keeps the request's
}

// String hides the credential.
func (s Signature) String() string { return "[signature]" }

// GoString returns the same as String.
func (s Signature) GoString() string { return s.String() }

// Memory counts bytes that are about to be allocated, and bytes that are free again.
type Memory interface {
	Take(n int64) error
	Give(n int64)
}

// String returns only the endpoint, so that a Call can be logged.
func (c Call) String() string { return c.Endpoint.Endpoint }

// GoString returns the same as String.
func (c Call) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c Call) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON encodes only the endpoint.
func (c Call) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Response is a response of any status. Release its Body.
type Response struct {
	Status    int
	Header    http.Header
	Body      *Buffer       // nil if empty
	Attempts  int           // requests that were sent, or failed to be sent
	Waited    time.Duration // waits for rate limits and between attempts
	RequestID string
	BodyTook  time.Duration // from the arrival of Header to the end of Body
}

// ABIHeaders returns the response headers that a guest may see: names in lower case, with all values.
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

// New returns a client. It sends no request. An error means that the configuration is invalid.
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
		return nil, errors.New("egress: Timeout, MaxBody and MaxAttempts must not be negative")
	case !(c.RateLimitShare >= 0 && c.RateLimitShare <= 1):
		return nil, errors.New("egress: RateLimitShare must be over 0 and at most 1")
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
	client.transport = network.NewTransport(&http.Transport{
		Proxy:                  nil, // the environment must not redirect requests; dialer uses Config.Route
		DialContext:            dialer(c),
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 10 * time.Second}, // detects dead connections
		TLSHandshakeTimeout:    tlsTimeout,
		DisableCompression:     true, // decoded by body, so that the limit applies to the decoded size
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		ReadBufferSize:         64 << 10,
	}, c.Route)
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
	if c.Sleep == nil {
		c.Sleep = c.Clock.Sleep
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

// Close closes idle connections. Running requests continue.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Quota returns the state of the rate limits by bucket.
func (c *Client) Quota() []pacing.State { return c.limiter.Buckets() }
