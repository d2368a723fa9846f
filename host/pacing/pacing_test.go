package pacing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

var names = abi.RateLimitHeaders{Limit: "L", Remaining: "R", Reset: "T"}

// fake is a clock that advances only in Sleep.
type fake struct {
	mu  sync.Mutex
	now time.Time
}

func (f *fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fake) Sleep(ctx context.Context, d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	return ctx.Err()
}

// their is the service's time, years away from the local clock.
var their = time.Unix(1_500_000_000, 0).UTC()

func answer(limit, remaining, resetIn any) http.Header {
	h := http.Header{"Date": {their.Format(http.TimeFormat)}, "L": {fmt.Sprint(limit)}, "R": {fmt.Sprint(remaining)}}
	if n, ok := resetIn.(int); ok {
		resetIn = their.Unix() + int64(n)
	}
	h["T"] = []string{fmt.Sprint(resetIn)}
	return h
}

func limiter(share float64) (*pacing.Limiter, *fake) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	return pacing.New(pacing.Options{Headers: names, Habits: &abi.RateLimitHabits{ZeroLimit: abi.ZeroConcurrency}, Share: share, Clock: clock}), clock
}

func take(t *testing.T, l *pacing.Limiter) time.Duration {
	t.Helper()
	waited, err := l.Acquire(context.Background(), "b")
	if err != nil {
		t.Fatal(err)
	}
	return waited
}

func TestAcquire_WindowUsedUp_WaitsForReset(t *testing.T) {
	l, _ := limiter(1)
	if w := take(t, l); w != 0 {
		t.Errorf("the first request waited %s", w)
	}
	l.Observe("b", 200, answer(100, 2, 40))
	for range 2 {
		if w := take(t, l); w != 0 {
			t.Errorf("a request with room waited %s", w)
		}
	}
	if w := take(t, l); w < 40*time.Second || w > 41*time.Second {
		t.Errorf("a request without room waited %s", w)
	}
	if w := take(t, l); w != 0 {
		t.Errorf("a request of the next window waited %s", w)
	}
}

func TestAcquire_Share_LeavesRestToOthers(t *testing.T) {
	l, _ := limiter(0.9)
	take(t, l)
	l.Observe("b", 200, answer(100, 12, 40))
	for i := range 2 {
		if w := take(t, l); w != 0 {
			t.Errorf("request %d waited %s", i, w)
		}
	}
	if w := take(t, l); w == 0 {
		t.Error("the last tenth of the window was used")
	}
}

func TestObserve_OlderAnswer_AddsNoRoom(t *testing.T) {
	l, _ := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(100, 0, 40))
	l.Observe("b", 200, answer(100, 5, 40))
	if w := take(t, l); w == 0 {
		t.Error("an older answer added room")
	}
}

func TestObserve_InvalidHeaders_AreIgnored(t *testing.T) {
	for name, h := range map[string]http.Header{
		"none":         {},
		"negative":     answer(100, -1, 40),
		"not a number": answer(100, "none", 40),
		"huge":         answer("99999999999999999999", 0, 40),
		"a far reset":  answer(100, 0, 86_400),
		"a past reset": answer(100, 0, -30),
		"no date":      {"L": {"100"}, "R": {"0"}, "T": {"1500000040"}},
		"a limit of 0": answer(0, 0, 40),
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := limiter(1)
			take(t, l)
			if pause := l.Observe("b", 200, h); pause != 0 {
				t.Errorf("paused %s", pause)
			}
			if s := l.State("b"); s.Known {
				t.Errorf("%+v", s)
			}
			if w := take(t, l); w != 0 {
				t.Errorf("waited %s", w)
			}
		})
	}
	t.Run("several values, the first valid one counts", func(t *testing.T) {
		l, _ := limiter(1)
		take(t, l)
		h := answer(100, 0, 40)
		h["R"] = []string{"", "-1", "0"}
		l.Observe("b", 200, h)
		if w := take(t, l); w == 0 {
			t.Error("the headers were ignored")
		}
	})
}

func TestObserve_ConcurrencyRefusal_KeepsLimit(t *testing.T) {
	l, _ := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(100, 50, 40))
	if pause := l.Observe("b", 429, answer(0, 0, 40)); pause < 500*time.Millisecond || pause > 2*time.Second {
		t.Errorf("paused %s", pause)
	}
	if w := take(t, l); w > 2250*time.Millisecond {
		t.Errorf("waited %s", w)
	}
	if b := l.Buckets()[0]; b.Limit != 100 {
		t.Errorf("the limit became %d", b.Limit)
	}
}

func TestAcquire_DeadlineBeforeReset_FailsAtOnce(t *testing.T) {
	l, clock := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(100, 0, 40))
	ctx, cancel := context.WithDeadline(context.Background(), clock.Now().Add(30*time.Second))
	defer cancel()
	before := clock.Now()
	_, err := l.Acquire(ctx, "b")
	var tooLong pacing.TooLong
	if !errors.As(err, &tooLong) || tooLong.RetryAfter < 40*time.Second || clock.Now() != before {
		t.Errorf("%v", err)
	}
}

func TestAcquire_OtherBucket_DoesNotWait(t *testing.T) {
	l, _ := limiter(1)
	l.Observe("a", 200, answer(100, 0, 40))
	if w := take(t, l); w != 0 {
		t.Errorf("waited %s for another bucket", w)
	}
}

func TestLimiter_ConcurrentUse_HasNoRace(t *testing.T) {
	l, _ := limiter(1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				name := fmt.Sprint(j % 3)
				if _, err := l.Acquire(context.Background(), name); err != nil {
					t.Error(err)
				}
				l.Observe(name, 200, answer(100, (i*j)%100, 40))
				l.Buckets()
			}
		})
	}
	wg.Wait()
}

func FuzzObserve(f *testing.F) {
	f.Add("100", "0", "1500000040", "Fri, 14 Jul 2017 02:40:00 GMT", 429)
	f.Add("-1", "x", "", "yesterday", 200)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, date string, status int) {
		l, clock := limiter(1)
		pause := l.Observe("b", status, http.Header{"L": {limit}, "R": {remaining}, "T": {reset}, "Date": {date}, "Retry-After": {reset}})
		if pause < 0 || pause > 77*time.Second {
			t.Fatalf("paused %s", pause)
		}
		start := clock.Now()
		take(t, l)
		if waited := clock.Now().Sub(start); waited > 80*time.Second {
			t.Fatalf("waited %s", waited)
		}
	})
}
