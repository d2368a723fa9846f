package oktatest

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// endpoint is one row of a resource's table.
type endpoint struct {
	pattern string // method and path template, in ServeMux syntax
	bucket  string // Okta's rate-limit bucket
	handle  func(*Org, *call) (answer, error)

	feature  func(Config) bool // reports whether the org has the feature that the endpoint needs; nil if it needs none
	open     bool              // needs no token
	unlocked bool              // the handler does its own locking
	ahead    bool              // match it first: a path parameter of another endpoint could match its literal, as in /groups/rules/{id}
}

// call is one request on its way to a handler.
type call struct {
	*http.Request
	id     string    // X-Okta-Request-Id
	now    time.Time // the time of the request, used for all its effects
	origin string    // origin of the links in the answer
	body   []byte
	effect bool        // the request changed state
	repeat bool        // answer with the previous page
	app    *ServiceApp // the app whose token the request has; nil for an API token
}

// answer is the response of a handler. The zero status means 200.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	recycle func() // ServeHTTP calls it when body is no longer needed; may be nil
	foreign bool   // the answer comes from a gateway or proxy, not from Okta's API
}

const maxRequestBody = 1 << 20 // bytes

func (o *Org) register(endpoints []endpoint) {
	o.routes[0], o.routes[1] = newRoutes(), newRoutes()
	known := map[string]bool{}
	for i := range endpoints {
		e := &endpoints[i]
		to := o.routes[1]
		if e.ahead {
			to = o.routes[0]
		}
		to.endpoints.Handle(e.pattern, mark(match{endpoint: e}))
		if _, template, _ := strings.Cut(e.pattern, " "); !known[anonymous(template)] {
			known[anonymous(template)] = true
			to.paths.Handle(template, mark(match{otherMethod: true}))
		}
	}
}

// routes has a mux that matches endpoints, and a mux that matches their paths with any method.
type routes struct{ endpoints, paths *http.ServeMux }

func newRoutes() routes { return routes{http.NewServeMux(), http.NewServeMux()} }

// route finds the endpoint of r and fills in its path parameters.
func (o *Org) route(r *http.Request) (found match) {
	for _, all := range o.routes {
		all.endpoints.ServeHTTP(&found, r)
		if found.endpoint == nil {
			all.paths.ServeHTTP(&found, r)
		}
		if found.endpoint != nil || found.otherMethod {
			return found
		}
	}
	return found
}

// match is the mux's result for a request. The mux only routes and fills in path parameters, so match serves as its
// ResponseWriter. match drops anything that the mux itself answers, such as a redirect to a cleaner path.
type match struct {
	endpoint    *endpoint
	otherMethod bool // the path exists, for another method
}

func (*match) Header() http.Header         { return http.Header{} }
func (*match) Write(p []byte) (int, error) { return len(p), nil }
func (*match) WriteHeader(int)             {}

func mark(found match) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { *w.(*match) = found })
}

// ServeHTTP answers like the org.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, id: o.ids.requestID(), now: o.cfg.Now(), origin: o.cfg.PublicURL}
	if c.origin == "" {
		c.origin = requestOrigin(r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		http.Error(w, "request body cannot be read: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	c.body = body

	found := o.route(r)
	e := found.endpoint
	entry := newRequest(c)
	if e != nil {
		entry.Pattern = e.pattern
	}
	h := w.Header()
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	h.Set("X-Okta-Request-Id", c.id)

	f := o.faults.pick(r, entry.Pattern)
	c.repeat = f.Kind == RepeatPage
	f.sleep(r.Context())
	var a answer
	if f.before() {
		a = o.failure(w, c, e, f)
	} else {
		a = o.answer(w, c, found)
	}
	if a.recycle != nil {
		defer a.recycle()
	}
	o.show(c, e, a)
	if f.Kind == StatusAfter {
		a = o.refusal(statusError(f.Status))
	}
	if f.Kind != ResetBefore && f.Kind != ResetAfter {
		entry.Status = a.status
	}
	o.received.add(entry) // before the answer is sent, so that a caller who has the answer finds its request counted
	switch f.Kind {
	case ResetBefore, ResetAfter:
		reset(w)
	case Truncate:
		o.truncate(w, c, a)
	default:
		o.write(w, c, a)
	}
}

// answer runs the checks before a handler, and the handler.
func (o *Org) answer(w http.ResponseWriter, c *call, found match) answer {
	e := found.endpoint
	if strings.Contains(c.URL.Path, "//") {
		// The gateway in front of Okta's API answers here, in its own format.
		return answer{status: http.StatusNotFound, body: []byte(`{"status":404,"message":"Resource not found"}`), foreign: true}
	}
	if e == nil || !e.open {
		if scheme, _, _ := strings.Cut(c.Header.Get("Authorization"), " "); scheme == "Bearer" || scheme == "DPoP" {
			if refused := o.byToken(c, e); refused != nil {
				a := o.refusal(refused.refusal)
				a.header = refused.header
				return a
			}
		} else if !o.authorized(c.Request) {
			return o.refusal(errBadToken)
		}
	}
	switch {
	case found.otherMethod:
		return o.refusal(errMethod)
	case e == nil:
		return o.refusal(errUnknownPath)
	case lengthMissing(c.Request):
		return answer{
			status: http.StatusLengthRequired,
			header: http.Header{"Content-Type": {"text/html"}},
			body:   []byte("<html><head><title>411 Length Required</title></head><body><h1>411 Length Required</h1></body></html>\n"),

			foreign: true,
		}
	case e.feature != nil && !e.feature(o.cfg), o.denials.lacks(e):
		return o.refusal(errNoFeature)
	case !o.limiter.take(e.bucket, c.now, w.Header()):
		return o.refusal(errTooMany)
	case c.app != nil && strings.HasPrefix(c.URL.Path+"/", "/api/v1/users/me/"):
		return o.refusal(notFound("me", "User")) // a service app is not a user
	case o.denials.forbids(e), !e.open && !o.administers(c):
		return o.refusal(errForbidden)
	}
	write := c.Method != http.MethodGet && c.Method != http.MethodHead
	a, err := o.handle(c, e, write)
	if !e.open {
		o.received.tally(write, c.effect)
	}
	if err != nil {
		return o.refusal(err)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

func (o *Org) handle(c *call, e *endpoint, write bool) (answer, error) {
	switch {
	case e.unlocked:
	case write:
		o.mu.Lock()
		defer o.mu.Unlock()
	default:
		o.mu.RLock()
		defer o.mu.RUnlock()
	}
	return e.handle(o, c)
}

// authorized reports whether r has the token, and the token is valid. A token is not valid if its owner is suspended,
// deactivated or deleted. The org then answers E0000011 (support.okta.com, "HTTP 401 E0000011";
// CDCgov/prime-simplereport#4156).
func (o *Org) authorized(r *http.Request) bool {
	if r.Header.Get("Authorization") != "SSWS "+o.cfg.Token {
		return false
	}
	if o.cfg.Users == 0 { // the token has no owner
		return true
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	owner := &o.users.all[0].live
	status := owner.status
	if owner.moving(o.cfg.Now) {
		status = owner.from
	}
	return owner.exists && status != suspended && status != deprovisioned
}

// administers reports whether the token's owner has an administrator role, since a token may do what its owner may. For the
// token of a service app, it reports whether the app has a role.
// https://developer.okta.com/docs/guides/create-an-api-token/
func (o *Org) administers(c *call) bool {
	if c.app != nil {
		return !c.app.NoRole
	}
	if o.cfg.Users == 0 {
		return true
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.rolesOf(principal{principalUser, o.users.all[0].id})) > 0
}

func (o *Org) refusal(err error) answer {
	var refused *apiError
	if !errors.As(err, &refused) {
		refused = errInternal
	}
	return answer{status: refused.status, body: refused.body(o.ids.next("oae", 25))}
}

// write sends a. It compresses the body if the body is large enough and both the client and the configuration allow it.
func (o *Org) write(w http.ResponseWriter, c *call, a answer) {
	body, done := o.prepare(w, c, a)
	defer done()
	w.WriteHeader(a.status)
	if c.Method != http.MethodHead && a.status != http.StatusNoContent {
		w.Write(body) // a closed connection does not matter
	}
}

// prepare sets the headers of a and returns the bytes to send; done returns their buffer to the pool.
func (o *Org) prepare(w http.ResponseWriter, c *call, a answer) (body []byte, done func()) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = append(h[name], values...)
	}
	if a.status == http.StatusNoContent {
		return nil, func() {}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	body, done = a.body, func() {}
	if !o.cfg.NoGzip && len(body) > 1024 && acceptsGzip(c.Request) {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		body, done = o.compress(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	return body, done
}

// requestOrigin returns the scheme and host that r was sent to.
func requestOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// lengthMissing reports whether r is a write without a length, which Okta refuses. HTTP/2 needs no Content-Length. A test
// that calls ServeHTTP directly sets none either, so lengthMissing is false for requests without a server.
func lengthMissing(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return false
	}
	return r.Context().Value(http.ServerContextKey) != nil && r.ProtoMajor == 1 &&
		r.Header.Get("Content-Length") == "" && len(r.TransferEncoding) == 0
}

func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			name, quality, _ := strings.Cut(strings.TrimSpace(coding), ";")
			if strings.TrimSpace(name) == "gzip" && strings.ReplaceAll(quality, " ", "") != "q=0" {
				return true
			}
		}
	}
	return false
}

type compressor struct {
	writer *gzip.Writer
	out    sliceWriter
}

type sliceWriter struct{ bytes []byte }

// Write implements io.Writer.
func (s *sliceWriter) Write(p []byte) (int, error) {
	s.bytes = append(s.bytes, p...)
	return len(p), nil
}

func (o *Org) compress(body []byte) (compressed []byte, done func()) {
	z, ok := o.compressors.Get().(*compressor)
	if !ok {
		writer, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		z = &compressor{writer: writer}
	}
	z.out.bytes = z.out.bytes[:0]
	z.writer.Reset(&z.out)
	z.writer.Write(body) // memory does not fail
	z.writer.Close()
	return z.out.bytes, func() { o.compressors.Put(z) }
}
