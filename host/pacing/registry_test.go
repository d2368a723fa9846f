package pacing_test

import (
	"context"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

const origin = "https://example.okta.com"

func shared(r *pacing.Registry, clock *fake, origin, token string, share float64) *pacing.Limiter {
	l, _ := r.Limiter(origin, token, pacing.Options{Headers: names, Habits: &abi.RateLimitHabits{ZeroLimit: abi.ZeroConcurrency}, Share: share, Clock: clock})
	return l
}

func TestRegistry_SameToken_SharesWindow(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	var r pacing.Registry
	a, b := shared(&r, clock, origin, "t", 0.5), shared(&r, clock, origin, "t", 0.5)
	take(t, a)
	a.Observe("b", 200, answer(10, 9, 40))
	for i := range 4 { // with the first request, half of the window
		if w := take(t, a); w != 0 {
			t.Fatalf("request %d of the first waited %s", i, w)
		}
	}
	for i := range 4 { // the last tenth is left to other clients
		if w := take(t, b); w != 0 {
			t.Fatalf("request %d of the second, which has no answer yet, waited %s", i, w)
		}
	}
	if w := take(t, b); w < 40*time.Second {
		t.Errorf("a tenth request in the window waited only %s", w)
	}
}

// The tokens of two connections that do not know theirs yet may differ.
func TestRegistry_UnknownTokens_AreSeparate(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	var r pacing.Registry
	a, b := shared(&r, clock, origin, "", 1), shared(&r, clock, origin, "", 1)
	take(t, a)
	a.Observe("b", 200, answer(10, 0, 40))
	if w := take(t, b); w != 0 {
		t.Errorf("the other waited %s", w)
	}
}

func TestRegistry_OtherTokenOrOrg_IsSeparate(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	var r pacing.Registry
	a := shared(&r, clock, origin, "t", 1)
	take(t, a)
	a.Observe("b", 200, answer(10, 0, 40))
	for name, other := range map[string]*pacing.Limiter{
		"another token": shared(&r, clock, origin, "u", 1),
		"no token yet":  shared(&r, clock, origin, "", 1),
		"another org":   shared(&r, clock, "https://other.okta.com", "t", 1),
	} {
		if w := take(t, other); w != 0 {
			t.Errorf("%s waited %s", name, w)
		}
		other.Observe("b", 200, answer(10, 9, 40))
	}
	a.Observe("b", 429, answer(0, 0, 40)) // too many concurrent requests: stops every token of the org
	if w := take(t, shared(&r, clock, origin, "u", 1)); w == 0 {
		t.Error("another token of the org did not wait after too many concurrent requests")
	}
	if w := take(t, shared(&r, clock, "https://third.okta.com", "t", 1)); w != 0 {
		t.Errorf("another org waited %s", w)
	}
}

func TestRegistry_UnusedToken_IsForgotten(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	var r pacing.Registry
	a, releaseA := r.Limiter(origin, "t", pacing.Options{Headers: names, Clock: clock})
	_, releaseB := r.Limiter(origin, "t", pacing.Options{Headers: names, Clock: clock})
	take(t, a)
	a.Observe("b", 200, answer(10, 5, 40))
	releaseA()
	releaseA() // the second call has no effect
	if c := shared(&r, clock, origin, "t", 1); !c.State("b").Known {
		t.Error("a window that another connection still uses was forgotten")
	}
	releaseB()
	var again pacing.Registry
	_, release := again.Limiter(origin, "t", pacing.Options{Headers: names, Clock: clock})
	release()
	if shared(&again, clock, origin, "t", 1).State("b").Known {
		t.Error("a window was remembered")
	}
}

// TestAcquire_SeveralProcesses_SharesAddUp uses four separate limiters, each with a share of 0.9/4.
func TestAcquire_SeveralProcesses_SharesAddUp(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	remaining := 120
	total := 0
	for range 4 {
		l := pacing.New(pacing.Options{Headers: names, Share: 0.9 / 4, Clock: clock})
		ctx, cancel := context.WithDeadline(context.Background(), clock.Now().Add(30*time.Second))
		for {
			if _, err := l.Acquire(ctx, "b"); err != nil {
				break
			}
			total++
			remaining--
			l.Observe("b", 200, answer(120, remaining, 40))
		}
		cancel()
	}
	if total != 108 {
		t.Errorf("four shares of 0.225 of 120 allowed %d requests, want 108", total)
	}
}

// TestAcquire_ManyWaiters_AreSpreadAfterReset: the more requests wait, the longer the time over which they are sent.
func TestAcquire_ManyWaiters_AreSpreadAfterReset(t *testing.T) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	l := pacing.New(pacing.Options{Headers: names, Clock: clock, Rand: func() float64 { return 1 }})
	take(t, l)
	l.Observe("b", 200, answer(100, 0, 40))
	alone := take(t, l) - 40*time.Second
	blocked := &stuck{fake: clock, asleep: make(chan struct{}), release: make(chan struct{})}
	l = pacing.New(pacing.Options{Headers: names, Clock: blocked, Rand: func() float64 { return 1 }})
	take(t, l)
	l.Observe("b", 200, answer(100, 0, 40))
	ended := make(chan time.Duration, 100)
	for range 100 {
		go func() {
			w, _ := l.Acquire(context.Background(), "b")
			ended <- w
		}()
		<-blocked.asleep
	}
	close(blocked.release)
	longest := time.Duration(0)
	for range 100 {
		longest = max(longest, <-ended-40*time.Second)
	}
	if alone > 250*time.Millisecond || longest < 2*time.Second {
		t.Errorf("a single request waited %s after the reset, the last of a hundred %s", alone, longest)
	}
}

// stuck is a clock whose Sleep blocks until release is closed.
type stuck struct {
	*fake
	asleep, release chan struct{}
}

func (s *stuck) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case s.asleep <- struct{}{}:
	case <-s.release:
	}
	<-s.release
	return s.fake.Sleep(ctx, d)
}
