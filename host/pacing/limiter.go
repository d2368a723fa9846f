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
)

// Limiter paces the requests of one connection. It is safe for concurrent use.
type Limiter struct {
	opts Options

	mu        sync.Mutex
	buckets   map[string]*bucket
	holdUntil time.Time // a brief stop of all buckets, since there were too many requests at once
}

// bucket is what is known of one rate limit.
type bucket struct {
	known     bool
	limit     int
	remaining int       // as last told, less what was taken since
	inFlight  int       // taken and not answered yet
	reset     int64     // epoch seconds by the service's clock: names the window
	resets    time.Time // the same by ours
	assumed   bool      // the window began by our clock, and no answer has told of it yet
	holdUntil time.Time // a stop that the service asked for
	unadvised int       // refusals in a row that did not say how long to wait
}

// New makes a Limiter that knows nothing yet: the first request of each bucket goes at once.
func New(o Options) *Limiter {
	if !(o.Share > 0 && o.Share <= 1) {
		o.Share = 1
	}
	if o.Clock == nil {
		o.Clock = System{}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return &Limiter{opts: o, buckets: map[string]*bucket{}}
}

// Acquire waits until the bucket has room for one request, and takes it: follow it by one Observe or one Cancel. It
// returns TooLong at once when there is no room before the context's deadline, so that nothing is slept in vain, and the
// context's error when that ends first.
func (l *Limiter) Acquire(ctx context.Context, name string) (waited time.Duration, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return waited, err
		}
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

// Cancel ends a request that got no answer. One that was not sent is put back.
func (l *Limiter) Cancel(name string, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	b.inFlight = max(b.inFlight-1, 0)
	if !sent && b.known {
		b.remaining = min(b.remaining+1, b.limit)
	}
}

// take takes one request out of the bucket, or says how long to wait first.
func (l *Limiter) take(name string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	if until := later(b.holdUntil, l.holdUntil); until.After(now) {
		return until.Sub(now) + l.spread()
	}
	b.roll(now)
	if b.known {
		if b.remaining <= l.reserve(b) {
			return b.resets.Sub(now) + l.spread()
		}
		b.remaining--
	}
	b.inFlight++
	return 0
}

// roll begins the next window once the last is over. Its limit is taken to be the same until an answer tells.
func (b *bucket) roll(now time.Time) {
	if b.known && !now.Before(b.resets) {
		b.remaining, b.resets, b.assumed = b.limit, now.Add(window), true
	}
}

// reserve is how many requests of a window are left to others.
func (l *Limiter) reserve(b *bucket) int {
	return b.limit - max(1, int(math.Round(float64(b.limit)*l.opts.Share)))
}

func (l *Limiter) spread() time.Duration { return time.Duration(l.opts.Rand() * float64(jitter)) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *Limiter) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{}
		l.buckets[name] = b
	}
	return b
}

// Observe learns from an answer. After a 429 it returns how long to wait before that request is made again, else 0.
// Answers without headers, or with headers that make no sense, teach nothing of the bucket.
func (l *Limiter) Observe(name string, status int, h http.Header) (pause time.Duration) {
	t := read(l.opts.Headers, h)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	b.inFlight = max(b.inFlight-1, 0)
	b.roll(now)
	if t.sound() {
		b.learn(t, now)
	}
	if status != http.StatusTooManyRequests {
		b.unadvised = 0
		return 0
	}
	return l.refused(b, t, now, h)
}

// learn takes in what an answer tells of its window. Answers overtake each other, so that within a window the least
// that any of them told holds; what was taken since the window began is off already.
func (b *bucket) learn(t told, now time.Time) {
	switch {
	case !b.known, !b.assumed && t.reset > b.reset:
		// Of the others on their way it cannot be told whether they are counted.
		b.remaining = t.remaining - b.inFlight
	case b.assumed && t.reset != b.reset:
		b.remaining = min(b.remaining+t.limit-b.limit, t.remaining)
	case !b.assumed && t.reset == b.reset:
		b.remaining, b.limit = min(b.remaining, t.remaining), t.limit
		return
	default: // of a window that is over
		return
	}
	b.known, b.assumed, b.limit, b.reset, b.resets = true, false, t.limit, t.reset, now.Add(t.left)
}

// refused says how long a 429 means to wait, and holds back what would get the same answer.
func (l *Limiter) refused(b *bucket, t told, now time.Time, h http.Header) (pause time.Duration) {
	switch {
	case t.hasLimit && t.limit == 0:
		// Okta's sign for too many requests at once, in all of the org: no capacity of this bucket.
		pause = 500*time.Millisecond + time.Duration(l.opts.Rand()*float64(1500*time.Millisecond))
		l.holdUntil = later(l.holdUntil, now.Add(pause))
		return pause
	case t.hasLeft && t.left >= 0 && !(t.hasRemaining && t.remaining > 0):
		pause = min(t.left+time.Second, maxWindow)
		b.remaining = min(b.remaining, 0)
		if b.assumed { // too early: the window before is not over yet
			b.resets = now.Add(pause)
		}
		b.holdUntil = later(b.holdUntil, now.Add(pause))
		return pause + l.spread()
	}
	// A limit other than the bucket's (Okta has some by recipient), or no word of one.
	advice, ok := retryAfter(h)
	if !ok {
		advice = time.Second << min(b.unadvised, 4)
		b.unadvised++
	}
	pause = max(advice, time.Second)
	if !t.sound() {
		b.holdUntil = later(b.holdUntil, now.Add(pause))
	}
	return pause + l.spread()
}

// State is what is known of one bucket.
func (l *Limiter) State(name string) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[name]; b != nil {
		return b.state(name, l.opts.Clock.Now())
	}
	return State{Bucket: name}
}

// Buckets is the state of every bucket that was used, by name.
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
