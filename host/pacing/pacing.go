// Package pacing keeps requests within a service's rate limits. It reads the limits from the service's answers, so that
// requests wait before they would be refused. Each connection has a Limiter with a state for each bucket.
//
// The service's time is read from the Date header of its answers. The local clock measures the time since then, and the rest
// of a window if the service gives it as a delta.
package pacing

import (
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Requests that wait for the same time are spread over at least jitter. If there are many, their average distance is apart.
const (
	jitter = 250 * time.Millisecond
	apart  = 25 * time.Millisecond
)

// Clock tells the time and sleeps. It must be safe for concurrent use. Tests inject one.
type Clock interface {
	Now() time.Time
	// Sleep returns nil after d, or the context's error if that ends earlier.
	Sleep(ctx context.Context, d time.Duration) error
}

// System is the real Clock.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

// Sleep implements Clock.
func (System) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Options configure a Limiter.
type Options struct {
	Headers abi.RateLimitHeaders
	Habits  *abi.RateLimitHabits // nil means the defaults
	Share   float64              // part of each bucket to use, 0 < Share ≤ 1; default 1. At least one request in each window is allowed
	Clock   Clock                // default System
	Rand    func() float64       // in [0,1), for jitter; safe for concurrent use; default math/rand/v2
}

// Longest returns the longest wait that is accepted from an answer. Longer ones count as invalid.
func Longest(habits *abi.RateLimitHabits) time.Duration {
	return time.Duration(habits.Longest()) * time.Second
}

// window returns the assumed length of a window that no answer has confirmed yet.
func window(habits *abi.RateLimitHabits) time.Duration {
	return time.Duration(habits.Window()) * time.Second
}

// State is the observed state of a bucket.
type State struct {
	Bucket    string
	Known     bool          // an answer had the limit; otherwise the other fields are 0
	Limit     int           // requests a window
	Remaining int           // requests left in this window, without those in flight
	ResetIn   time.Duration // time until the next window; 0 if it has begun
}

// delta reports whether the reset header counts from the answer.
func (o Options) delta() bool { return o.Habits != nil && o.Habits.Reset == abi.ResetDelta }

// TooLong is the error of Acquire if there is no room before the deadline.
type TooLong struct {
	Bucket     string
	RetryAfter time.Duration // time until there is room
}

// Error implements error.
func (e TooLong) Error() string {
	return fmt.Sprintf("the rate limit of %s is used up for another %s, which is after the deadline: try again then, or allow more time", e.Bucket, e.RetryAfter.Round(time.Second))
}
