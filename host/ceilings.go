package host

import (
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/host/internal/gate"
)

// underCeilings counts a write and returns an error if a ceiling is reached. It uses the service's clock, since the
// local one may jump.
func (c *call) underCeilings(ctx context.Context) error {
	ceilings := gate.Ceilings(c.conn.config.MaxWritesPerMinute, c.conn.config.MaxDestructivePerHour)
	if len(ceilings) == 0 {
		return nil
	}
	at := c.conn.clock.Now()
	if c.writes.uncounted = at.IsZero(); c.writes.uncounted {
		at = c.conn.opts.Now()
	}
	wait, passed, err := c.conn.opts.Journal.Take(ctx, c.conn.scope(), gate.Kinds(c.class), ceilings, at)
	switch {
	case err != nil:
		return fmt.Errorf("the write was not sent, because it could not be counted under the connection's ceilings: %w", err)
	case wait > 0:
		return gate.CeilingError{Ceiling: passed, Wait: wait}
	}
	return nil
}

// countAgain counts a write by the service's clock after it was counted by the local clock, because the service's
// clock was not known before.
func (c *call) countAgain(ctx context.Context) {
	at := c.conn.clock.Now()
	if !c.writes.uncounted || at.IsZero() {
		return
	}
	c.writes.uncounted = false
	if d := at.Sub(c.conn.opts.Now()); d > -time.Minute && d < time.Minute {
		return
	}
	if _, _, err := c.conn.opts.Journal.Take(context.WithoutCancel(ctx), c.conn.scope(), gate.Kinds(c.class), nil, at); err != nil {
		c.conn.log.Error("a write was counted under the ceilings by the local clock only", "operation", c.op.Name, "error", err.Error())
	}
}
