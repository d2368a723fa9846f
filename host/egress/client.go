// Package egress is the one way out: it turns what a guest asked for into a request to the connection's origin, and
// nothing else into anything.
//
// A Client knows one origin. It takes endpoint templates and fills them, follows no redirect, uses no proxy, dials the
// very address that it judged, paces itself by the service's rate limits, and tells exactly whether a request that
// failed may have been seen.
package egress

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

// Config configures a Client. BaseURL is required; a zero field means its default.
type Config struct {
	BaseURL             *url.URL // from ParseBaseURL
	Headers             abi.RateLimitHeaders
	Timeout             time.Duration  // of one attempt, last byte in; default 60 s, since Okta answers 500 after 30
	MaxBody             int64          // bytes of a decoded body; default 64 MiB
	MaxAttempts         int            // for a GET, and for a write that was not sent; default 4
	RootCAs             *x509.CertPool // default the system's
	Dial                func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup              func(ctx context.Context, host string) ([]net.IPAddr, error) // default the system's resolver
	AllowPrivateNetwork bool                                                         // addresses that are not public
	UserAgent           string
	Clock               pacing.Clock // default pacing.System
	Logger              *slog.Logger // default discards
}

// Client sends requests to one origin. It is safe for concurrent use.
type Client struct {
	config    Config
	transport *http.Transport
	limiter   *pacing.Limiter
	templates sync.Map // endpoint → template
	gzips     sync.Pool
}

// Call is one request. Authorization is the header's real value, or empty; what the request itself has of that header
// does not count.
type Call struct {
	Endpoint      abi.Endpoint
	Request       abi.Request
	Authorization string
}

// Response is an answer, whatever its status. Release its Body.
type Response struct {
	Status    int
	Header    http.Header
	Body      *Buffer // nil without a body
	Attempts  int
	Waited    time.Duration // for rate limits and between attempts
	RequestID string
}

// ABIHeaders are the headers that a guest may see: names in lower case, all values.
func (r *Response) ABIHeaders() map[string][]string {
	m := make(map[string][]string, 6)
	for _, name := range abi.ResponseHeaders() {
		if values := r.Header.Values(name); len(values) > 0 {
			m[name] = values
		}
	}
	return m
}

// New makes a client.
func New(c Config) (*Client, error) {
	if c.BaseURL == nil {
		return nil, errors.New("egress: no base URL")
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
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.UserAgent == "" {
		c.UserAgent = "mach5-connector"
	}
	client := &Client{config: c, limiter: pacing.New(pacing.Options{Headers: c.Headers, Clock: c.Clock})}
	client.transport = &http.Transport{
		Proxy:                  nil, // the environment does not decide where requests go
		DialContext:            dialer(c),
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    15 * time.Second,
		DisableCompression:     true, // decoded here, so that the body limit holds for what was decoded
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		ReadBufferSize:         64 << 10,
	}
	return client, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Quota is the state of the rate limits, by bucket.
func (c *Client) Quota() []pacing.State { return c.limiter.Buckets() }

// Bounds of repeating.
const (
	backoffBase  = 200 * time.Millisecond
	backoffCap   = 5 * time.Second
	maxThrottled = 8 // 429s waited out in one call
)

// Send sends a request within the context's deadline. It waits for room in the bucket and waits out a 429, since such a
// request was not processed. It repeats a GET after connection errors and 502, 503 and 504, and a write only when it
// certainly was not sent.
func (c *Client) Send(ctx context.Context, call Call) (*Response, *abi.SendError) {
	req, sendErr := c.build(call)
	if sendErr != nil {
		return nil, sendErr
	}
	read := req.Method == http.MethodGet
	var waited time.Duration
	throttled, sentBefore := 0, false
	for attempt := 1; ; attempt++ {
		w, err := c.limiter.Acquire(ctx, call.Endpoint.Bucket)
		waited += w
		if err != nil {
			return nil, c.acquireError(ctx, err, sentBefore)
		}
		resp, sendErr := c.attempt(ctx, req, call)
		if resp != nil {
			resp.Attempts, resp.Waited = attempt, waited
			pause := c.limiter.Observe(call.Endpoint.Bucket, resp.Status, resp.Header)
			switch {
			case resp.Status == http.StatusTooManyRequests:
				// Acquire holds the next attempt back until the pause is over.
				if throttled++; throttled > maxThrottled || !c.fits(ctx, pause) {
					resp.Body.Release()
					return nil, &abi.SendError{Code: abi.SendRateLimited, RetryAfterMS: max(pause.Milliseconds(), 1000), Sent: sentBefore,
						Message: fmt.Sprintf("the service's rate limit of %s is reached and has room only past the deadline", call.Endpoint.Bucket)}
				}
				resp.Body.Release()
				attempt--
				continue
			case read && attempt < c.config.MaxAttempts && resp.Status >= 502 && resp.Status <= 504:
				if d := backoff(attempt); c.fits(ctx, d) {
					resp.Body.Release()
					if c.config.Clock.Sleep(ctx, d) == nil {
						waited += d
						continue
					}
					return nil, contextError(ctx, sentBefore)
				}
			}
			return resp, nil
		}
		sentBefore = sentBefore || sendErr.Sent
		again := repeatable(sendErr.Code) && (read || !sendErr.Sent) && attempt < c.config.MaxAttempts
		d := backoff(attempt)
		if !again || !c.fits(ctx, d) || c.config.Clock.Sleep(ctx, d) != nil {
			return nil, sendErr
		}
		waited += d
	}
}

// repeatable lists the failures that may pass by themselves.
func repeatable(code abi.SendCode) bool {
	return code == abi.SendConnect || code == abi.SendInterrupted || code == abi.SendTimeout
}

func backoff(attempt int) time.Duration {
	d := min(backoffBase<<(attempt-1), backoffCap)
	return d/2 + time.Duration(rand.Int64N(int64(d)))
}

// fits reports whether a wait ends before the deadline.
func (c *Client) fits(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || c.config.Clock.Now().Add(d).Before(deadline))
}

func (c *Client) acquireError(ctx context.Context, err error, sent bool) *abi.SendError {
	var tooLong pacing.TooLong
	if errors.As(err, &tooLong) {
		return &abi.SendError{Code: abi.SendRateLimited, Message: err.Error(), RetryAfterMS: tooLong.RetryAfter.Milliseconds(), Sent: sent}
	}
	return contextError(ctx, sent)
}

func contextError(ctx context.Context, sent bool) *abi.SendError {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &abi.SendError{Code: abi.SendCanceled, Message: "the caller gave up", Sent: sent}
	}
	return &abi.SendError{Code: abi.SendTimeout, Message: "the call's time is up", Sent: sent}
}

// request is what build made: everything that stays the same over attempts.
type request struct {
	Method string
	url    *url.URL
	header http.Header
	body   []byte
}

func malformed(err error) *abi.SendError {
	return &abi.SendError{Code: abi.SendMalformed, Message: err.Error()}
}

// build turns the guest's request into one to the origin, or says what is not allowed about it.
func (c *Client) build(call Call) (*request, *abi.SendError) {
	r := call.Request
	t := c.template(call.Endpoint)
	req := &request{Method: call.Endpoint.Method()}
	var path, raw string
	var err error
	switch {
	case r.Link == "":
		if path, err = t.fill(r.Path); err == nil {
			raw, err = query(r.Query)
		}
	case req.Method != http.MethodGet:
		err = errors.New("a link is for a GET")
	case len(r.Path) > 0 || len(r.Query) > 0:
		err = errors.New("a link comes without path and query")
	default:
		path, raw, err = t.link(r.Link)
	}
	if err != nil {
		return nil, malformed(err)
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, malformed(errors.New("the path is not escaped properly"))
	}
	req.url = &url.URL{Scheme: c.config.BaseURL.Scheme, Host: c.config.BaseURL.Host, Path: plain, RawPath: path, RawQuery: raw}
	if req.url.EscapedPath() != path {
		return nil, malformed(errors.New("the path does not survive being written"))
	}
	if req.header, err = headers(r.Headers); err != nil {
		return nil, malformed(err)
	}
	req.header["User-Agent"] = []string{c.config.UserAgent}
	req.header["Accept-Encoding"] = []string{"gzip"}
	if call.Authorization != "" {
		req.header["Authorization"] = []string{call.Authorization}
	}
	if len(r.Body) > 0 {
		if req.Method == http.MethodGet || req.Method == http.MethodDelete {
			return nil, malformed(errors.New("a " + req.Method + " has no body"))
		}
		req.body = r.Body
		if req.header["Content-Type"] == nil {
			req.header["Content-Type"] = []string{"application/json"}
		}
	}
	return req, nil
}

func (c *Client) template(e abi.Endpoint) template {
	if t, ok := c.templates.Load(e.Endpoint); ok {
		return t.(template)
	}
	t := parseTemplate(e.Template())
	c.templates.Store(e.Endpoint, t)
	return t
}

const maxHeader = 4 << 10

// headers takes the few headers that a guest may set.
func headers(given map[string]string) (http.Header, error) {
	h := http.Header{"Accept": {"application/json"}}
	for name, value := range given {
		canonical := http.CanonicalHeaderKey(name)
		allowed := false
		for _, n := range abi.RequestHeaders() {
			allowed = allowed || n == canonical
		}
		if !allowed {
			return nil, fmt.Errorf("header %q may not be set", printable(name))
		}
		if len(value) > maxHeader {
			return nil, fmt.Errorf("header %s has over %d bytes", canonical, maxHeader)
		}
		for i := 0; i < len(value); i++ {
			if value[i] < 0x20 || value[i] > 0x7e {
				return nil, fmt.Errorf("header %s holds a character that is not printable ASCII", canonical)
			}
		}
		switch canonical {
		case "Authorization": // its value comes with the Call
		case "Content-Type":
			if kind, _, _ := strings.Cut(value, ";"); strings.TrimSpace(kind) != "application/json" {
				return nil, errors.New("header Content-Type is application/json, with parameters at most")
			}
			fallthrough
		default:
			h[canonical] = []string{value}
		}
	}
	return h, nil
}

// attempt makes the request once.
func (c *Client) attempt(ctx context.Context, r *request, call Call) (*Response, *abi.SendError) {
	actx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{
		// Of what is buffered nothing may have left yet; that cannot be told, and counts as sent.
		WroteHeaderField: func(string, []string) { wrote.Store(true) },
	}
	req := &http.Request{Method: r.Method, URL: r.url, Host: r.url.Host, Header: r.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if r.body != nil {
		// Without GetBody net/http cannot repeat the request by itself after bytes have left.
		req.Body, req.ContentLength = io.NopCloser(&sliceReader{r.body}), int64(len(r.body))
	} else if r.Method == http.MethodPost || r.Method == http.MethodPut {
		req.Body, req.ContentLength = http.NoBody, 0 // sends Content-Length: 0
	}
	resp, err := c.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(actx, trace)))
	if err != nil {
		return nil, c.sendError(ctx, actx, err, wrote.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
		return nil, &abi.SendError{Code: abi.SendRedirect, Sent: true,
			Message: fmt.Sprintf("the service answered with a redirect (%d), which is never followed: is base_url right?", resp.StatusCode)}
	}
	body, err := c.body(resp)
	if errors.Is(err, errTooLarge) {
		return nil, &abi.SendError{Code: abi.SendTooLarge, Sent: true,
			Message: fmt.Sprintf("the answer is over the limit of %d bytes (Limits.BodyBytes): ask for smaller pages", c.config.MaxBody)}
	}
	if err != nil {
		return nil, c.sendError(ctx, actx, errInterrupted{err}, true)
	}
	out := &Response{Status: resp.StatusCode, Header: resp.Header, Body: body, RequestID: resp.Header.Get("X-Okta-Request-Id")}
	return out, nil
}

// body reads and decodes a body.
func (c *Client) body(resp *http.Response) (*Buffer, error) {
	if resp.ContentLength == 0 || resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	encoding := resp.Header.Get("Content-Encoding")
	if encoding == "" || encoding == "identity" {
		return readBuffer(resp.Body, resp.ContentLength, c.config.MaxBody)
	}
	if encoding != "gzip" {
		return nil, fmt.Errorf("content encoding %q was not asked for", printable(encoding))
	}
	z, _ := c.gzips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	if err := z.Reset(resp.Body); err != nil {
		return nil, err
	}
	expected := int64(-1)
	if resp.ContentLength > 0 {
		expected = min(resp.ContentLength*8, c.config.MaxBody) // JSON shrinks to about an eighth
	}
	b, err := readBuffer(z, expected, c.config.MaxBody)
	if err == nil {
		c.gzips.Put(z)
	}
	return b, err
}

// sliceReader reads a body that net/http must not be able to rewind.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}
