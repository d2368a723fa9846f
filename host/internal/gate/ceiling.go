package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/pacing"
)

// CeilingError is the error for a write that a ceiling blocks.
type CeilingError struct {
	journal.Ceiling
	Wait time.Duration // until the next write may be sent
}

// Error implements error.
func (e CeilingError) Error() string {
	name := "max_writes_per_minute"
	if e.Kind == string(abi.Destructive) {
		name = "max_destructive_per_hour"
	}
	return fmt.Sprintf("the connection's ceiling is reached (%s: %d): the next write is allowed in %s", name, e.Most, e.Wait.Round(time.Second))
}

// RetryAfter returns the time until the next write is allowed, in milliseconds.
func (e CeilingError) RetryAfter() int64 { return max(e.Wait.Milliseconds(), 1) }

// Kinds returns the ceilings that a write of a class counts under.
func Kinds(class abi.Class) []string {
	switch class {
	case abi.Destructive, abi.Privileged: // privileged writes are as dangerous
		return []string{"write", string(abi.Destructive)}
	}
	return []string{"write"}
}

// Ceilings returns a connection's limits on the number of writes. 0 is no limit.
func Ceilings(writesPerMinute, destructivePerHour int) []journal.Ceiling {
	var all []journal.Ceiling
	if writesPerMinute > 0 {
		all = append(all, journal.Ceiling{Kind: "write", Most: writesPerMinute, Window: time.Minute})
	}
	if destructivePerHour > 0 {
		all = append(all, journal.Ceiling{Kind: string(abi.Destructive), Most: destructivePerHour, Window: time.Hour})
	}
	return all
}

// Counter counts the writes of one call under the ceilings of its connection. It uses the service's clock, since the
// local one may jump. It is not safe for concurrent use.
type Counter struct {
	Journal  journal.Journal
	Scope    string // what the ceilings belong to
	Ceilings []journal.Ceiling
	Kinds    []string // the ceilings that the call's writes count under
	Clock    *pacing.ServiceClock
	Local    func() time.Time

	uncounted bool // the last write was counted by the local clock only
}

// Count counts a write that is about to be sent. It returns a CeilingError if a ceiling is reached.
func (c *Counter) Count(ctx context.Context) error {
	if len(c.Ceilings) == 0 {
		return nil
	}
	at := c.Clock.Now()
	if c.uncounted = at.IsZero(); c.uncounted {
		at = c.Local()
	}
	wait, passed, err := c.Journal.Take(ctx, c.Scope, c.Kinds, c.Ceilings, at)
	switch {
	case err != nil:
		return fmt.Errorf("the write was not sent, because it could not be counted under the connection's ceilings: %w", err)
	case wait > 0:
		return CeilingError{Ceiling: passed, Wait: wait}
	}
	return nil
}

// CountAgain counts the last write by the service's clock if it was counted by the local clock, because the service's
// clock was not known before.
func (c *Counter) CountAgain(ctx context.Context) error {
	if !c.uncounted {
		return nil
	}
	at := c.Clock.Now()
	if at.IsZero() {
		return nil
	}
	c.uncounted = false
	if d := at.Sub(c.Local()); d > -time.Minute && d < time.Minute {
		return nil
	}
	_, _, err := c.Journal.Take(context.WithoutCancel(ctx), c.Scope, c.Kinds, nil, at)
	return err
}
