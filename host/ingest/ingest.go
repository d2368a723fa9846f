// Package ingest drains sources into sinks. It is the main loop of a collector.
//
// A Drain reads one source page by page. It writes each page to the sink, stores the keys of its records once the page
// is durable, and then saves the checkpoint. So a crash at any moment loses nothing, and repeats at most the current
// page. With a file as sink it repeats nothing: the next start replays the file's last records and does not write them
// again. Records that a source repeats, such as after an expired cursor, are dropped by key. While a page is written,
// only the next one is fetched: a slow sink slows the source down.
package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/host/sink"
)

// Feed returns the pages after a checkpoint, or from the beginning if at is nil. Each page has its own checkpoint.
type Feed func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error]

// Source returns the Feed of an operation of the ingest surface. It ignores the checkpoint in opts.
func Source(c *host.Connection, opts host.SourceOptions) Feed {
	return func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		opts := opts
		opts.Checkpoint = at
		return c.SourcePages(ctx, opts)
	}
}

// Drain moves the pages of one source to a sink and saves checkpoints. Set its fields, then call Run once. Only Stats may be
// called concurrently.
type Drain struct {
	Connection string // for messages and metrics
	Operation  string
	Feed       Feed
	Sink       sink.Sink
	Checkpoint *checkpoint.File // nil saves none
	At         json.RawMessage  // where to begin: the result of Checkpoint.Load
	Recent     *Recent          // drops repeats by key; nil drops none
	Key        string           // member of a record that is its key, for records that the sink replays
	// Persist makes Run retry, instead of end, after rate limits and temporary failures of the service, network or sink.
	Persist bool
	// KeepTrying makes Persist also retry after a refusal of the token or its role (401, 403). With several sources, a
	// refused one can be repaired while the others run.
	KeepTrying bool
	// Patience is how long Persist retries while no page gets through. Run then returns the failure. 0 means forever.
	Patience time.Duration
	// Follow means that the feed does not end: Run then returns nil when it is interrupted.
	Follow bool
	Say    func(format string, args ...any) // gets messages for people; default drops them
	Quota  func() []host.Quota              // for metrics; may be nil
	Pause  time.Duration                    // wait after the first failure; doubles with each, up to a minute; default a second
	// Delay is the time between the sink's acknowledgement and the saved checkpoint. Set it for a service that keeps
	// accepted records in memory for that time. If the service fails or ends meanwhile, every page without a checkpoint
	// is written again.
	Delay time.Duration

	commitTime time.Duration // how long pages are added to a group; 0 means the constant commitTime
	pageByPage bool          // commit each page alone, since written pages were lost and may be lost again

	stats   stats
	group   group       // pages that were written and are committed next
	commit  *commitment // the running commit, or nil
	delayed delayed
	loop    loopDetector
}

// group is a number of pages that become durable together.
type group struct {
	next  json.RawMessage // checkpoint of the last page; nil means an empty group
	bytes int64           // size of the records
	began time.Time       // when the first page was written
	keys  int             // number of the pages' keys in Recent
	pages []pageStats
}

// commitment is a group that is made durable while the next one is written.
type commitment struct {
	group
	done chan error
}

const longestPause = time.Minute

// maxRewrites is how often in a row Run writes lost pages again without waiting. After that, it waits between attempts. If
// Persist is not set, it ends.
const maxRewrites = 10

// Limits of a group. Up to two groups may be written without a saved checkpoint; a sink must replay as much after a crash.
const (
	commitBytes = 16 << 20
	commitTime  = 200 * time.Millisecond
)

// Run drains until the feed ends, ctx ends, or there is a permanent failure. It finishes the current page. It returns nil
// when the feed has ended, and with Follow also when ctx has ended.
func (d *Drain) Run(ctx context.Context) (err error) {
	if d.Say == nil {
		d.Say = func(string, ...any) {}
	}
	if d.Pause == 0 {
		d.Pause = time.Second
	}
	d.commitTime = cmp.Or(d.commitTime, commitTime)
	d.stats.begin()
	defer func() { d.stats.end(err) }()
	if err := d.replay(); err != nil {
		return sinkError{err}
	}
	pause, refusals, rewrites := d.Pause, 0, 0
	var failing time.Time // when the first failure came after a page
	for {
		before := d.stats.pages.Load()
		err := d.pass(ctx)
		if err == nil {
			err = d.waitDelayed(ctx)
		}
		if d.stats.pages.Load() > before {
			pause, refusals, rewrites, failing = d.Pause, 0, 0, time.Time{}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, sink.ErrRewrite) && rewrites < maxRewrites:
			rewrites++
			d.pageByPage = true
			d.Say("%s", err)
			continue
		case ctx.Err() != nil && isInterruption(err):
			if d.Follow {
				return nil
			}
			return fmt.Errorf("interrupted after %d records: run again to resume", d.stats.records.Load())
		}
		switch {
		case !d.Persist:
			return err
		case isTemporary(err), errors.Is(err, sink.ErrRewrite), d.KeepTrying && isRefusal(err, http.StatusUnauthorized, http.StatusForbidden):
		case isRefusal(err, http.StatusUnauthorized, http.StatusForbidden) && refusals < maxRefusals,
			sink.Doubtful(err) && refusals < maxSinkRefusals:
			refusals++
		default:
			return err
		}
		if failing.IsZero() {
			failing = time.Now()
		} else if d.Patience > 0 && time.Since(failing) >= d.Patience {
			return fmt.Errorf("%w; nothing got through for %s", err, time.Since(failing).Round(time.Second))
		}
		wait := max(pause, retryAfter(err))
		d.stats.fail(err)
		d.Say("%s: trying again in %s", err, wait.Round(time.Millisecond))
		_ = pacing.System{}.Sleep(ctx, wait) // the next pass reports that ctx ended
		pause = min(2*pause, longestPause)
	}
}

// replay reads the last records back from the sink: after a crash it may have more records than the checkpoint covers.
func (d *Drain) replay() error {
	from, ok := d.Sink.(sink.Replayer)
	if !ok || d.Recent == nil || d.Key == "" {
		return nil // d.At may be nil: the crash may have come before the first checkpoint
	}
	if m, ok := d.Sink.(sink.Movable); ok {
		m.ReplayAlso(d.Recent.Files())
	}
	return from.Replay(func(record []byte) (known bool) {
		_, keys, err := records.SplitKeys(record, "", d.Key, nil)
		if err != nil || len(keys) != 1 || keys[0].End == 0 {
			return false // a record without a key
		}
		// A key with escapes differs from the one that Seen gets, so its record is written again.
		return d.Recent.AddReplayed(bytes.Trim(record[keys[0].Start:keys[0].End], `"`))
	})
}

// errInterrupted is the error of a pass that ends between two pages because ctx has ended.
var errInterrupted = errors.New("interrupted")

// pass drains the feed until it ends or fails, or until ctx ends between two pages.
func (d *Drain) pass(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return errInterrupted
	}
	feed, cancel := context.WithCancel(ctx)
	defer cancel()
	next, stop := iter.Pull2(d.Feed(feed, d.At))
	defer stop()
	defer func() { // commit the written pages, however the pass ends, unless the sink failed
		if isSinkError(err) {
			d.drop()
		} else if e := d.flush(); e != nil {
			err = e
		}
	}()
	pulled := make(chan pull)
	for {
		go func() {
			var p pull
			p.page, p.err, p.ok = next()
			pulled <- p
		}()
		p, err := d.await(pulled)
		if err != nil {
			cancel()
			<-pulled
			return err
		}
		if !p.ok || p.err != nil {
			return p.err
		}
		if err := d.take(ctx, p.page); err != nil {
			return err
		}
		if ctx.Err() != nil && (d.Follow || !p.page.CaughtUp) {
			return errInterrupted
		}
	}
}

// pull is a result of a feed.
type pull struct {
	page *host.Page
	err  error
	ok   bool
}

// await waits for the next page of the feed. Meanwhile it ends the running commit and begins due ones, so that written pages
// become durable while the source waits. After an error, no page was received.
func (d *Drain) await(pulled <-chan pull) (pull, error) {
	for {
		var due, old <-chan time.Time
		var done <-chan error
		switch {
		case d.commit != nil:
			done = d.commit.done
		case d.group.next != nil:
			t := time.NewTimer(max(d.commitTime-time.Since(d.group.began), 0))
			defer t.Stop()
			due = t.C
		}
		if wait, any := d.untilDue(); any {
			t := time.NewTimer(wait)
			defer t.Stop()
			old = t.C
		}
		select {
		case p := <-pulled:
			return p, nil
		case <-old:
			if err := d.saveDue(); err != nil {
				return pull{}, err
			}
		case <-due:
			d.beginCommit()
		case err := <-done:
			if err := d.endCommit(err); err != nil {
				return pull{}, err
			}
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
	if err := d.slowDown(ctx, page, dropped); err != nil {
		return err
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
	if m, ok := d.Sink.(sink.Movable); ok && d.Recent != nil && page.Len() > 0 {
		if id, ok := m.ID(); ok {
			d.Recent.NoteFile(id)
		}
	}
	g := &d.group
	if g.next == nil {
		g.began = time.Now()
	}
	if d.Recent != nil {
		before := d.Recent.Kept()
		d.Recent.Keep(page.Watermark)
		g.keys += d.Recent.Kept() - before
	}
	g.next = bytes.Clone(page.Checkpoint)
	g.bytes += page.Size()
	g.pages = append(g.pages, statsOf(page, dropped))
	switch {
	case !isBuffered || page.CaughtUp || d.pageByPage:
		return d.flush()
	case g.bytes < commitBytes && time.Since(g.began) < d.commitTime:
		return nil
	}
	if err := d.waitCommit(); err != nil {
		return err
	}
	d.beginCommit()
	return nil
}

// flush commits everything that was written.
func (d *Drain) flush() error {
	if err := d.waitCommit(); err != nil {
		return err
	}
	d.beginCommit()
	return d.waitCommit()
}

// drop forgets the uncommitted pages, so that they are written again. A sink that failed may have lost them, and may report
// that only once.
func (d *Drain) drop() {
	_ = d.waitCommit() // an earlier commit may still succeed; its error is not the one that is reported
	d.group, d.delayed.waiting = group{}, nil
	if v, ok := d.Sink.(sink.Volatile); ok {
		d.delayed.interruptions = v.Interruptions() // pages that it lost are written again anyway
	}
	if d.Recent != nil {
		d.Recent.Revoke()
	}
}

// beginCommit starts to make the group durable and then to save its checkpoint, concurrently with the next group. No other
// commit may be running.
func (d *Drain) beginCommit() {
	if d.group.next == nil {
		return
	}
	c := &commitment{d.group, make(chan error, 1)}
	d.commit, d.group = c, group{}
	at, delay := d.At, d.Delay > 0
	if d.Recent != nil && !delay && !bytes.Equal(c.next, at) {
		d.Recent.Mark(c.next)
	}
	go func() {
		if buffered, ok := d.Sink.(sink.Buffered); ok {
			if err := buffered.Sync(); err != nil {
				c.done <- err
				return
			}
		}
		var err error
		if d.Checkpoint != nil && !delay && !bytes.Equal(c.next, at) { // an idle source gives the same checkpoint again
			err = d.Checkpoint.Save(c.next)
		}
		c.done <- err
	}()
}

func (d *Drain) waitCommit() error {
	if d.commit == nil {
		return nil
	}
	return d.endCommit(<-d.commit.done)
}

// endCommit handles the result of the running commit.
func (d *Drain) endCommit(err error) error {
	c := d.commit
	d.commit = nil
	if err != nil {
		d.drop()
		return sinkError{err}
	}
	if d.Delay > 0 {
		d.delayed.waiting = append(d.delayed.waiting, acknowledged{c.group, time.Now()})
		return d.saveDue()
	}
	d.finishGroup(c.group)
	return nil
}

// finishGroup updates position, statistics and keys after the checkpoint of a group was saved.
func (d *Drain) finishGroup(g group) {
	d.At, d.pageByPage = g.next, false
	for _, p := range g.pages {
		d.stats.page(p)
	}
	if d.Recent != nil {
		if err := d.Recent.Commit(g.keys); err != nil { // not a reason to stop
			d.Say("%s", err)
		}
	}
}

// sinkError is a failure of the sink or the checkpoint, not of the source.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

func isSinkError(err error) bool {
	var e sinkError
	return errors.As(err, &e)
}

// isInterruption reports whether an error may be due to the end of the context. Any error of the source may be.
func isInterruption(err error) bool {
	return !isSinkError(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isTemporary reports whether a failure may go away by itself.
func isTemporary(err error) bool {
	var e host.OutcomeError
	return errors.Is(err, sink.ErrUnavailable) ||
		errors.As(err, &e) && (e.Outcome == abi.Throttled || e.Outcome == abi.Unavailable || e.Detail != nil && e.Detail.Retryable)
}

// isRefusal reports whether the service refused a request with one of these statuses.
func isRefusal(err error, statuses ...int) bool {
	var e host.OutcomeError
	return errors.As(err, &e) && e.Outcome == abi.Rejected && e.Detail != nil && e.Detail.Upstream != nil &&
		slices.Contains(statuses, e.Detail.Upstream.Status)
}

// maxRefusals is how many consecutive refusals of the token or its role Persist retries. Services sometimes refuse
// temporarily, and a new token may be partly written.
const maxRefusals = 3

// maxSinkRefusals is the same for a sink's service, whose token or address may be changed without notice. The retries take
// about two minutes.
const maxSinkRefusals = 7

// retryAfter returns the wait that the service or the sink's service asked for, or 0.
func retryAfter(err error) time.Duration {
	var e host.OutcomeError
	if errors.As(err, &e) && e.Detail != nil {
		return time.Duration(e.Detail.RetryAfterMS) * time.Millisecond
	}
	return sink.RetryAfter(err)
}
