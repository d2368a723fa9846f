package ingest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/host/sink"
)

// delayed are the groups that the sink acknowledged and whose checkpoint is not saved yet.
type delayed struct {
	waiting       []acknowledged // oldest first
	interruptions int64          // interruptions of the sink's service that were handled
}

type acknowledged struct {
	group
	at time.Time
}

// untilDue returns how long until the checkpoint of the oldest group may be saved. any is false if no group waits.
func (d *Drain) untilDue() (wait time.Duration, any bool) {
	if len(d.delayed.waiting) == 0 {
		return 0, false
	}
	return max(d.Delay-time.Since(d.delayed.waiting[0].at), 0), true
}

// saveDue saves the checkpoint of the groups that were acknowledged at least Delay ago. If the service was interrupted since
// the last call, it saves none, and its error makes all of them be written again.
func (d *Drain) saveDue() error {
	now := time.Now() // before Interruptions: a service that ends later has already stored the due groups
	if v, ok := d.Sink.(sink.Volatile); ok && len(d.delayed.waiting) > 0 && v.Interruptions() != d.delayed.interruptions {
		d.drop()
		return sinkError{fmt.Errorf("%w: %s was interrupted: records that it acknowledged less than %s ago are written again", sink.ErrRewrite, d.Sink, d.Delay)}
	}
	n := 0
	for n < len(d.delayed.waiting) && now.Sub(d.delayed.waiting[n].at) >= d.Delay {
		n++
	}
	if n == 0 {
		return nil
	}
	last := d.delayed.waiting[n-1].next
	if !bytes.Equal(last, d.At) { // an idle source gives the same checkpoint again
		if d.Recent != nil {
			d.Recent.Mark(last)
		}
		if d.Checkpoint != nil {
			if err := d.Checkpoint.Save(last); err != nil {
				d.drop()
				return sinkError{err}
			}
		}
	}
	for _, g := range d.delayed.waiting[:n] {
		d.finishGroup(g.group)
	}
	d.delayed.waiting = d.delayed.waiting[n:]
	return nil
}

// waitDelayed waits, at the end of the feed, until the last checkpoint is saved. If ctx ends first, the next run writes the
// remaining groups again.
func (d *Drain) waitDelayed(ctx context.Context) error {
	for {
		wait, any := d.untilDue()
		if !any {
			return nil
		}
		const probe = 50 * time.Millisecond // interval of checks whether the service was interrupted
		t := time.NewTimer(min(wait, probe))
		select {
		case <-ctx.Done():
			t.Stop()
			return errInterrupted
		case <-t.C:
		}
		if err := d.saveDue(); err != nil {
			return err
		}
	}
}
