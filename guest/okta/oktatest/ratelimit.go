package oktatest

import (
	"hash/fnv"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limiter counts requests by bucket and window, like Okta.
type limiter struct {
	limits map[string]int
	length time.Duration

	mu      sync.Mutex
	windows map[string]*window
}

type window struct {
	number int64 // the window of the count
	used   int
}

// anyBucket is the key of Config.RateLimits for buckets that it does not list.
const anyBucket = "*"

func newLimiter(cfg Config) limiter {
	limits := maps.Clone(cfg.RateLimits)
	if limits == nil {
		limits = map[string]int{}
	}
	if _, ok := limits[anyBucket]; !ok {
		limits[anyBucket] = 600
		if _, ok := limits["/api/v1/logs"]; !ok {
			limits["/api/v1/logs"] = 120
		}
	}
	return limiter{limits: limits, length: cfg.Window, windows: map[string]*window{}}
}

// take counts a request and writes the three headers. It reports whether the request is within the limit.
func (l *limiter) take(bucket string, now time.Time, h http.Header) bool {
	limit := l.limit(bucket)
	if limit < 0 {
		return true
	}
	number, end := l.window(bucket, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[bucket]
	if w == nil {
		w = &window{}
		l.windows[bucket] = w
	}
	if w.number != number {
		w.number, w.used = number, 0
	}
	allowed := w.used < limit
	if allowed {
		w.used++
	}
	writeLimit(h, limit, limit-w.used, end)
	return allowed
}

func (l *limiter) limit(bucket string) int {
	if limit, ok := l.limits[bucket]; ok {
		return limit
	}
	return l.limits[anyBucket]
}

// window returns the number of the present window of bucket and its end. The windows of buckets start at different
// times.
func (l *limiter) window(bucket string, now time.Time) (number int64, end time.Time) {
	h := fnv.New32a()
	h.Write([]byte(bucket)) // never fails
	phase := time.Duration(h.Sum32()) * time.Second % l.length
	number = (now.UnixNano() - int64(phase)) / int64(l.length)
	return number, time.Unix(0, (number+1)*int64(l.length)+int64(phase))
}

func writeLimit(h http.Header, limit, remaining int, reset time.Time) {
	seconds := reset.Unix()
	if reset.Nanosecond() > 0 {
		seconds++
	}
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(max(remaining, 0)))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(seconds, 10))
}
