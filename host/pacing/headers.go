package pacing

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// told is what one answer says of its bucket.
type told struct {
	limit, remaining int
	reset            int64         // epoch seconds by the service's clock, or by ours for a delta: names the window
	left             time.Duration // until then, by the answer's own Date where it is not a delta; may be negative
	hasLimit         bool
	hasRemaining     bool
	hasLeft          bool
}

// sound reports whether the answer describes a window that can be: all of its numbers, with an end not far off.
func (t told) sound(longest time.Duration) bool {
	return t.hasLimit && t.hasRemaining && t.hasLeft && t.limit > 0 && t.left >= 0 && t.left <= longest
}

// read takes the headers of an answer that came now.
func read(o Options, h http.Header, now time.Time) told {
	names := o.Headers
	var t told
	limit, okLimit := number(h.Values(names.Limit))
	remaining, okRemaining := number(h.Values(names.Remaining))
	t.limit, t.hasLimit = int(limit), okLimit && limit < 1<<31
	t.remaining, t.hasRemaining = int(remaining), okRemaining && remaining < 1<<31
	reset, okReset := number(h.Values(names.Reset))
	if !okReset {
		return t
	}
	if o.delta() { // it needs no Date
		t.reset, t.left, t.hasLeft = now.Unix()+reset, time.Duration(min(reset, 1<<32))*time.Second, true
	} else if date, ok := date(h); ok {
		t.reset, t.left, t.hasLeft = reset, time.Duration(reset-date.Unix())*time.Second, true
	}
	return t
}

// number returns the first of a header's values that is a sound number. A header may come twice in an answer, and with -1
// in it.
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
		// Years that a header can hold in four digits keep a difference of seconds within a Duration.
		if t, err := http.ParseTime(v); err == nil && t.Unix() >= 0 && t.Unix() < 1<<34 {
			return t, true
		}
	}
	return time.Time{}, false
}

// RetryAfter returns how long an answer says to wait before the next request, 0 where it does not say.
func RetryAfter(h http.Header, habits *abi.RateLimitHabits) time.Duration {
	d, _ := retryAfter(h, Longest(habits))
	return d
}

// retryAfter reads the header of that name: seconds, or a date by the answer's own clock; longest at most.
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
