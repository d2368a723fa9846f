// Package pacing keeps requests within a service's rate limits by what its answers say, rather than by running into
// refusals: one Limiter a connection, one state a bucket.
//
// The service's clock is the answer's Date header; the local clock measures how long ago that was, and how much of a window
// is left where the service gives that as a delta.
package pacing

import (
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// jitter spreads the requests that wait for the same moment, and apart is what they have on average between them when
// there are many.
const (
	jitter = 250 * time.Millisecond
	apart  = 25 * time.Millisecond
)

// Clock measures and passes time. Tests inject one.
type Clock interface {
	Now() time.Time
	// Sleep returns nil after d, or the context's error when that ends before.
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
	Habits  *abi.RateLimitHabits // nil is the defaults
	Share   float64              // part of each bucket that may be used, 0 < Share ≤ 1; default 1. One request a window always may.
	Clock   Clock                // default System
	Rand    func() float64       // in [0,1), for jitter; safe for concurrent use; default math/rand/v2
}

// Longest returns the longest time that an answer of a service is believed to ask for.
func Longest(habits *abi.RateLimitHabits) time.Duration {
	return time.Duration(habits.Longest()) * time.Second
}

// window returns how long a window lasts of which no answer has told yet.
func window(habits *abi.RateLimitHabits) time.Duration {
	return time.Duration(habits.Window()) * time.Second
}

// State is what is known of one bucket.
type State struct {
	Bucket    string
	Known     bool          // an answer has told of it; without that the rest is 0
	Limit     int           // requests a window
	Remaining int           // requests left in this window, those on their way taken off
	ResetIn   time.Duration // until the next window; 0 when it has begun
}

// delta reports whether the reset header counts from the answer.
func (o Options) delta() bool { return o.Habits != nil && o.Habits.Reset == abi.ResetDelta }

// TooLong is the error of Acquire when the deadline comes before there is room.
type TooLong struct {
	Bucket     string
	RetryAfter time.Duration
}

// Error implements error.
func (e TooLong) Error() string {
	return fmt.Sprintf("the rate limit of %s is used up for another %s, which is past the deadline", e.Bucket, e.RetryAfter.Round(time.Second))
}
