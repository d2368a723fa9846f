package pacing_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

func withHabits(h *abi.RateLimitHabits) (*pacing.Limiter, *fake) {
	clock := &fake{now: time.Unix(2_000_000_000, 0)}
	return pacing.New(pacing.Options{Headers: names, Habits: h, Clock: clock, Rand: func() float64 { return 0 }}), clock
}

// delta returns the headers of an answer that gives the reset as remaining seconds, without a Date.
func delta(limit, remaining, seconds int) http.Header {
	return http.Header{"L": {fmt.Sprint(limit)}, "R": {fmt.Sprint(remaining)}, "T": {fmt.Sprint(seconds)}}
}

func TestAcquire_DeltaReset_WaitsForWindowEnd(t *testing.T) {
	l, clock := withHabits(&abi.RateLimitHabits{Reset: abi.ResetDelta, WindowSeconds: 10})
	take(t, l)
	l.Observe("b", 200, delta(5, 1, 7))
	if s := l.State("b"); !s.Known || s.Limit != 5 || s.Remaining != 1 || s.ResetIn != 7*time.Second {
		t.Fatalf("%+v", s)
	}
	take(t, l)
	l.Observe("b", 200, delta(5, 0, 7))
	if waited := take(t, l); waited != 7*time.Second {
		t.Errorf("waited %s", waited)
	}
	// The next window, which began by the local clock, has the length from the manifest until an answer confirms it.
	if s := l.State("b"); s.Remaining != 4 || s.ResetIn != 10*time.Second {
		t.Errorf("%+v", s)
	}
	l.Observe("b", 200, delta(5, 3, 10))
	if s := l.State("b"); s.Remaining != 3 {
		t.Errorf("%+v", s)
	}
	_ = clock
}

func TestObserve_RoundedDelta_IsSameWindow(t *testing.T) {
	l, clock := withHabits(&abi.RateLimitHabits{Reset: abi.ResetDelta})
	take(t, l)
	take2 := func(remaining, seconds int) int {
		l.Observe("b", 200, delta(100, remaining, seconds))
		return l.State("b").Remaining
	}
	take2(50, 40)
	for range 3 { // answers can overtake each other: the lowest remaining counts
		take(t, l)
	}
	clock.now = clock.now.Add(1500 * time.Millisecond)
	if got := take2(47, 38); got != 47 {
		t.Errorf("%d", got)
	}
	if got := take2(49, 39); got != 47 {
		t.Errorf("an older answer with another second: %d remaining", got)
	}
	if got := take2(90, 60); got != 90 {
		t.Errorf("the next window: %d remaining", got)
	}
}

func TestObserve_LimitOf0_FollowsHabit(t *testing.T) {
	// Without the habit, a limit of 0 has no special meaning: the bucket waits for its reset.
	l, _ := withHabits(nil)
	take(t, l)
	if pause := l.Observe("b", 429, answer(0, 0, 30)); pause != 31*time.Second {
		t.Errorf("without the habit: %s", pause)
	}
	l, _ = withHabits(&abi.RateLimitHabits{ZeroLimit: abi.ZeroConcurrency})
	take(t, l)
	if pause := l.Observe("b", 429, answer(0, 0, 30)); pause != 500*time.Millisecond {
		t.Errorf("with it: %s", pause)
	}
}

func TestObserve_BeyondLongest_IsIgnored(t *testing.T) {
	for _, c := range []struct {
		habits *abi.RateLimitHabits
		reset  int
		known  bool
	}{{nil, 75, true}, {nil, 76, false}, {&abi.RateLimitHabits{WindowSeconds: 600}, 750, true}, {&abi.RateLimitHabits{WindowSeconds: 600}, 751, false},
		{&abi.RateLimitHabits{WindowSeconds: 1, LongestSeconds: 3}, 4, false}} {
		l, _ := withHabits(c.habits)
		take(t, l)
		if l.Observe("b", 200, answer(9, 9, c.reset)); l.State("b").Known != c.known {
			t.Errorf("%+v, %d s: known is %v", c.habits, c.reset, !c.known)
		}
	}
	h := http.Header{"Retry-After": {"4000"}}
	if got := pacing.RetryAfter(h, &abi.RateLimitHabits{WindowSeconds: 3600}); got != 4000*time.Second {
		t.Errorf("an hour's window: %s", got)
	}
	if got := pacing.RetryAfter(h, nil); got != 75*time.Second {
		t.Errorf("a minute's window: %s", got)
	}
}
