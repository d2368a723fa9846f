// Package ingest drains sources into sinks: the loop that a collector runs for months.
//
// A Drain takes one source page by page. A page goes to the sink first; once it is durable there the keys of its records
// are noted, and then its checkpoint is saved, so that a crash at any moment loses nothing. What it leaves behind the
// checkpoint is the page in hand at most, or in a file, whose pages are made durable several at once, what the file itself
// recalls: that is not written again. Repeats that a source gives by itself, such as after a cursor that it no longer took, are dropped by key. While a
// page is being written the next is being fetched, and no more than that: a sink that is slow slows the source down.
package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/host/sink"
)

// Feed gives the pages behind a checkpoint, nil for the beginning; each page has its own.
type Feed func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error]

// Source is the Feed of an operation of the ingest surface. The checkpoint in opts does not count.
func Source(c *host.Connection, opts host.SourceOptions) Feed {
	return func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		opts := opts
		opts.Checkpoint = at
		return c.SourcePages(ctx, opts)
	}
}

// Drain moves the pages of one source to a sink, and keeps the checkpoint behind them. Set its fields, then Run it once.
type Drain struct {
	Connection string // for messages and metrics
	Operation  string
	Feed       Feed
	Sink       sink.Sink
	Checkpoint *checkpoint.File // nil keeps none
	At         json.RawMessage  // where to begin: what Checkpoint.Load gave
	Recent     *Recent          // drops repeats by key; nil drops none
	Key        string           // member of a record that is its key, by which a sink that recalls its end tells repeats
	// Persist waits out what passes by itself, instead of ending: Okta or the network failing, a rate limit, a sink that
	// is away.
	Persist bool
	// Follow tells that the feed does not end, so that an interruption is how the run ends and no error.
	Follow bool
	Say    func(format string, args ...any) // takes messages for people; default drops them
	Quota  func() []host.Quota              // for metrics; may be nil
	Pause  time.Duration                    // after the first failure; doubles with each, up to a minute; default a second

	stats   stats
	written int64           // bytes of records that were appended and are not durable yet
	next    json.RawMessage // the checkpoint behind them
	pages   []pageStats     // theirs
}

const longestPause = time.Minute

// How much may be written and not durable yet. A crash repeats no more, and nothing where the sink recalls its end.
const (
	commitBytes = 4 << 20
	commitTime  = 50 * time.Millisecond
)

// Run drains until the feed ends, ctx ends, or something fails that does not pass. A page that has begun is finished. The
// error is nil when the feed has ended, and, with Follow, when ctx has.
func (d *Drain) Run(ctx context.Context) (err error) {
	if d.Say == nil {
		d.Say = func(string, ...any) {}
	}
	if d.Pause == 0 {
		d.Pause = time.Second
	}
	d.stats.begin()
	defer func() { d.stats.end(err) }()
	if err := d.recall(); err != nil {
		return sinkError{err}
	}
	pause := d.Pause
	for {
		before := d.stats.pages.Load()
		err := d.pass(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && isInterruption(err):
			if d.Follow {
				return nil
			}
			return fmt.Errorf("interrupted after %d records: run again to go on", d.stats.records.Load())
		case !d.Persist || !passes(err):
			return err
		}
		if d.stats.pages.Load() > before {
			pause = d.Pause
		}
		wait := max(pause, retryAfter(err))
		d.stats.fail(err)
		d.Say("%s: trying again in %s", err, wait.Round(time.Millisecond))
		if t := time.NewTimer(wait); true {
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
		}
		pause = min(2*pause, longestPause)
	}
}

// recall asks a sink for what stands behind the checkpoint, left by a crash.
func (d *Drain) recall() error {
	sink, ok := d.Sink.(sink.Recaller)
	if !ok || d.Recent == nil || d.Key == "" || d.At == nil {
		return nil
	}
	return sink.Recall(func(record []byte) {
		if spans, keys, err := records.SplitKeys(record, "", d.Key, nil); err == nil && len(spans) == 1 {
			key := record[keys[0].Start:keys[0].End]
			d.Recent.Know(bytes.Trim(key, `"`)) // one with escapes is none that Okta gives, and is written again
		}
	})
}

// errInterrupted ends a pass between two pages.
var errInterrupted = errors.New("interrupted")

// pass drains the feed until it ends, fails, or ctx ends between two pages.
func (d *Drain) pass(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return errInterrupted
	}
	feed, cancel := context.WithCancel(ctx)
	defer cancel()
	next, stop := iter.Pull2(d.Feed(feed, d.At))
	defer stop()
	defer func() {
		if e := d.commit(); e != nil && (err == nil || !isSinkError(err)) {
			err = e
		}
	}()
	type given struct {
		page *host.Page
		err  error
		ok   bool
	}
	pulled := make(chan given)
	began := time.Now() // with the first page that is not durable yet
	timer := time.NewTimer(commitTime)
	defer timer.Stop()
	for {
		go func() {
			var g given
			g.page, g.err, g.ok = next()
			pulled <- g
		}()
		var g given
		if d.next == nil {
			g, began = <-pulled, time.Now()
		} else {
			timer.Reset(max(commitTime-time.Since(began), 0))
			select {
			case g = <-pulled:
			case <-timer.C: // what is written does not wait for a source that does
				if err := d.commit(); err != nil {
					cancel()
					<-pulled
					return err
				}
				g, began = <-pulled, time.Now()
			}
		}
		if !g.ok {
			return nil
		}
		if g.err != nil {
			return g.err
		}
		if err := d.take(ctx, g.page); err != nil {
			return err
		}
		if g.page.CaughtUp || d.written >= commitBytes || time.Since(began) >= commitTime {
			if err := d.commit(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil && (d.Follow || !g.page.CaughtUp) {
			return errInterrupted
		}
	}
}

// take writes a page to the sink.
func (d *Drain) take(ctx context.Context, page *host.Page) error {
	for _, w := range page.Warnings {
		d.Say("%s: %s", d.Operation, w)
	}
	dropped := 0
	if d.Recent != nil {
		d.Recent.Begin()
		dropped = page.Drop(d.Recent.Seen)
	}
	buffered, isBuffered := d.Sink.(sink.Buffered)
	var err error
	if isBuffered {
		err = buffered.Append(ctx, page)
	} else {
		err = d.Sink.Write(ctx, page)
	}
	if err != nil {
		return sinkError{err}
	}
	if d.Recent != nil {
		d.Recent.Keep(page.Watermark)
	}
	d.next = bytes.Clone(page.Checkpoint)
	d.written += page.Size()
	d.pages = append(d.pages, statsOf(page, dropped))
	if isBuffered {
		return nil
	}
	return d.commit()
}

// commit makes what was written durable, and then its checkpoint.
func (d *Drain) commit() error {
	if d.next == nil {
		return nil
	}
	next, pages := d.next, d.pages
	d.next, d.written, d.pages = nil, 0, d.pages[:0]
	if buffered, ok := d.Sink.(sink.Buffered); ok {
		if err := buffered.Sync(); err != nil {
			if d.Recent != nil {
				d.Recent.Revoke()
			}
			return sinkError{err}
		}
	}
	var forgets error // no reason to stop
	if d.Recent != nil {
		forgets = d.Recent.Commit()
	}
	if !bytes.Equal(next, d.At) { // an idle source gives the same again
		if d.Checkpoint != nil {
			if err := d.Checkpoint.Save(next); err != nil {
				return sinkError{err}
			}
		}
		d.At = next
	}
	if forgets != nil {
		d.Say("%s", forgets)
	}
	for _, p := range pages {
		d.stats.page(p)
	}
	return nil
}

// sinkError is a failure on this side of the source.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

func isSinkError(err error) bool {
	var e sinkError
	return errors.As(err, &e)
}

// isInterruption reports whether an error came of the context's end: of the source's, any may have.
func isInterruption(err error) bool {
	return !isSinkError(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// passes reports whether a failure may go away by itself.
func passes(err error) bool {
	var e host.OutcomeError
	return errors.Is(err, sink.ErrUnavailable) ||
		errors.As(err, &e) && (e.Outcome == abi.Throttled || e.Outcome == abi.Unavailable || e.Detail != nil && e.Detail.Retryable)
}

func retryAfter(err error) time.Duration {
	var e host.OutcomeError
	if errors.As(err, &e) && e.Detail != nil {
		return time.Duration(e.Detail.RetryAfterMS) * time.Millisecond
	}
	return 0
}
