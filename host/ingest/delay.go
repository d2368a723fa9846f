package ingest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/host/sink"
)

// delayed are the groups that the sink acknowledged and that have no checkpoint yet, the oldest first.
type delayed struct {
	waiting       []acknowledged
	interruptions int64 // of the sink's service, that were taken in
}

type acknowledged struct {
	group
	at time.Time
}

// untilOld is how long until the oldest group may have its checkpoint.
func (d *Drain) untilOld() (wait time.Duration, any bool) {
	if len(d.delayed.waiting) == 0 {
		return 0, false
	}
	return max(d.Delay-time.Since(d.delayed.waiting[0].at), 0), true
}

// saveOld saves the checkpoint of the groups that were acknowledged for long enough. Where the service ended since it was
// called last, none is saved, and all of them are to be written again.
func (d *Drain) saveOld() error {
	now := time.Now() // before the look at the service: one that ends later has kept what is old by now
	if v, ok := d.Sink.(sink.Volatile); ok && len(d.delayed.waiting) > 0 && v.Interruptions() != d.delayed.interruptions {
		d.drop()
		return sinkError{fmt.Errorf("%w: %s was away: what it acknowledged less than %s ago comes again", sink.ErrRewrite, d.Sink, d.Delay)}
	}
	n := 0
	for n < len(d.delayed.waiting) && now.Sub(d.delayed.waiting[n].at) >= d.Delay {
		n++
	}
	if n == 0 {
		return nil
	}
	last := d.delayed.waiting[n-1].next
	if !bytes.Equal(last, d.At) { // an idle source gives the same again
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
		d.committed(g.group)
	}
	d.delayed.waiting = d.delayed.waiting[n:]
	return nil
}

// settle waits, at the end of the feed, until the last checkpoint is saved. When ctx ends it is not: what has none comes
// again with the next run.
func (d *Drain) settle(ctx context.Context) error {
	for {
		wait, any := d.untilOld()
		if !any {
			return nil
		}
		const look = 50 * time.Millisecond // whether the service is still there
		t := time.NewTimer(min(wait, look))
		select {
		case <-ctx.Done():
			t.Stop()
			return errInterrupted
		case <-t.C:
		}
		if err := d.saveOld(); err != nil {
			return err
		}
	}
}
