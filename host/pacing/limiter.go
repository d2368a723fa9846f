package pacing

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Limiter paces the requests of one connection. It is safe for concurrent use.
type Limiter struct {
	opts Options
	*view
	own map[string]*use // by bucket; guarded by the view's mu
}

// view is the observed state of the rate limits of one token. Several connections may share it.
type view struct {
	org *org

	mu      sync.Mutex
	buckets map[string]*bucket
}

// org is the observed state of an org, for all tokens.
type org struct {
	mu        sync.Mutex
	holdUntil time.Time // no request is sent before: there were too many concurrent ones
}

func (o *org) heldUntil() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holdUntil
}

func (o *org) hold(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holdUntil = later(o.holdUntil, until)
}

// use counts the requests of one connection in a bucket.
type use struct {
	window   int // the window that taken counts
	taken    int
	inFlight int // sent and not answered yet
}

func (u *use) roll(window int) {
	if u.window != window {
		u.window, u.taken = window, u.inFlight // requests in flight may count in either window
	}
}

// bucket is the observed state of one rate limit.
type bucket struct {
	known     bool // an answer had the limit; otherwise limit to assumed have no meaning
	window    int  // number of the current window
	waiting   int  // callers that wait for the next window
	limit     int
	remaining int       // as last observed, minus the requests since
	inFlight  int       // requests that are not answered yet
	reset     int64     // end of the window in epoch seconds of the service's clock; identifies the window
	resets    time.Time // end of the window by the local clock
	assumed   bool      // the window began by the local clock, and no answer has confirmed it yet
	holdUntil time.Time // no request is sent before, as the service asked
	unadvised int       // consecutive refusals that did not say how long to wait

	// probe is set while an unknown bucket has one request in flight. It is closed when that request ends.
	probe     chan struct{}
	unlimited bool // an answer came that has no limit
}

// New returns a Limiter without observations. The first request in each bucket is sent at once, as a probe: others wait until
// it has ended.
func New(o Options) *Limiter { return newLimiter(o, newView(&org{})) }

func newView(o *org) *view { return &view{org: o, buckets: map[string]*bucket{}} }

func newLimiter(o Options, v *view) *Limiter {
	if !(o.Share > 0 && o.Share <= 1) {
		o.Share = 1
	}
	if o.Clock == nil {
		o.Clock = System{}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return &Limiter{opts: o, view: v, own: map[string]*use{}}
}

// Acquire waits until the bucket has room for one request, and takes it. Call Observe or Cancel once for it. An unknown bucket
// has one request in flight at a time. If there is no room before the deadline of ctx, Acquire returns TooLong at once. If ctx
// ends meanwhile, it returns that error. waited is how long it waited.
func (l *Limiter) Acquire(ctx context.Context, name string) (waited time.Duration, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return waited, err
		}
		d, probe := l.take(name)
		if probe != nil {
			began := l.opts.Clock.Now()
			l.addWaiting(name, 1)
			select {
			case <-probe:
			case <-ctx.Done(): // checked by the loop
			}
			l.addWaiting(name, -1)
			waited += l.opts.Clock.Now().Sub(began)
			continue
		}
		if d == 0 {
			return waited, nil
		}
		if deadline, ok := ctx.Deadline(); ok && l.opts.Clock.Now().Add(d).After(deadline) {
			return waited, TooLong{name, d}
		}
		l.addWaiting(name, 1)
		err := l.opts.Clock.Sleep(ctx, d)
		l.addWaiting(name, -1)
		if err != nil {
			return waited, err
		}
		waited += d
	}
}

func (l *Limiter) addWaiting(name string, change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket(name).waiting += change
}

// Cancel ends a request that got no answer. A request that was not sent is put back.
func (l *Limiter) Cancel(name string, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, u := l.bucket(name), l.use(name)
	b.endRequest(u)
	if !sent && b.known {
		b.remaining = min(b.remaining+1, b.limit)
		u.taken = max(u.taken-1, 0)
	}
}

// endRequest ends a request in flight. If it was the probe of the bucket, the requests that wait for it go on.
func (b *bucket) endRequest(u *use) {
	b.inFlight, u.inFlight = max(b.inFlight-1, 0), max(u.inFlight-1, 0)
	if b.probe != nil {
		close(b.probe)
		b.probe = nil
	}
}

// take takes one request out of the bucket. If there is no room, it returns how long to wait, or the probe to wait for.
func (l *Limiter) take(name string) (wait time.Duration, probe <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, u, now := l.bucket(name), l.use(name), l.opts.Clock.Now()
	if until := later(b.holdUntil, l.org.heldUntil()); until.After(now) {
		return until.Sub(now) + l.spread(b), nil
	}
	b.roll(now, window(l.opts.Habits))
	u.roll(b.window)
	switch {
	case b.known:
		if b.remaining <= l.reserve(b) || u.taken >= l.share(b) {
			return b.resets.Sub(now) + l.spread(b), nil
		}
		b.remaining--
	case b.probe != nil:
		return 0, b.probe
	case !b.unlimited:
		b.probe = make(chan struct{})
	}
	b.inFlight++
	u.inFlight++
	u.taken++
	return 0, nil
}

// roll begins the next window if the current one is over. It assumes the same limit until an answer confirms it.
func (b *bucket) roll(now time.Time, window time.Duration) {
	if b.known && !now.Before(b.resets) {
		b.remaining, b.resets, b.assumed = b.limit, now.Add(window), true
		b.window++
	}
}

// lastTenth is the part of a window that is always left to other clients, unless Share is larger than the rest.
const lastTenth = 0.1

// reserve returns how many requests at the end of a window are left to other clients.
func (l *Limiter) reserve(b *bucket) int {
	return min(int(math.Round(float64(b.limit)*min(1-l.opts.Share, lastTenth))), b.limit-1)
}

// share returns the maximum number of requests in a window for this connection. Since each connection counts its own
// requests, connections in several processes use the sum of their shares.
func (l *Limiter) share(b *bucket) int {
	return max(1, int(float64(b.limit)*l.opts.Share+1e-9)) // 0.29 × 100 is 28.999…
}

// spread returns a random delay, so that requests that wait for the same time are not all sent at once. The more wait, the
// longer it is.
func (l *Limiter) spread(b *bucket) time.Duration {
	return time.Duration(l.opts.Rand() * float64(max(jitter, time.Duration(b.waiting)*apart)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *Limiter) use(name string) *use {
	u := l.own[name]
	if u == nil {
		u = &use{}
		l.own[name] = u
	}
	return u
}

func (l *Limiter) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{}
		l.buckets[name] = b
	}
	return b
}

// Observe updates the bucket from the answer to a request. After a 429 it returns how long to wait before the request is sent
// again, otherwise 0. Missing and invalid headers are ignored.
func (l *Limiter) Observe(name string, status int, h http.Header) (pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	t := observe(l.opts, h, now)
	b.endRequest(l.use(name))
	b.roll(now, window(l.opts.Habits))
	if t.valid(Longest(l.opts.Habits)) {
		if l.opts.delta() {
			t.reset = b.sameWindow(t.reset, l.opts.Habits.Window())
		}
		b.learn(t, now)
	}
	if status != http.StatusTooManyRequests {
		// A 5xx may come from a gateway, which does not know the service's limits.
		b.unlimited = b.unlimited || status < http.StatusInternalServerError
		b.unadvised = 0
		return 0
	}
	return l.refuse(b, t, now, h)
}

// sameWindow returns the bucket's own reset if a delta is for the same window. Resets from deltas differ a little from answer
// to answer, since deltas are whole seconds and answers take time.
func (b *bucket) sameWindow(reset int64, window int) int64 {
	if off := reset - b.reset; b.known && -off <= int64(window/4) && off <= int64(min(2, window/4)) {
		return b.reset
	}
	return reset
}

// learn updates the window from an answer. Answers can overtake each other, so within a window the lowest remaining counts.
// Requests since the window began are already subtracted.
func (b *bucket) learn(t observation, now time.Time) {
	switch {
	case !b.known:
		// The service may not have counted the other requests in flight yet.
		b.remaining = t.remaining - b.inFlight
	case !b.assumed && t.reset > b.reset:
		b.remaining = t.remaining - b.inFlight
		b.window++
	case b.assumed && t.reset != b.reset:
		b.remaining = min(b.remaining+t.limit-b.limit, t.remaining)
	case !b.assumed && t.reset == b.reset:
		b.remaining, b.limit = min(b.remaining, t.remaining), t.limit
		return
	default: // the answer is from an earlier window
		return
	}
	b.known, b.assumed, b.limit, b.reset, b.resets = true, false, t.limit, t.reset, now.Add(t.left)
}

// refuse returns how long to wait after a 429. It also stops the requests that would get the same answer.
func (l *Limiter) refuse(b *bucket, t observation, now time.Time, h http.Header) (pause time.Duration) {
	switch {
	case t.hasLimit && t.limit == 0 && l.opts.Habits != nil && l.opts.Habits.ZeroLimit == abi.ZeroConcurrency:
		// Too many concurrent requests in the whole org. It says nothing about this bucket.
		pause = 500*time.Millisecond + time.Duration(l.opts.Rand()*float64(1500*time.Millisecond))
		l.org.hold(now.Add(pause))
		return pause
	case t.hasLeft && t.left >= 0 && !(t.hasRemaining && t.remaining > 0):
		pause = min(t.left+time.Second, Longest(l.opts.Habits))
		b.remaining = min(b.remaining, 0)
		if b.assumed { // the last window is not over yet
			b.resets = now.Add(pause)
		}
		b.holdUntil = later(b.holdUntil, now.Add(pause))
		return pause + l.spread(b)
	}
	// Another limit than the bucket's, such as one per recipient, or no limit in the headers.
	advice, ok := retryAfter(h, Longest(l.opts.Habits))
	if !ok {
		advice = time.Second << min(b.unadvised, 4)
		b.unadvised++
	}
	pause = max(advice, time.Second)
	if !t.valid(Longest(l.opts.Habits)) {
		b.holdUntil = later(b.holdUntil, now.Add(pause))
	}
	return pause + l.spread(b)
}

// State returns the observed state of a bucket.
func (l *Limiter) State(name string) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[name]; b != nil {
		return b.state(name, l.opts.Clock.Now())
	}
	return State{Bucket: name}
}

// Buckets returns the state of every bucket that was used, sorted by name.
func (l *Limiter) Buckets() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Clock.Now()
	all := make([]State, 0, len(l.buckets))
	for name, b := range l.buckets {
		all = append(all, b.state(name, now))
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Bucket, b.Bucket) })
	return all
}

func (b *bucket) state(name string, now time.Time) State {
	switch {
	case !b.known:
		return State{Bucket: name}
	case !now.Before(b.resets):
		return State{Bucket: name, Known: true, Limit: b.limit, Remaining: b.limit}
	}
	return State{Bucket: name, Known: true, Limit: b.limit, Remaining: max(b.remaining, 0), ResetIn: b.resets.Sub(now)}
}
