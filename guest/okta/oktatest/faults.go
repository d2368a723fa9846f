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

// FaultKind is a way for a request to go wrong.
type FaultKind int

// The kinds of faults. "Before" means that the org never saw the request: nothing was read, changed or counted against
// a rate limit.
const (
	// Latency answers as always, but late: after Fault.Latency.
	Latency FaultKind = iota + 1
	// Status answers Fault.Status (default 503) before anything happens.
	Status
	// StatusAfter lets the request take effect and then answers Fault.Status (default 503).
	StatusAfter
	// ResetBefore resets the connection before anything happens.
	ResetBefore
	// ResetAfter lets the request take effect and then resets the connection without an answer.
	ResetAfter
	// Truncate announces the length of the whole answer, sends half of it and cuts the connection.
	Truncate
	// NotJSON answers 200 with an HTML page, as a proxy or a sign-in wall does, before anything happens.
	NotJSON
	// RateLimited answers 429 E0000047 with the bucket's limit and nothing remaining.
	RateLimited
	// Concurrency answers 429 E0000047 with a limit of 0, Okta's sign for too many requests at once.
	Concurrency
	// RecipientLimited answers 429 with Fault.Code: too many messages to one recipient, while the bucket is far from empty.
	// It counts against the bucket as any request does.
	RecipientLimited
	// Redirect answers 302 to Fault.Location.
	Redirect
	// CursorExpired answers 400 E0000001 to a request with a cursor (after), before anything happens. Others pass.
	CursorExpired
	// RepeatPage answers a poll of the log with the page before the one that is asked for, which comes again behind it.
	RepeatPage
)

// faultNames are the kinds as ParseFault spells them.
var faultNames = [...]string{
	Latency: "latency", Status: "status", StatusAfter: "status-after", ResetBefore: "reset-before",
	ResetAfter: "reset-after", Truncate: "truncate", NotJSON: "not-json", RateLimited: "rate-limited",
	Concurrency: "concurrency", Redirect: "redirect", CursorExpired: "cursor-expired",
	RepeatPage: "repeat-page", RecipientLimited: "recipient-limited",
}

// String is the kind as ParseFault spells it.
func (k FaultKind) String() string {
	if k > 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return "FaultKind(" + strconv.Itoa(int(k)) + ")"
}

// Fault makes requests go wrong. Of several that fit a request, the one injected first is used.
type Fault struct {
	// Method and Path say which requests: Method is "" or "*" for any. Path is "" for any, a path, an endpoint
	// template ("/api/v1/users/{id}", whatever the blanks are called), or, with a slash at the end, a path prefix.
	Method, Path string

	Kind FaultKind

	Times       int     // how many requests; 0 is for ever
	Skip        int     // how many requests to let pass first
	Probability float64 // of going wrong, in (0, 1]; 0 is always. Decided from the org's seed

	Status   int           // of Status and StatusAfter; default 503
	Latency  time.Duration // waited before anything else, with every kind; default none
	Reset    time.Duration // of RateLimited and Concurrency: how long until X-Rate-Limit-Reset; default the end of the window
	Code     string        // of RecipientLimited; default E0000118, see RecipientCodes
	Location string        // of Redirect; default https://redirected.example.com/
}

// Inject adds a fault. It applies to requests that arrive from now on.
func (o *Org) Inject(f Fault) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.armed = append(o.faults.armed, &f)
}

// ClearFaults removes every fault.
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

// pick uses up one turn of the fault that fits r, and returns a copy of it; the zero Fault does nothing.
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

// before tells whether the fault strikes before the request is handled.
func (f *Fault) before() bool {
	switch f.Kind {
	case Status, ResetBefore, NotJSON, RateLimited, Concurrency, RecipientLimited, Redirect, CursorExpired:
		return true
	}
	return false
}

// failure is what a fault answers in place of the org.
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

// truncate announces all of a, sends half of it and cuts the connection.
func (o *Org) truncate(w http.ResponseWriter, c *call, a answer) {
	body, done := o.prepare(w, c, a)
	defer done()
	w.WriteHeader(a.status)
	w.Write(body[:len(body)/2]) // what is lost here was to be lost
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// reset cuts the connection: with a TCP reset where there is a connection to be had, else (HTTP/2, a recorder) by
// aborting the handler.
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
		tcp.SetLinger(0) // a reset instead of an orderly end; closing is all that matters
	}
	conn.Close()
}
