// Package ingest drains sources into sinks: the loop that a collector runs for months.
//
// A Drain takes one source page by page. A page goes to the sink first; once it is durable there the keys of its records
// are noted, and then its checkpoint is saved, so that a crash at any moment loses nothing. A crash repeats the page in
// hand at most. In a file, whose pages are made durable several at once, it repeats nothing: at the next start the file is
// asked for its last records, and those are not written again. Repeats that a source gives by itself, such as after a
// cursor that it no longer took, are dropped by key. While a page is being written the next is being fetched, and no more
// than that: a sink that is slow slows the source down.
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
	Key        string           // member of a record that is its key, by which a sink that replays its end tells repeats
	// Persist waits out what passes by itself, instead of ending: the service or the network failing, a rate limit, a sink that
	// is away.
	Persist bool
	// KeepTrying makes Persist also wait out a refusal of the token or of its role (401, 403): of several sources, one that
	// is refused is repaired while the others run.
	KeepTrying bool
	// Follow tells that the feed does not end, so that an interruption is how the run ends and no error.
	Follow bool
	Say    func(format string, args ...any) // takes messages for people; default drops them
	Quota  func() []host.Quota              // for metrics; may be nil
	Pause  time.Duration                    // after the first failure; doubles with each, up to a minute; default a second
	// Delay is how long after the sink's acknowledgement a checkpoint is saved, for a service that keeps what it took in
	// memory for so long. When the service fails or ends meanwhile, all that has no checkpoint is written again.
	Delay time.Duration

	commitTime time.Duration // how long a group grows; 0 is commitTime
	singly     bool          // each page is a group: what was written is to come again, and may be lost again soon

	stats   stats
	group   group       // what was written, and is to be committed next
	commit  *commitment // under way; nil is none
	delayed delayed
	circle  circle
}

// group is pages that become durable together.
type group struct {
	next  json.RawMessage // the checkpoint behind them; nil is an empty group
	bytes int64
	began time.Time // when the first was written
	keys  int       // of theirs, that Recent keeps
	pages []pageStats
}

// commitment is a group that is made durable beside the next one's being written.
type commitment struct {
	group
	done chan error
}

const longestPause = time.Minute

// mostRewrites is how often in a row pages are written again at once although none of them was committed. After that, Run
// waits between attempts, or ends without Persist.
const mostRewrites = 10

// How large a group grows. Two of them may be written and not have a checkpoint yet, which is what a sink has to replay.
const (
	commitBytes = 16 << 20
	commitTime  = 200 * time.Millisecond
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
	d.commitTime = cmp.Or(d.commitTime, commitTime)
	d.stats.begin()
	defer func() { d.stats.end(err) }()
	if err := d.replay(); err != nil {
		return sinkError{err}
	}
	pause, doubts, rewrites := d.Pause, 0, 0
	for {
		before := d.stats.pages.Load()
		err := d.pass(ctx)
		if err == nil {
			err = d.settle(ctx)
		}
		if d.stats.pages.Load() > before {
			pause, doubts, rewrites = d.Pause, 0, 0
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, sink.ErrRewrite) && rewrites < mostRewrites:
			rewrites++
			d.singly = true
			d.Say("%s", err)
			continue
		case ctx.Err() != nil && isInterruption(err):
			if d.Follow {
				return nil
			}
			return fmt.Errorf("interrupted after %d records: run again to go on", d.stats.records.Load())
		}
		switch {
		case !d.Persist:
			return err
		case passes(err), errors.Is(err, sink.ErrRewrite), d.KeepTrying && refused(err, http.StatusUnauthorized, http.StatusForbidden):
		case refused(err, http.StatusUnauthorized, http.StatusForbidden) && doubts < maxDoubts,
			sink.Doubtful(err) && doubts < maxSinkDoubts:
			doubts++
		default:
			return err
		}
		wait := max(pause, retryAfter(err))
		d.stats.fail(err)
		d.Say("%s: trying again in %s", err, wait.Round(time.Millisecond))
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, longestPause)
	}
}

// replay asks a sink for what stands behind the checkpoint, left by a crash.
func (d *Drain) replay() error {
	from, ok := d.Sink.(sink.Replayer)
	if !ok || d.Recent == nil || d.Key == "" {
		return nil // without a checkpoint, too: a crash may have come before the first one was saved
	}
	if m, ok := d.Sink.(sink.Movable); ok {
		m.ReplayAlso(d.Recent.Files())
	}
	return from.Replay(func(record []byte) (known bool) {
		_, keys, err := records.SplitKeys(record, "", d.Key, nil)
		if err != nil || len(keys) != 1 || keys[0].End == 0 {
			return false // a record without a key
		}
		// A key with escapes is not the one that Seen gets: such a record is written again.
		return d.Recent.Know(bytes.Trim(record[keys[0].Start:keys[0].End], `"`))
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
	defer func() { // what is written counts, however the pass ends, unless it was the sink that failed
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

// pull is what a feed gave.
type pull struct {
	page *host.Page
	err  error
	ok   bool
}

// await waits for the feed. Meanwhile it ends the commit that is under way, and begins the next when it is time: what is
// written does not wait for a source that does. After an error nothing was received.
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
		if wait, any := d.untilOld(); any {
			t := time.NewTimer(wait)
			defer t.Stop()
			old = t.C
		}
		select {
		case p := <-pulled:
			return p, nil
		case <-old:
			if err := d.saveOld(); err != nil {
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
	case !isBuffered || page.CaughtUp || d.singly:
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

// flush makes all that was written durable.
func (d *Drain) flush() error {
	if err := d.waitCommit(); err != nil {
		return err
	}
	d.beginCommit()
	return d.waitCommit()
}

// drop forgets what was written and is in no commit: a sink that failed may have lost it, even if it says so only once.
// It comes again.
func (d *Drain) drop() {
	_ = d.waitCommit() // what was under way before may have succeeded; the failure that is told was another
	d.group, d.delayed.waiting = group{}, nil
	if v, ok := d.Sink.(sink.Volatile); ok {
		d.delayed.interruptions = v.Interruptions() // what it lost comes again anyway
	}
	if d.Recent != nil {
		d.Recent.Revoke()
	}
}

// beginCommit makes the group durable, and then its checkpoint, beside what follows. No other commit is under way.
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
		if d.Checkpoint != nil && !delay && !bytes.Equal(c.next, at) { // an idle source gives the same again
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

// endCommit takes in what became of the commit.
func (d *Drain) endCommit(err error) error {
	c := d.commit
	d.commit = nil
	if err != nil {
		d.drop()
		return sinkError{err}
	}
	if d.Delay > 0 {
		d.delayed.waiting = append(d.delayed.waiting, acknowledged{c.group, time.Now()})
		return d.saveOld()
	}
	d.committed(c.group)
	return nil
}

// committed takes in a group whose checkpoint is saved.
func (d *Drain) committed(g group) {
	d.At, d.singly = g.next, false
	for _, p := range g.pages {
		d.stats.page(p)
	}
	if d.Recent != nil {
		if err := d.Recent.Commit(g.keys); err != nil { // no reason to stop
			d.Say("%s", err)
		}
	}
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

// refused reports whether the service refused with one of these statuses.
func refused(err error, statuses ...int) bool {
	var e host.OutcomeError
	return errors.As(err, &e) && e.Outcome == abi.Rejected && e.Detail != nil && e.Detail.Upstream != nil &&
		slices.Contains(statuses, e.Detail.Upstream.Status)
}

// maxDoubts is how many refusals of the token or of its role in a row Persist waits out: services refuse in passing what they
// allow, and half of a new token may be in its file.
const maxDoubts = 3

// maxSinkDoubts is the same of a sink's service, whose token or address may be changed without notice: some two minutes.
const maxSinkDoubts = 7

// retryAfter is the wait that the service, or the sink's, asked for.
func retryAfter(err error) time.Duration {
	var e host.OutcomeError
	if errors.As(err, &e) && e.Detail != nil {
		return time.Duration(e.Detail.RetryAfterMS) * time.Millisecond
	}
	return sink.RetryAfter(err)
}
