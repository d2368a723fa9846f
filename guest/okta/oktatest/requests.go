package oktatest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Request is one request as it was received.
type Request struct {
	Time     time.Time
	Method   string
	Path     string // as sent, with its escapes
	RawQuery string
	Pattern  string      // the matching endpoint template ("GET /api/v1/users/{id}"); empty for an unknown path
	Status   int         // status of the answer; 0 if the connection was cut instead
	Header   http.Header // the credentials of Authorization are replaced by REDACTED
	Body     []byte
}

func newRequest(c *call) Request {
	header := c.Header.Clone()
	if value := header.Get("Authorization"); value != "" {
		scheme, _, _ := strings.Cut(value, " ")
		header.Set("Authorization", scheme+" REDACTED")
	}
	return Request{
		Time: c.now, Method: c.Method, Path: c.URL.EscapedPath(), RawQuery: c.URL.RawQuery, Header: header, Body: c.body,
	}
}

// received stores the latest requests and counts all of them.
type received struct {
	capacity int

	mu      sync.Mutex
	ring    []Request
	first   int // the oldest entry of a full ring
	counts  map[string]int
	writes  int
	effects int
}

func (r *received) add(entry Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[anonymous(entry.Pattern)]++
	switch {
	case r.capacity == 0:
	case len(r.ring) < r.capacity:
		r.ring = append(r.ring, entry)
	default:
		r.ring[r.first] = entry
		r.first = (r.first + 1) % r.capacity
	}
}

func (r *received) tally(write, effect bool) {
	if !write {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if effect {
		r.effects++
	}
}

func (r *received) list() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Request, 0, len(r.ring))
	all = append(all, r.ring[r.first:]...)
	return append(all, r.ring[:r.first]...)
}

func (r *received) count(pattern string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[anonymous(pattern)]
}

// anonymous removes the names of a template's wildcards, so that {id} and {userId} are equal.
func anonymous(pattern string) string {
	if !strings.Contains(pattern, "{") {
		return pattern
	}
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// Requests returns the latest received requests, oldest first, including refused ones: at most Config.RequestLog.
func (o *Org) Requests() []Request { return o.received.list() }

// Count returns how many requests matched an endpoint template such as "GET /api/v1/users/{id}". The names of path
// parameters do not matter. The empty pattern counts requests for unknown paths.
func (o *Org) Count(pattern string) int { return o.received.count(pattern) }

// Writes returns how many requests other than GET reached a handler: they passed authentication, rate limits and
// faults.
func (o *Org) Writes() int {
	o.received.mu.Lock()
	defer o.received.mu.Unlock()
	return o.received.writes
}

// Effects returns how many writes changed something. A write whose answer was lost counts; a refused one does not.
func (o *Org) Effects() int {
	o.received.mu.Lock()
	defer o.received.mu.Unlock()
	return o.received.effects
}
