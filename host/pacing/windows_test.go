package pacing_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/host/pacing"
)

// service is a rate limit like Okta's: windows of a minute that begin with a request.
type service struct {
	mu      sync.Mutex
	limit   int
	used    int
	ends    time.Time
	refused int
}

// answer counts a request and returns its answer, in whole seconds.
func (s *service) answer() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !now.Before(s.ends) {
		s.used, s.ends = 0, now.Truncate(time.Second).Add(time.Minute)
	}
	s.used++
	h := http.Header{"Date": {now.UTC().Format(http.TimeFormat)}, "L": {fmt.Sprint(s.limit)},
		"R": {fmt.Sprint(max(s.limit-s.used, 0))}, "T": {fmt.Sprint(s.ends.Unix())}}
	if s.used > s.limit {
		s.refused++
		return 429, h
	}
	return 200, h
}

// TestAcquire_ManyWorkers_AreNeverRefused has more workers than a window has requests, answers that overtake each other, and
// windows that all workers wait for.
func TestAcquire_ManyWorkers_AreNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{limit: 10}
		l := pacing.New(pacing.Options{Headers: names})
		request := func() {
			if _, err := l.Acquire(t.Context(), "b"); err != nil {
				t.Error(err)
			}
			time.Sleep(rand.N(300 * time.Millisecond))
			status, h := s.answer()
			time.Sleep(rand.N(300 * time.Millisecond))
			l.Observe("b", status, h)
		}
		var wg sync.WaitGroup
		began := time.Now()
		for range 16 {
			wg.Go(func() {
				for range 10 {
					request()
				}
			})
		}
		wg.Wait()
		if s.refused > 0 {
			t.Errorf("%d requests were refused", s.refused)
		}
		// 160 requests at 10 a minute need 15 waits.
		if took := time.Since(began); took > 17*time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

// TestAcquire_UnknownBucket_SendsOneProbe: of many concurrent requests only one is sent at a time, however it ends, until an
// answer has the limit.
func TestAcquire_UnknownBucket_SendsOneProbe(t *testing.T) {
	const limit, most = 10, 50
	ends := map[string]func(l *pacing.Limiter, s *service, n int){ // how the requests end whose answer has no limit
		"the first is answered":    nil,
		"the first fails unsent":   func(l *pacing.Limiter, _ *service, _ int) { l.Cancel("b", false) },
		"the first gets no answer": func(l *pacing.Limiter, _ *service, _ int) { l.Cancel("b", true) },
		"a gateway answers":        func(l *pacing.Limiter, _ *service, _ int) { l.Observe("b", 503, http.Header{}) },
		"too many are concurrent":  func(l *pacing.Limiter, _ *service, _ int) { time.Sleep(l.Observe("b", 429, answer(0, 0, 40))) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{limit: limit}
				l := pacing.New(pacing.Options{Headers: names})
				var mu sync.Mutex
				inFlight, known, sent := 0, false, 0
				var wg sync.WaitGroup
				for range most {
					wg.Go(func() {
						if _, err := l.Acquire(t.Context(), "b"); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if inFlight++; inFlight > 1 && !known {
							t.Errorf("%d requests were in flight before an answer had the limit", inFlight)
						}
						sent++
						n := sent
						mu.Unlock()
						time.Sleep(time.Second)
						mu.Lock()
						inFlight--
						quiet := end != nil && n <= 3
						known = known || !quiet
						mu.Unlock()
						if quiet {
							end(l, s, n)
							return
						}
						status, h := s.answer()
						l.Observe("b", status, h)
					})
				}
				wg.Wait()
				if s.refused > 0 || sent != most {
					t.Errorf("%d of %d requests, %d refused", sent, most, s.refused)
				}
			})
		})
	}
}

// TestAcquire_BucketWithoutLimit_DoesNotWait: after an answer without a limit, all other requests are sent at once.
func TestAcquire_BucketWithoutLimit_DoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pacing.New(pacing.Options{Headers: names})
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := l.Acquire(t.Context(), "b"); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				l.Observe("b", 404, http.Header{})
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s, want the first, and then all others at once", took)
		}
	})
}

// TestAcquire_WaitForProbe_EndsWithContext: others that wait are not affected.
func TestAcquire_WaitForProbe_EndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pacing.New(pacing.Options{Headers: names})
		take(t, l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			waited, err := l.Acquire(ctx, "b")
			if waited != time.Minute {
				t.Errorf("waited %s", waited)
			}
			done <- err
		}()
		if err := <-done; err != context.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		go func() {
			waited, err := l.Acquire(t.Context(), "b")
			if waited != time.Second {
				t.Errorf("waited %s", waited)
			}
			done <- err
		}()
		time.Sleep(time.Second)
		l.Cancel("b", true)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestObserve_UseByOthers_IsCounted(t *testing.T) {
	l, _ := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(100, 50, 40))
	take(t, l)
	l.Observe("b", 200, answer(100, 0, 40)) // another client used 49
	if w := take(t, l); w < 40*time.Second {
		t.Errorf("waited %s", w)
	}
}

func TestObserve_FirstLimit_CountsInFlight(t *testing.T) {
	l, _ := limiter(1)
	take(t, l)
	l.Observe("b", 200, http.Header{}) // has no limit, so the others do not wait for each other
	for range 4 {
		take(t, l)
	}
	l.Observe("b", 200, answer(10, 4, 40)) // three are in flight
	if w := take(t, l); w != 0 {
		t.Errorf("the request for which there is room waited %s", w)
	}
	if w := take(t, l); w == 0 {
		t.Error("a request did not wait though requests in flight may have used its room")
	}
}

func TestObserve_LateAnswerOfLastWindow_IsIgnored(t *testing.T) {
	l, clock := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(10, 5, 40))
	take(t, l)
	_ = clock.Sleep(context.Background(), 41*time.Second)
	take(t, l) // the next window has begun
	l.Observe("b", 200, answer(10, 0, 40))
	if w := take(t, l); w != 0 {
		t.Errorf("waited %s for a window that is over", w)
	}
}

func TestObserve_RefusalRightAfterReset_WaitsBriefly(t *testing.T) {
	l, clock := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(10, 0, 40))
	take(t, l) // the window is over by the local clock
	if pause := l.Observe("b", 429, answer(10, 0, 0)); pause < time.Second || pause > 1250*time.Millisecond {
		t.Errorf("paused %s", pause)
	}
	before := clock.Now()
	take(t, l)
	if w := clock.Now().Sub(before); w > 3*time.Second {
		t.Errorf("waited %s", w)
	}
}

func TestObserve_NewLimit_IsUsed(t *testing.T) {
	l, clock := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(10, 0, 40))
	_ = clock.Sleep(context.Background(), 41*time.Second)
	take(t, l)
	h := answer(100, 99, 40)
	h["T"] = []string{fmt.Sprint(their.Unix() + 60)}
	l.Observe("b", 200, h)
	if s := l.State("b"); s.Limit != 100 || s.Remaining != 99 {
		t.Errorf("%+v", s)
	}
}

func TestCancel_NotSent_PutsRequestBack(t *testing.T) {
	l, _ := limiter(1)
	take(t, l)
	l.Observe("b", 200, answer(10, 1, 40))
	take(t, l)
	l.Cancel("b", false)
	if w := take(t, l); w != 0 {
		t.Errorf("waited %s", w)
	}
	l.Cancel("b", true)
	if w := take(t, l); w == 0 {
		t.Error("a request that may have been counted was put back")
	}
}

func TestObserve_ConcurrencyRefusal_StopsEveryBucket(t *testing.T) {
	l, _ := limiter(1)
	l.Observe("a", 429, answer(0, 0, 40))
	if w := take(t, l); w < 500*time.Millisecond || w > 2250*time.Millisecond {
		t.Errorf("waited %s", w)
	}
}

func TestObserve_RefusalOfOtherLimit_StopsOnlyItsRequest(t *testing.T) {
	l, _ := limiter(1)
	h := answer(100, 80, 40)
	h.Set("Retry-After", "30")
	if pause := l.Observe("b", 429, h); pause < 30*time.Second || pause > 31*time.Second {
		t.Errorf("paused %s", pause)
	}
	if w := take(t, l); w != 0 {
		t.Errorf("another request waited %s", w)
	}
}

func TestObserve_RefusalsWithoutAdvice_DoublePause(t *testing.T) {
	l, _ := limiter(1)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 16} {
		if pause := l.Observe("b", 429, http.Header{}); pause < want*time.Second || pause > want*time.Second+250*time.Millisecond {
			t.Errorf("paused %s, want %d s", pause, want)
		}
	}
	l.Observe("b", 200, http.Header{})
	if pause := l.Observe("b", 429, http.Header{}); pause > 1250*time.Millisecond {
		t.Errorf("paused %s after a success", pause)
	}
}

func TestObserve_Advice_IsFollowed(t *testing.T) {
	date := func(d time.Duration) string { return their.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		h    http.Header
		want time.Duration
	}{
		"seconds":                   {http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		"a date of their clock":     {http.Header{"Retry-After": {date(9 * time.Second)}, "Date": {date(0)}}, 9 * time.Second},
		"longer than accepted":      {http.Header{"Retry-After": {"86400"}}, 75 * time.Second},
		"none":                      {http.Header{"Retry-After": {"0"}}, time.Second},
		"a reset after the longest": {answer(100, 0, 600), 75 * time.Second},
		"a past reset":              {answer(100, 0, -30), time.Second},
		"a reset without remaining": {http.Header{"Date": {date(0)}, "L": {"10"}, "T": {fmt.Sprint(their.Unix() + 20)}}, 21 * time.Second},
		"values joined by a proxy":  {http.Header{"Date": {"x", date(0)}, "L": {"null, 10"}, "R": {"0,0"}, "T": {fmt.Sprintf("-1, %d", their.Unix()+20)}}, 21 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := limiter(1)
			if pause := l.Observe("b", 429, c.h); pause < c.want || pause > c.want+250*time.Millisecond {
				t.Errorf("paused %s, want %s", pause, c.want)
			}
		})
	}
}

func TestAcquire_SmallShare_AllowsOneRequest(t *testing.T) {
	l, _ := limiter(0.1)
	take(t, l)
	l.Observe("b", 200, answer(2, 1, 40))
	if w := take(t, l); w < 40*time.Second || w > 41*time.Second {
		t.Errorf("the second request of a window waited %s", w)
	}
	l.Observe("b", 200, http.Header{})
	if w := take(t, l); w < 60*time.Second || w > 61*time.Second {
		t.Errorf("the second request of the next window waited %s", w)
	}
}

func TestAcquire_CanceledContext_TakesNothing(t *testing.T) {
	l, _ := limiter(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Acquire(ctx, "b"); err != context.Canceled {
		t.Errorf("%v", err)
	}
	if got := l.Buckets(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestState_Bucket_ShowsItsWindow(t *testing.T) {
	l, clock := limiter(1)
	if s := l.State("b"); s != (pacing.State{Bucket: "b"}) {
		t.Errorf("%+v", s)
	}
	take(t, l)
	if s := l.State("b"); s.Known {
		t.Errorf("%+v", s)
	}
	l.Observe("b", 200, answer(10, 7, 40))
	take(t, l)
	if s := l.State("b"); s != (pacing.State{Bucket: "b", Known: true, Limit: 10, Remaining: 6, ResetIn: 40 * time.Second}) {
		t.Errorf("%+v", s)
	}
	_ = clock.Sleep(context.Background(), time.Minute)
	if s := l.Buckets(); len(s) != 1 || s[0] != (pacing.State{Bucket: "b", Known: true, Limit: 10, Remaining: 10}) {
		t.Errorf("%+v", s)
	}
}
