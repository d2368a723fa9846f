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

// view is what is known of the rate limits of one token. Several connections may share it.
type view struct {
	org *org

	mu      sync.Mutex
	buckets map[string]*bucket
}

// org is what is known of the org as a whole, whatever the token.
type org struct {
	mu        sync.Mutex
	holdUntil time.Time // a brief stop of everything, since there were too many requests at once
}

func (o *org) held() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holdUntil
}

func (o *org) hold(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holdUntil = later(o.holdUntil, until)
}

// use is what one connection took out of a bucket.
type use struct {
	window   int // that taken is of
	taken    int
	inFlight int
}

func (u *use) roll(window int) {
	if u.window != window {
		u.window, u.taken = window, u.inFlight // which window those on their way count in cannot be told
	}
}

// bucket is what is known of one rate limit.
type bucket struct {
	known     bool
	window    int // counts the windows that were seen
	waiting   int // callers that wait for the next window
	limit     int
	remaining int       // as last told, less what was taken since
	inFlight  int       // taken and not answered yet
	reset     int64     // epoch seconds by the service's clock: names the window
	resets    time.Time // the same by ours
	assumed   bool      // the window began by our clock, and no answer has told of it yet
	holdUntil time.Time // a stop that the service asked for
	unadvised int       // refusals in a row that did not say how long to wait

	first  chan struct{} // of a bucket that nobody knows: closed when the one request that is out has ended; nil is none
	untold bool          // an answer came that tells of no limit
}

// New makes a Limiter that knows nothing yet: the first request of each bucket goes at once, and alone until it has ended.
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

// Acquire waits until the bucket has room for one request, and takes it: follow it by one Observe or one Cancel. Of a bucket
// that no answer has told of yet, one request is out at a time. Acquire returns TooLong at once when there is no room before
// the context's deadline, so that nothing is slept in vain, and the context's error when that ends first.
func (l *Limiter) Acquire(ctx context.Context, name string) (waited time.Duration, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return waited, err
		}
		d, first := l.take(name)
		if first != nil {
			began := l.opts.Clock.Now()
			l.wait(name, 1)
			select {
			case <-first:
			case <-ctx.Done(): // the loop tells
			}
			l.wait(name, -1)
			waited += l.opts.Clock.Now().Sub(began)
			continue
		}
		if d == 0 {
			return waited, nil
		}
		if deadline, ok := ctx.Deadline(); ok && l.opts.Clock.Now().Add(d).After(deadline) {
			return waited, TooLong{name, d}
		}
		l.wait(name, 1)
		err := l.opts.Clock.Sleep(ctx, d)
		l.wait(name, -1)
		if err != nil {
			return waited, err
		}
		waited += d
	}
}

func (l *Limiter) wait(name string, change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket(name).waiting += change
}

// Cancel ends a request that got no answer. One that was not sent is put back.
func (l *Limiter) Cancel(name string, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, u := l.bucket(name), l.use(name)
	b.answered(u)
	if !sent && b.known {
		b.remaining = min(b.remaining+1, b.limit)
		u.taken = max(u.taken-1, 0)
	}
}

// answered takes a request off those on their way. Where it was to tell of the bucket it has, or another is to.
func (b *bucket) answered(u *use) {
	b.inFlight, u.inFlight = max(b.inFlight-1, 0), max(u.inFlight-1, 0)
	if b.first != nil {
		close(b.first)
		b.first = nil
	}
}

// take takes one request out of the bucket, or says how long to wait first, or for whose end.
func (l *Limiter) take(name string) (wait time.Duration, first <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, u, now := l.bucket(name), l.use(name), l.opts.Clock.Now()
	if until := later(b.holdUntil, l.org.held()); until.After(now) {
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
	case b.first != nil:
		return 0, b.first
	case !b.untold:
		b.first = make(chan struct{})
	}
	b.inFlight++
	u.inFlight++
	u.taken++
	return 0, nil
}

// roll begins the next window once the last is over. Its limit is taken to be the same until an answer tells.
func (b *bucket) roll(now time.Time, window time.Duration) {
	if b.known && !now.Before(b.resets) {
		b.remaining, b.resets, b.assumed = b.limit, now.Add(window), true
		b.window++
	}
}

// lastTenth is the part of a window that is left to others whatever they took before, where the share allows it.
const lastTenth = 0.1

// reserve is how many requests of a window are not taken, since others may want them late in it.
func (l *Limiter) reserve(b *bucket) int {
	return min(int(math.Round(float64(b.limit)*min(1-l.opts.Share, lastTenth))), b.limit-1)
}

// share is how many requests of a window this connection takes at most. It counts its own, so that connections in other
// processes, each with its share, come to the sum of the shares.
func (l *Limiter) share(b *bucket) int {
	return max(1, int(float64(b.limit)*l.opts.Share+1e-9)) // 0.29 × 100 is 28.999…
}

// spread keeps those that wait for the same moment from all going at it: the more there are, the longer it is.
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

// Observe learns from an answer. After a 429 it returns how long to wait before that request is made again, else 0.
// Answers without headers, or with headers that make no sense, teach nothing of the bucket.
func (l *Limiter) Observe(name string, status int, h http.Header) (pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(name), l.opts.Clock.Now()
	t := read(l.opts, h, now)
	b.answered(l.use(name))
	b.roll(now, window(l.opts.Habits))
	if t.sound(Longest(l.opts.Habits)) {
		if l.opts.delta() {
			t.reset = b.sameWindow(t.reset, l.opts.Habits.Window())
		}
		b.learn(t, now)
	}
	if status != http.StatusTooManyRequests {
		// A failure may be of something before the service, which does not know its limits.
		b.untold = b.untold || status < http.StatusInternalServerError
		b.unadvised = 0
		return 0
	}
	return l.refused(b, t, now, h)
}

// sameWindow returns the reset by which the bucket knows its window, where a delta means the same one: whole seconds and the
// time that an answer takes make it differ a little from answer to answer.
func (b *bucket) sameWindow(reset int64, window int) int64 {
	if off := reset - b.reset; b.known && -off <= int64(window/4) && off <= int64(min(2, window/4)) {
		return b.reset
	}
	return reset
}

// learn takes in what an answer tells of its window. Answers overtake each other, so that within a window the least
// that any of them told holds; what was taken since the window began is off already.
func (b *bucket) learn(t told, now time.Time) {
	switch {
	case !b.known:
		// Of the others on their way it cannot be told whether they are counted.
		b.remaining = t.remaining - b.inFlight
	case !b.assumed && t.reset > b.reset:
		b.remaining = t.remaining - b.inFlight
		b.window++
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
	case t.hasLimit && t.limit == 0 && l.opts.Habits != nil && l.opts.Habits.ZeroLimit == abi.ZeroConcurrency:
		// Too many requests at once, in all of the org: no capacity of this bucket.
		pause = 500*time.Millisecond + time.Duration(l.opts.Rand()*float64(1500*time.Millisecond))
		l.org.hold(now.Add(pause))
		return pause
	case t.hasLeft && t.left >= 0 && !(t.hasRemaining && t.remaining > 0):
		pause = min(t.left+time.Second, Longest(l.opts.Habits))
		b.remaining = min(b.remaining, 0)
		if b.assumed { // too early: the window before is not over yet
			b.resets = now.Add(pause)
		}
		b.holdUntil = later(b.holdUntil, now.Add(pause))
		return pause + l.spread(b)
	}
	// A limit other than the bucket's, such as one by recipient, or no word of one.
	advice, ok := retryAfter(h, Longest(l.opts.Habits))
	if !ok {
		advice = time.Second << min(b.unadvised, 4)
		b.unadvised++
	}
	pause = max(advice, time.Second)
	if !t.sound(Longest(l.opts.Habits)) {
		b.holdUntil = later(b.holdUntil, now.Add(pause))
	}
	return pause + l.spread(b)
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
