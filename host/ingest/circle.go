package ingest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mach5/okta-connector/host"
)

// circle notices a source whose pages hold nothing but repeats: it goes in a circle, or for ever over the same records. A
// crash and a cursor that expired bring repeats, too, but each checkpoint once, and no more than are remembered.
type circle struct {
	seen  map[key]bool // digests of the checkpoints of such pages in a row
	pages int          // in a row
	pause time.Duration
}

const (
	// mostRepeats is how many pages of nothing but repeats in a row need no explanation.
	mostRepeats = 1000
	// circlePause is the first pause once a source goes in a circle. It doubles, up to longestPause.
	circlePause = time.Second
)

// add takes in a page, and returns how long to wait before the next one. began reports whether it is the first pause.
func (c *circle) add(checkpoint json.RawMessage, repeatsOnly, caughtUp bool) (wait time.Duration, began bool) {
	if !repeatsOnly || caughtUp {
		*c = circle{}
		return 0, false
	}
	if c.seen == nil {
		c.seen = map[key]bool{}
	}
	at := digest(checkpoint)
	if c.pages++; !c.seen[at] && c.pages <= mostRepeats {
		c.seen[at] = true
		return 0, false
	}
	began = c.pause == 0
	c.pause = min(max(2*c.pause, circlePause), longestPause)
	return c.pause, began
}

// slowDown waits where the source gives nothing but repeats.
func (d *Drain) slowDown(ctx context.Context, page *host.Page, dropped int) error {
	repeatsOnly := dropped > 0 && page.Len() == 0
	if dropped == 0 && page.Len() == 0 && !page.CaughtUp {
		return nil // an empty page says neither
	}
	wait, began := d.circle.add(page.Checkpoint, repeatsOnly, page.CaughtUp)
	if wait == 0 {
		return nil
	}
	if began {
		d.Say("%s: its pages hold nothing but records that came before, and lead back to where it was: asking less and less often, until something new comes", d.Operation)
	}
	if err := d.flush(); err != nil {
		return err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return nil
}
