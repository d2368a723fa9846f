package host

import (
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/journal"
)

// ceilings are the connection's bounds on writes.
func (c *Connection) ceilings() []journal.Ceiling {
	var all []journal.Ceiling
	if n := c.config.MaxWritesPerMinute; n > 0 {
		all = append(all, journal.Ceiling{Kind: "write", Most: n, Window: time.Minute})
	}
	if n := c.config.MaxDestructivePerHour; n > 0 {
		all = append(all, journal.Ceiling{Kind: string(abi.Destructive), Most: n, Window: time.Hour})
	}
	return all
}

// errCeiling is a write that a ceiling holds back.
type errCeiling struct {
	journal.Ceiling
	wait time.Duration
}

func (e errCeiling) Error() string {
	name := "max_writes_per_minute"
	if e.Kind == string(abi.Destructive) {
		name = "max_destructive_per_hour"
	}
	return fmt.Sprintf("the connection's ceiling is reached (%s: %d): the next write may leave in %s", name, e.Most, e.wait.Round(time.Second))
}

// retryAfter is when to ask again, in milliseconds.
func (e errCeiling) retryAfter() int64 { return max(e.wait.Milliseconds(), 1) }

// underCeilings counts a write, unless a ceiling holds it back. It counts by the service's clock, so that this machine's may
// jump.
func (c *call) underCeilings(ctx context.Context) error {
	ceilings := c.conn.ceilings()
	if len(ceilings) == 0 {
		return nil
	}
	at := c.conn.clock.Now()
	if c.writes.uncounted = at.IsZero(); c.writes.uncounted {
		at = c.conn.opts.Now()
	}
	wait, passed, err := c.conn.opts.Journal.Take(ctx, c.conn.scope(), c.kinds(), ceilings, at)
	switch {
	case err != nil:
		return fmt.Errorf("the write could not be counted under the connection's ceilings, so that it was not sent: %w", err)
	case wait > 0:
		return errCeiling{passed, wait}
	}
	return nil
}

// kinds are what a write of the call counts as.
func (c *call) kinds() []string {
	switch c.class {
	case abi.Destructive, abi.Privileged: // taking a role away, or opening a zone, is no less
		return []string{"write", string(abi.Destructive)}
	}
	return []string{"write"}
}

// countAgain counts a write that left before the service's clock was known, and so by this machine's, again by the service's.
func (c *call) countAgain(ctx context.Context) {
	at := c.conn.clock.Now()
	if !c.writes.uncounted || at.IsZero() {
		return
	}
	c.writes.uncounted = false
	if d := at.Sub(c.conn.opts.Now()); d > -time.Minute && d < time.Minute {
		return
	}
	if _, _, err := c.conn.opts.Journal.Take(context.WithoutCancel(ctx), c.conn.scope(), c.kinds(), nil, at); err != nil {
		c.conn.log.Error("a write counts under the ceilings by this machine's clock alone", "operation", c.op.Name, "error", err.Error())
	}
}
