package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/pacing"
)

// Source reads records from a checkpoint on: for range, one by one, until the source has caught up, or for ever with
// Follow. The last record of a page carries the checkpoint behind it; that of a page without records is given to those who
// use SourcePages. A page's warnings are logged. A record is valid until the iteration goes on.
func (c *Connection) Source(ctx context.Context, opts SourceOptions) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for page, err := range c.SourcePages(ctx, opts) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			page.call.logWarnings(page.Warnings)
			for r := range page.Records() {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// SourcePages is Source by pages: for callers that make each page durable and then keep its checkpoint. While a page is
// in the caller's hands the next is being fetched, unless NoPrefetch says otherwise. The iteration ends after the first
// error, which is an OutcomeError, and when the source has caught up (one that is stalled is asked again a few times, and
// then ends with an error), unless Follow says to wait and go on: as long as
// the page says, and twice as long after each empty one, up to PollLimit.
func (c *Connection) SourcePages(ctx context.Context, opts SourceOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var ahead chan fetched
		defer func() {
			cancel()
			if ahead != nil { // the page that nobody will take
				if f := <-ahead; f.page != nil {
					f.page.release()
				}
			}
		}()
		fetch := func(checkpoint json.RawMessage, wait time.Duration) chan fetched {
			ch := make(chan fetched, 1)
			go func() {
				if wait > 0 && (pacing.System{}).Sleep(ctx, wait) != nil {
					ch <- fetched{err: OutcomeError{opts.Operation, abi.Unavailable, &abi.Error{Code: "canceled", Message: reason(ctx, ctx.Err()), Retryable: true}}}
					return
				}
				page, err := c.sourcePage(ctx, opts, checkpoint)
				ch <- fetched{page, err}
			}()
			return ch
		}
		ahead = fetch(opts.Checkpoint, 0)
		quiet, stalls := 0, 0
		for {
			f := <-ahead
			ahead = nil
			if f.err != nil {
				yield(nil, f.err)
				return
			}
			page := f.page
			if stalls++; !page.Stalled {
				stalls = 0
			}
			more := !page.CaughtUp || opts.Follow || stalls > 0 && stalls <= maxStalls
			wait := time.Duration(0)
			if page.CaughtUp {
				if quiet++; page.Len() > 0 {
					quiet = 0
				}
				wait = opts.pollAfter(page.PollAfter, quiet)
			}
			next := page.Checkpoint
			if more && !opts.NoPrefetch {
				ahead = fetch(next, wait)
			}
			goOn := yield(page, nil)
			page.release()
			if goOn && !more && stalls > 0 {
				yield(nil, OutcomeError{opts.Operation, abi.Unavailable, &abi.Error{Code: "stalled", Retryable: true,
					Message: fmt.Sprintf("the source has not caught up: the service gave no way on, %d times in a row. Run this again later", stalls)}})
			}
			if !goOn || !more {
				return
			}
			if ahead == nil {
				ahead = fetch(next, wait)
			}
		}
	}
}

// maxStalls is how often a source that is not followed is asked again when the service gives no way on.
const maxStalls = 3

// leastPoll is the least that a source that has caught up is left alone, whatever it says.
const leastPoll = 200 * time.Millisecond

// pollAfter is how long to wait after so many empty pages in a row. It differs by a tenth, so that many sources that
// began together do not ask together.
func (o *SourceOptions) pollAfter(told time.Duration, quiet int) time.Duration {
	limit := o.PollLimit
	if limit == 0 {
		limit = time.Minute
	}
	d := min(max(told, leastPoll), limit)
	for range min(quiet, 16) {
		d = min(2*d, limit)
	}
	return d - time.Duration(rand.Float64()*float64(d)/10)
}

// MaxCheckpoint is the largest checkpoint that a source takes, in bytes.
const MaxCheckpoint = 256 << 10

type fetched struct {
	page *Page
	err  error
}

// sourcePage runs the source export once.
func (c *Connection) sourcePage(ctx context.Context, opts SourceOptions, checkpoint json.RawMessage) (*Page, error) {
	config := opts.Config
	run, fail := c.begin(opts.Operation, abi.Ingest, &config)
	if fail != nil {
		return nil, OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	if len(checkpoint) > MaxCheckpoint || input.Depth(checkpoint) > input.MaxDepth || len(checkpoint) > 0 && !json.Valid(checkpoint) {
		return nil, OutcomeError{run.op.Name, abi.Invalid, &abi.Error{Code: "checkpoint",
			Message: fmt.Sprintf("the checkpoint (%d bytes) is not one that a source gave: JSON of at most %d bytes", len(checkpoint), MaxCheckpoint)}}
	}
	ctx, cancel := c.deadline(ctx, 0)
	defer cancel()
	deadline, _ := ctx.Deadline()
	raw, err := c.export(ctx, run, "source", abi.SourceInput{Operation: run.op.Name, Config: config, Settings: c.settings(), Features: abi.Features(),
		Checkpoint: checkpoint, Deadline: wire(deadline), Now: wire(c.opts.Now())})
	var out abi.SourceOutput
	outcome, detail := abi.Succeeded, (*abi.Error)(nil)
	switch {
	case err != nil:
		outcome, detail = run.broken(ctx, err)
	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || out.Outcome == abi.Planned || !out.Outcome.OK() && out.Error == nil ||
		out.Outcome.OK() && len(out.Checkpoint) == 0:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module's answer is not a page of the ABI"}
	case run.violation != nil:
		outcome, detail = abi.Failed, run.violation
	case out.Outcome.OK() && !out.CaughtUp && bytes.Equal(out.Checkpoint, checkpoint): // it would be asked for ever
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module's checkpoint does not go on, and there is more to read"}
	case !out.Outcome.OK():
		outcome, detail = out.Outcome, out.Error
	}
	warnings := run.warnings(out.Warnings)
	if detail != nil {
		run.logWarnings(warnings)
		run.end()
		return nil, OutcomeError{run.op.Name, outcome, detail}
	}
	p := newPage(run, warnings)
	p.Stalled = out.CaughtUp && out.Stalled
	p.Checkpoint, p.CaughtUp, p.PollAfter = out.Checkpoint, out.CaughtUp, time.Duration(out.PollAfterMS)*time.Millisecond
	p.Watermark, _ = time.Parse(time.RFC3339, out.Watermark) // what is no time is none
	return p, nil
}
