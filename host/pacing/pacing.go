// Package pacing keeps requests within a service's rate limits by what its answers say, rather than by running into
// refusals: one Limiter a connection, one state a bucket.
//
// The service's clock is the answer's Date header; the local clock is only used to measure how long ago that was.
package pacing

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// maxWindow is the longest wait that headers are believed to mean: Okta's windows last 60 seconds.
const maxWindow = 75 * time.Second

// jitter spreads the requests that wait for the same reset.
const jitter = 250 * time.Millisecond

// Clock measures and passes time. Tests inject one.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// System is the real Clock.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

// Sleep implements Clock.
func (System) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Options configure a Limiter.
type Options struct {
	Headers abi.RateLimitHeaders
	Share   float64 // part of each bucket that may be used, 0 < Share ≤ 1; default 1
	Clock   Clock   // default System
}

// Limiter paces the requests of one connection. It is safe for concurrent use.
type Limiter struct {
	opts Options

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is what is known of one rate limit.
type bucket struct {
	known     bool
	limit     int
	remaining int       // as last told, less what was sent since
	reset     int64     // epoch seconds by the service's clock: names the window
	resets    time.Time // the same by ours
	holdUntil time.Time // a brief stop that the service asked for
}

// State is what is known of one bucket. Limit and Remaining are requests.
type State struct {
	Bucket    string
	Known     bool
	Limit     int
	Remaining int
	ResetIn   time.Duration
}

// TooLong is the error of Acquire when the deadline comes before there is room.
type TooLong struct {
	Bucket     string
	RetryAfter time.Duration
}

// Error implements error.
func (e TooLong) Error() string {
	return fmt.Sprintf("the rate limit of %s is used up for another %s, which is past the deadline", e.Bucket, e.RetryAfter.Round(time.Second))
}

// New makes a Limiter that knows nothing yet: the first request of each bucket goes at once.
func New(o Options) *Limiter {
	if o.Share <= 0 || o.Share > 1 {
		o.Share = 1
	}
	if o.Clock == nil {
		o.Clock = System{}
	}
	return &Limiter{opts: o, buckets: map[string]*bucket{}}
}

// Acquire waits until the bucket has room for one request, and takes it. It returns TooLong at once when that would be
// after the context's deadline, so that nothing is slept in vain.
func (l *Limiter) Acquire(ctx context.Context, name string) (waited time.Duration, err error) {
	for {
		d := l.take(name)
		if d == 0 {
			return waited, nil
		}
		if deadline, ok := ctx.Deadline(); ok && l.opts.Clock.Now().Add(d).After(deadline) {
			return waited, TooLong{name, d}
		}
		if err := l.opts.Clock.Sleep(ctx, d); err != nil {
			return waited, err
		}
		waited += d
	}
}

// take takes one request out of the bucket, or says how long to wait first.
func (l *Limiter) take(name string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	if wait := b.holdUntil.Sub(now); wait > 0 {
		return wait
	}
	if !b.known {
		return 0
	}
	if !now.Before(b.resets) {
		b.known = false // a new window: how many it has shows in the next answer
		return 0
	}
	if b.remaining > l.reserve(b) {
		b.remaining--
		return 0
	}
	return b.resets.Sub(now) + time.Duration(rand.Int64N(int64(jitter)))
}

// reserve is how many requests of a window are left to others.
func (l *Limiter) reserve(b *bucket) int {
	return int(math.Round(float64(b.limit) * (1 - l.opts.Share)))
}

func (l *Limiter) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{}
		l.buckets[name] = b
	}
	return b
}

// Observe learns from an answer. It returns how long the service wants requests to this bucket to pause, which is 0 but
// for a 429. Answers without headers, or with headers that make no sense, teach nothing.
func (l *Limiter) Observe(name string, status int, h http.Header) (pause time.Duration) {
	limit, okLimit := number(h.Values(l.opts.Headers.Limit))
	remaining, okRemaining := number(h.Values(l.opts.Headers.Remaining))
	reset, okReset := number(h.Values(l.opts.Headers.Reset))
	date, errDate := http.ParseTime(h.Get("Date"))
	var left time.Duration
	sound := okLimit && okRemaining && okReset && errDate == nil
	if sound {
		left = time.Duration(reset-date.Unix()) * time.Second
		sound = left >= 0 && left <= maxWindow && limit < 1<<31 && remaining < 1<<31
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	// A limit of 0 is Okta's sign for too many requests at once, and no capacity.
	if sound && limit > 0 {
		// Answers overtake each other: within a window the least that any of them told holds.
		if !b.known || reset > b.reset || reset == b.reset && int(remaining) < b.remaining {
			b.known, b.limit, b.remaining, b.reset = true, int(limit), int(remaining), reset
			b.resets = now.Add(left)
		}
	}
	if status != http.StatusTooManyRequests {
		return 0
	}
	switch {
	case okLimit && limit == 0:
		pause = 500*time.Millisecond + time.Duration(rand.Int64N(int64(1500*time.Millisecond)))
	case sound:
		pause = left + time.Second
		b.remaining = 0
	default:
		pause = retryAfter(h)
	}
	if until := now.Add(pause); until.After(b.holdUntil) {
		b.holdUntil = until
	}
	return pause
}

// retryAfter reads the header of that name; without one, a second.
func retryAfter(h http.Header) time.Duration {
	if s, ok := number(h.Values("Retry-After")); ok {
		return min(max(time.Duration(s)*time.Second, time.Second), maxWindow)
	}
	return time.Second
}

// number is the first of a header's values that is a sound number. Okta's headers have been seen twice in an answer,
// and with -1 in them.
func number(values []string) (int64, bool) {
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 && n < 1<<40 {
			return n, true
		}
	}
	return 0, false
}

// Buckets is the state of every bucket that was used, by name.
func (l *Limiter) Buckets() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Clock.Now()
	all := make([]State, 0, len(l.buckets))
	for name, b := range l.buckets {
		all = append(all, State{name, b.limit > 0, b.limit, b.remaining, max(0, b.resets.Sub(now))})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Bucket < all[j].Bucket })
	return all
}
