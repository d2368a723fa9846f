package ingest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mach5/okta-connector/host"
)

// loopDetector detects a source that loops: its pages contain only repeated records and lead back to earlier
// checkpoints. A crash or an expired cursor also leads to repeats, but for few pages, and with each checkpoint only
// once.
type loopDetector struct {
	seen  map[key]bool // digests of the checkpoints of consecutive pages with only repeats
	pages int          // number of these pages
	pause time.Duration
}

const (
	// maxRepeatPages is how many consecutive pages with only repeats are normal.
	maxRepeatPages = 1000
	// firstPause is the first pause after a loop is detected. It doubles with each page, up to longestPause.
	firstPause = time.Second
)

// add adds a page, and returns how long to wait before the next one. began reports whether this is the first pause.
func (c *loopDetector) add(checkpoint json.RawMessage, repeatsOnly, caughtUp bool) (wait time.Duration, began bool) {
	if !repeatsOnly || caughtUp {
		*c = loopDetector{}
		return 0, false
	}
	if c.seen == nil {
		c.seen = map[key]bool{}
	}
	at := digest(checkpoint)
	if c.pages++; !c.seen[at] && c.pages <= maxRepeatPages {
		c.seen[at] = true
		return 0, false
	}
	began = c.pause == 0
	c.pause = min(max(2*c.pause, firstPause), longestPause)
	return c.pause, began
}

// slowDown waits if the source loops.
func (d *Drain) slowDown(ctx context.Context, page *host.Page, dropped int) error {
	repeatsOnly := dropped > 0 && page.Len() == 0
	if dropped == 0 && page.Len() == 0 && !page.CaughtUp {
		return nil // an empty page has neither repeats nor new records
	}
	wait, began := d.loop.add(page.Checkpoint, repeatsOnly, page.CaughtUp)
	if wait == 0 {
		return nil
	}
	if began {
		d.Say("%s: its pages have only repeated records and lead back to an earlier checkpoint: reading less often until there are new records", d.Operation)
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
