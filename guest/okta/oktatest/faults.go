package oktatest

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is a kind of fault.
type FaultKind int

// Kinds of faults. "Before" means that the org did not process the request: nothing was read, changed or counted
// against a rate limit.
const (
	// Latency answers normally, but late: after Fault.Latency.
	Latency FaultKind = iota + 1
	// Status answers Fault.Status (default 503) without processing the request.
	Status
	// StatusAfter processes the request and then answers Fault.Status (default 503).
	StatusAfter
	// ResetBefore resets the connection without processing the request.
	ResetBefore
	// ResetAfter processes the request and then resets the connection without an answer.
	ResetAfter
	// Truncate announces the length of the whole answer, sends half of it and closes the connection.
	Truncate
	// NotJSON answers 200 with an HTML page, like a proxy or a sign-in page, without processing the request.
	NotJSON
	// RateLimited answers 429 E0000047 with the bucket's limit and nothing remaining.
	RateLimited
	// Concurrency answers 429 E0000047 with a limit of 0, Okta's sign for too many concurrent requests.
	Concurrency
	// RecipientLimited answers 429 with Fault.Code: too many messages to one recipient, while the bucket has requests
	// left. It counts against the bucket like any request.
	RecipientLimited
	// Redirect answers 302 to Fault.Location.
	Redirect
	// CursorExpired answers 400 E0000001 to a request with a cursor (after), without processing it. Others are
	// processed.
	CursorExpired
	// RepeatPage answers a poll of the log with the page before the requested one. The requested page follows after it.
	RepeatPage
)

// faultNames are the names of the kinds for ParseFault.
var faultNames = [...]string{
	Latency: "latency", Status: "status", StatusAfter: "status-after", ResetBefore: "reset-before",
	ResetAfter: "reset-after", Truncate: "truncate", NotJSON: "not-json", RateLimited: "rate-limited",
	Concurrency: "concurrency", Redirect: "redirect", CursorExpired: "cursor-expired",
	RepeatPage: "repeat-page", RecipientLimited: "recipient-limited",
}

// String returns the kind's name for ParseFault.
func (k FaultKind) String() string {
	if k > 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return "FaultKind(" + strconv.Itoa(int(k)) + ")"
}

// Fault makes requests fail. If several match a request, the first injected one is used.
type Fault struct {
	// Method and Path select requests. Method is a method, or "" or "*" for any. Path is "" for any, a path, an
	// endpoint template ("/api/v1/users/{id}", with any names), or a path prefix that ends with a slash.
	Method, Path string

	Kind FaultKind

	Times       int     // how many requests; 0 means all
	Skip        int     // how many requests to process normally first
	Probability float64 // how likely the fault is, in (0, 1]; 0 means always. The org's seed decides

	Status   int           // for Status and StatusAfter; default 503
	Latency  time.Duration // wait before anything else, for every kind; default none
	Reset    time.Duration // for RateLimited and Concurrency: time until X-Rate-Limit-Reset; default the end of the window
	Code     string        // for RecipientLimited; default E0000118, see RecipientCodes
	Location string        // for Redirect; default https://redirected.example.com/
}

// Inject adds a fault. It applies to requests that arrive after this.
func (o *Org) Inject(f Fault) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.armed = append(o.faults.armed, &f)
}

// ClearFaults removes all faults.
func (o *Org) ClearFaults() {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.armed = nil
}

type faults struct {
	mu     sync.Mutex
	armed  []*Fault
	random uint64
}

// pick returns a copy of the fault for r, and counts its use. The zero Fault does nothing.
func (s *faults) pick(r *http.Request, pattern string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.armed {
		if !f.fits(r, pattern) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Probability > 0 {
			s.random = mix(s.random)
			if float64(s.random>>11)/(1<<53) >= f.Probability {
				continue
			}
		}
		picked := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.armed = append(s.armed[:i:i], s.armed[i+1:]...)
			}
		}
		if picked.Status == 0 {
			picked.Status = http.StatusServiceUnavailable
		}
		return picked
	}
	return Fault{}
}

func (f *Fault) fits(r *http.Request, pattern string) bool {
	if f.Method != "" && f.Method != "*" && f.Method != r.Method {
		return false
	}
	if (f.Kind == CursorExpired || f.Kind == RepeatPage) && !r.URL.Query().Has("after") {
		return false
	}
	if f.Path == "" {
		return true
	}
	if strings.HasSuffix(f.Path, "/") {
		return strings.HasPrefix(r.URL.Path, f.Path)
	}
	_, template, _ := strings.Cut(pattern, " ")
	return f.Path == r.URL.Path || anonymous(f.Path) == anonymous(template)
}

func (f *Fault) sleep(ctx context.Context) {
	if f.Latency <= 0 {
		return
	}
	timer := time.NewTimer(f.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// before reports whether the fault replaces the processing of the request.
func (f *Fault) before() bool {
	switch f.Kind {
	case Status, ResetBefore, NotJSON, RateLimited, Concurrency, RecipientLimited, Redirect, CursorExpired:
		return true
	}
	return false
}

// failure returns the answer of a fault.
func (o *Org) failure(w http.ResponseWriter, c *call, e *endpoint, f Fault) answer {
	switch f.Kind {
	case NotJSON:
		return answer{
			status: http.StatusOK,
			header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
			body:   []byte("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"),

			foreign: true,
		}
	case Redirect:
		return answer{status: http.StatusFound, header: http.Header{"Location": {cmp.Or(f.Location, "https://redirected.example.com/")}}, foreign: true}
	case CursorExpired:
		return o.refusal(invalidCursor())
	case RecipientLimited:
		if e != nil && !o.limiter.take(e.bucket, c.now, w.Header()) {
			return o.refusal(errTooMany)
		}
		return o.refusal(recipientLimit(cmp.Or(f.Code, "E0000118")))
	case RateLimited, Concurrency:
		bucket := "/"
		if e != nil {
			bucket = e.bucket
		}
		limit := 0
		if f.Kind == RateLimited {
			limit = max(o.limiter.limit(bucket), 0)
		}
		_, end := o.limiter.window(bucket, c.now)
		if f.Reset > 0 {
			end = c.now.Add(f.Reset)
		}
		writeLimit(w.Header(), limit, 0, end)
		return o.refusal(errTooMany)
	}
	return o.refusal(statusError(f.Status))
}

// truncate announces all of a, sends half of it and closes the connection.
func (o *Org) truncate(w http.ResponseWriter, c *call, a answer) {
	body, done := o.prepare(w, c, a)
	defer done()
	w.WriteHeader(a.status)
	w.Write(body[:len(body)/2]) // an error does not matter, since the connection is cut
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// reset closes the connection with a TCP reset if possible. Otherwise (HTTP/2, a recorder) it aborts the handler.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if secure, ok := conn.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetLinger(0) // closes with a reset
	}
	conn.Close()
}
