package pacing

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// observation is the state of a bucket in the headers of one answer.
type observation struct {
	limit, remaining int
	reset            int64         // end of the window in epoch seconds, by the service's clock or, for a delta, by the local one; identifies the window
	left             time.Duration // time until then; from the answer's Date unless it is a delta; may be negative
	hasLimit         bool
	hasRemaining     bool
	hasLeft          bool
}

// valid reports whether the answer describes a possible window: it has all numbers, and the window ends within longest.
func (t observation) valid(longest time.Duration) bool {
	return t.hasLimit && t.hasRemaining && t.hasLeft && t.limit > 0 && t.left >= 0 && t.left <= longest
}

// observe reads the rate-limit headers of an answer that came now.
func observe(o Options, h http.Header, now time.Time) observation {
	names := o.Headers
	var t observation
	limit, okLimit := number(h.Values(names.Limit))
	remaining, okRemaining := number(h.Values(names.Remaining))
	t.limit, t.hasLimit = int(limit), okLimit && limit < 1<<31
	t.remaining, t.hasRemaining = int(remaining), okRemaining && remaining < 1<<31
	reset, okReset := number(h.Values(names.Reset))
	if !okReset {
		return t
	}
	if o.delta() { // no Date is needed
		t.reset, t.left, t.hasLeft = now.Unix()+reset, time.Duration(min(reset, 1<<32))*time.Second, true
	} else if date, ok := date(h); ok {
		t.reset, t.left, t.hasLeft = reset, time.Duration(reset-date.Unix())*time.Second, true
	}
	return t
}

// number returns the first valid number among a header's values. An answer may have the header twice, and values of -1.
func number(values []string) (int64, bool) {
	for _, v := range values {
		for more := true; more; {
			var one string
			one, v, more = strings.Cut(v, ",")
			if n, err := strconv.ParseUint(strings.TrimSpace(one), 10, 40); err == nil {
				return int64(n), true
			}
		}
	}
	return 0, false
}

func date(h http.Header) (time.Time, bool) {
	for _, v := range h.Values("Date") {
		// With a year of four digits, a difference in seconds fits into a Duration.
		if t, err := http.ParseTime(v); err == nil && t.Unix() >= 0 && t.Unix() < 1<<34 {
			return t, true
		}
	}
	return time.Time{}, false
}

// RetryAfter returns how long an answer asks to wait before the next request, or 0 if it does not say.
func RetryAfter(h http.Header, habits *abi.RateLimitHabits) time.Duration {
	d, _ := retryAfter(h, Longest(habits))
	return d
}

// retryAfter reads the Retry-After header: seconds, or a date, which it compares with the answer's Date. It returns at most
// longest.
func retryAfter(h http.Header, longest time.Duration) (time.Duration, bool) {
	if s, ok := number(h.Values("Retry-After")); ok {
		return time.Duration(min(s, int64(longest/time.Second))) * time.Second, true
	}
	if until, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		if now, ok := date(h); ok {
			return min(max(until.Sub(now), 0), longest), true
		}
	}
	return 0, false
}
