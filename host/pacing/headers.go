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
	reset            int64         // epoch seconds by the service's clock: names the window
	left             time.Duration // until then, by the answer's own Date; may be negative
	hasLimit         bool
	hasRemaining     bool
	hasLeft          bool
}

// sound reports whether the answer describes a window that can be: all of its numbers, with an end not far off.
func (t told) sound() bool {
	return t.hasLimit && t.hasRemaining && t.hasLeft && t.limit > 0 && t.left >= 0 && t.left <= maxWindow
}

// read takes the headers of an answer.
func read(names abi.RateLimitHeaders, h http.Header) told {
	var t told
	limit, okLimit := number(h.Values(names.Limit))
	remaining, okRemaining := number(h.Values(names.Remaining))
	t.limit, t.hasLimit = int(limit), okLimit && limit < 1<<31
	t.remaining, t.hasRemaining = int(remaining), okRemaining && remaining < 1<<31
	reset, okReset := number(h.Values(names.Reset))
	if date, ok := date(h); ok && okReset {
		t.reset, t.left, t.hasLeft = reset, time.Duration(reset-date.Unix())*time.Second, true
	}
	return t
}

// number is the first of a header's values that is a sound number. Okta's headers have been seen twice in an answer,
// and with -1 in them.
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

// RetryAfter is how long an answer says to wait before the next request, 0 where it does not say.
func RetryAfter(h http.Header) time.Duration {
	d, _ := retryAfter(h)
	return d
}

// retryAfter reads the header of that name: seconds, or a date by the answer's own clock.
func retryAfter(h http.Header) (time.Duration, bool) {
	if s, ok := number(h.Values("Retry-After")); ok {
		return time.Duration(min(s, int64(maxWindow/time.Second))) * time.Second, true
	}
	if until, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		if now, ok := date(h); ok {
			return min(max(until.Sub(now), 0), maxWindow), true
		}
	}
	return 0, false
}
