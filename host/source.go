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
	"github.com/mach5/okta-connector/host/internal/walk"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// Source iterates over the records after a checkpoint until the source has caught up, or without end with Follow. The
// last record of a page carries its checkpoint. Use SourcePages to get the checkpoints of empty pages too. Warnings
// are logged. A record is valid until the next iteration.
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

// SourcePages is Source page by page, for callers that make each page durable and then save its checkpoint. The next
// page is fetched meanwhile, unless NoPrefetch is set. The iteration ends after the first error, which is an
// OutcomeError, and when the source has caught up. A stalled source is asked again a few times, and then ends with an
// error. With Follow it waits and continues: it waits as long as the page says, and doubles that after each empty
// page, up to PollLimit.
func (c *Connection) SourcePages(ctx context.Context, opts SourceOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var ahead walk.Ahead[*Page]
		defer ahead.Drop((*Page).release)
		defer cancel()
		fetch := func(checkpoint json.RawMessage, wait time.Duration) {
			ahead.Fetch(func() (*Page, error) {
				if wait > 0 && (pacing.System{}).Sleep(ctx, wait) != nil {
					return nil, OutcomeError{opts.Operation, abi.Unavailable, &abi.Error{Code: "canceled", Message: reason(ctx, ctx.Err()), Retryable: true}}
				}
				return c.sourcePage(ctx, opts, checkpoint)
			})
		}
		fetch(opts.Checkpoint, 0)
		quiet, stalls := 0, 0
		var walked walk.Walk
		for {
			page, err := ahead.Take()
			if err != nil {
				yield(nil, err)
				return
			}
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
			var endless *abi.Error
			if page.CaughtUp {
				walked = walk.Walk{}
			} else {
				endless = walked.To(string(next), page.Len(), page.call.sends)
				more = endless == nil
			}
			if more && !opts.NoPrefetch {
				fetch(next, wait)
			}
			goOn := yield(page, nil)
			page.release()
			if goOn && endless != nil {
				yield(nil, OutcomeError{opts.Operation, abi.Failed, endless})
			}
			if goOn && !more && stalls > 0 {
				yield(nil, OutcomeError{opts.Operation, abi.Unavailable, &abi.Error{Code: "stalled", Retryable: true,
					Message: fmt.Sprintf("the source has not caught up: the service returned no usable cursor %d times in a row. Run this again later", stalls)}})
			}
			if !goOn || !more {
				return
			}
			if opts.NoPrefetch {
				fetch(next, wait)
			}
		}
	}
}

// maxStalls is how often a source without Follow is asked again when the service returns no usable cursor.
const maxStalls = 3

// pollTime returns the time that a source asks for, at most a day. A longer one could overflow.
func pollTime(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), 24*60*60*1000)) * time.Millisecond
}

// minPoll is the shortest time between polls of a source that has caught up, whatever it asks for.
const minPoll = 200 * time.Millisecond

// pollAfter returns how long to wait after so many empty pages in a row. It varies by a tenth, so that sources that
// started together do not poll together.
func (o *SourceOptions) pollAfter(asked time.Duration, quiet int) time.Duration {
	limit := o.PollLimit
	if limit == 0 {
		limit = time.Minute
	}
	d := min(max(asked, minPoll), limit)
	for range min(quiet, 16) {
		d = min(2*d, limit)
	}
	return d - time.Duration(rand.Float64()*float64(d)/10)
}

// MaxCheckpoint is the size of the largest checkpoint that a source accepts, in bytes.
const MaxCheckpoint = 256 << 10

// sourcePage calls the source export once.
func (c *Connection) sourcePage(ctx context.Context, opts SourceOptions, checkpoint json.RawMessage) (*Page, error) {
	config := opts.Config
	ctx, cancel := c.deadline(ctx, 0)
	defer cancel()
	run, fail := c.prepare(ctx, opts.Operation, abi.Ingest, &config)
	if fail != nil {
		return nil, OutcomeError{fail.Operation, fail.Outcome, fail.Error}
	}
	if len(checkpoint) > MaxCheckpoint || strictjson.Depth(checkpoint) > input.MaxDepth || len(checkpoint) > 0 && !json.Valid(checkpoint) {
		return nil, OutcomeError{run.op.Name, abi.Invalid, &abi.Error{Code: "checkpoint",
			Message: fmt.Sprintf("the checkpoint (%d bytes) did not come from a source: it must be JSON of at most %d bytes", len(checkpoint), MaxCheckpoint)}}
	}
	deadline, _ := ctx.Deadline()
	raw, err := c.export(ctx, run, "source", abi.SourceInput{Operation: run.op.Name, Config: config, Settings: c.settings(), Features: abi.Features(),
		Checkpoint: checkpoint, Deadline: wireTime(deadline), Now: wireTime(c.opts.Now())})
	var out abi.SourceOutput
	outcome, detail := abi.Succeeded, (*abi.Error)(nil)
	switch {
	case err != nil:
		outcome, detail = run.failure(ctx, err)
	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || out.Outcome == abi.Planned || !out.Outcome.OK() && out.Error == nil ||
		out.Outcome.OK() && len(out.Checkpoint) == 0:
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module returned something that is not a page of the ABI"}
	case run.violation != nil:
		outcome, detail = abi.Failed, run.violation
	case out.Outcome.OK() && !out.CaughtUp && bytes.Equal(out.Checkpoint, checkpoint): // it would be asked for without end
		outcome, detail = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module returned the same checkpoint again, although there is more to read"}
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
	p.Checkpoint, p.CaughtUp, p.PollAfter = out.Checkpoint, out.CaughtUp, pollTime(out.PollAfterMS)
	p.Watermark, _ = time.Parse(time.RFC3339, out.Watermark) // zero if it is not a valid time
	return p, nil
}
