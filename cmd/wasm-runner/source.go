package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
)

// sourceFlags are the flags of source.
type sourceFlags struct {
	config       string
	checkpoint   string
	noCheckpoint bool
	out          string
	once, follow bool
}

func (a *app) sourceCommand() *cobra.Command {
	var flags sourceFlags
	cmd := &cobra.Command{
		Use:   "source OP",
		Short: "Read a checkpointed stream of records",
		Long: `Reads records as NDJSON, from the checkpoint on, until the source has caught up (--once, the default) or until
SIGINT or SIGTERM (--follow), which lets the page in hand be finished.

Each page is written and synced before its checkpoint is saved, so that a crash at any moment loses nothing and
repeats at most one page, with the same keys. A checkpoint file belongs to one connection and operation and to one
--source-config; one that is damaged or belongs to another is an error. A lock (FILE.lock) keeps two runners off it.

--out appends. Half a line at its end, left by a crash, is cut off first. With --follow, failures that pass are
waited out.`,
		Example: `  wasm-runner --demo source poll_system_log_page --checkpoint cp.json --once
  wasm-runner source poll_system_log_page --checkpoint cp.json --out events.ndjson --follow
  wasm-runner source poll_system_log_page --source-config '{"since":"2026-01-01T00:00:00Z"}' --checkpoint cp.json | jq .eventType`,
		ValidArgsFunction: a.completeOperation(abi.Ingest),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := operation(1)(cmd, args); err != nil {
				return err
			}
			return flags.check(a.flags.demo)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&flags.checkpoint, "checkpoint", "", "checkpoint `file`; made where there is none")
	f.BoolVar(&flags.noCheckpoint, "no-checkpoint", false, "begin anew and keep nothing (--demo may leave both out)")
	f.StringVar(&flags.config, "source-config", "", "the operation's input, as `JSON`, @file or - for stdin")
	f.StringVar(&flags.out, "out", "-", "`file` to append records to, - for stdout")
	f.BoolVar(&flags.once, "once", false, "stop when caught up (default)")
	f.BoolVar(&flags.follow, "follow", false, "go on until SIGINT or SIGTERM")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := a.readJSON(flags.config)
		if err != nil {
			return err
		}
		s, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer s.close()
		s.steady()
		return a.source(cmd.Context(), s, args[0], config, flags)
	}
	return cmd
}

func (f *sourceFlags) check(demo bool) error {
	switch {
	case f.once && f.follow:
		return usagef("--once and --follow contradict each other: give one")
	case f.checkpoint != "" && f.noCheckpoint:
		return usagef("--checkpoint and --no-checkpoint contradict each other: give one")
	case f.checkpoint == "" && !f.noCheckpoint && !demo:
		return usagef("source wants --checkpoint FILE, to go on from when it runs again (or --no-checkpoint)")
	}
	return apart(f.out, f.checkpoint)
}

// source opens checkpoint and sink, and drains the source between them.
func (a *app) source(ctx context.Context, s *session, name string, config json.RawMessage, flags sourceFlags) error {
	op, err := s.module.Operation(name)
	if err != nil {
		return err
	}
	d := &drain{app: a, conn: s.conn, opts: host.SourceOptions{Operation: op.Name, Config: config, Follow: flags.follow}, pause: time.Second}
	if flags.checkpoint != "" {
		if d.kept, err = checkpoint.Open(flags.checkpoint, identity(s, op.Name, config)); err != nil {
			return err
		}
		defer func() { _ = d.kept.Close() }()
		if d.opts.Checkpoint, err = d.kept.Load(); err != nil {
			return err
		}
		if s.org != nil && d.opts.Checkpoint != nil {
			a.say("%s is of an earlier --demo, whose org is gone: beginning anew (wasm-runner simulate is an org that stays)", flags.checkpoint)
			d.opts.Checkpoint = nil
		}
	}
	var cut int64
	if d.sink, cut, err = openSink(flags.out, a.stdout); err != nil {
		return err
	}
	defer func() { _ = d.sink.close() }() // all that matters is synced
	if cut > 0 {
		a.say("%s ended in half a line of %d bytes, left by a crash: cut off, the record comes again", flags.out, cut)
	}
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is an error of Write, told like others
	d.progress = a.startProgress(d.sink, s.conn.Quota)
	err = d.run(ctx)
	d.progress.end()
	d.report(ctx, err)
	return err
}

// identity is whose checkpoint a run keeps. Each --demo has its own org at its own port; they count as one.
func identity(s *session, operation string, config json.RawMessage) checkpoint.Identity {
	c := s.conn.Config()
	if s.org != nil {
		c.BaseURL = "demo"
	}
	return checkpoint.Identity{Kind: c.Kind, Connection: c.Name, BaseURL: c.BaseURL, Operation: operation, Config: config}
}

// drain moves pages from a source to a sink and keeps the checkpoint behind them.
type drain struct {
	app      *app
	conn     *host.Connection
	opts     host.SourceOptions // its Checkpoint is the last one that was saved
	sink     *sink
	kept     *checkpoint.File // nil keeps none
	progress *progress
	pause    time.Duration // after the first failure; doubles with each, up to longestPause

	records, pages int
}

const longestPause = time.Minute

// run drains the source until it has caught up, or with Follow until ctx ends.
func (d *drain) run(ctx context.Context) error {
	pause := d.pause
	for {
		before := d.pages
		err := d.pass(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && d.opts.Follow && !isSinkError(err):
			return nil // this is how following ends
		case ctx.Err() != nil && !isSinkError(err):
			return fmt.Errorf("interrupted after %d records: run again to go on", d.records)
		case !d.opts.Follow || !passes(err):
			return err
		}
		if d.pages > before {
			pause = d.pause
		}
		wait := max(pause, retryAfter(err))
		d.app.say("%s: trying again in %s", err, wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		pause = min(2*pause, longestPause)
	}
}

// pass drains the source until it has caught up, fails, or ctx ends between two pages. A page that has begun is
// finished.
func (d *drain) pass(ctx context.Context) error {
	for page, err := range d.conn.SourcePages(ctx, d.opts) {
		if err != nil {
			return err
		}
		for _, w := range page.Warnings {
			d.app.say("%s: %s", d.opts.Operation, w)
		}
		if err := d.sink.write(page); err != nil {
			return sinkError{err}
		}
		if d.kept != nil {
			if err := d.kept.Save(page.Checkpoint); err != nil {
				return sinkError{err}
			}
		}
		d.opts.Checkpoint = append(json.RawMessage(nil), page.Checkpoint...)
		d.records += page.Len()
		d.pages++
		d.progress.page(page.Len())
		if ctx.Err() != nil && (d.opts.Follow || !page.CaughtUp) {
			return ctx.Err()
		}
	}
	return nil
}

// report tells what a run came to, for those who asked for such lines.
func (d *drain) report(ctx context.Context, err error) {
	d.app.logger().InfoContext(ctx, "source", "operation", d.opts.Operation, "records", d.records, "pages", d.pages, "ok", err == nil)
}

// sinkError is a failure on this side: no use in asking the source again.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

func isSinkError(err error) bool {
	var e sinkError
	return errors.As(err, &e)
}

// passes reports whether a failure may go away by itself.
func passes(err error) bool {
	var e host.OutcomeError
	return errors.As(err, &e) && (e.Outcome == abi.Throttled || e.Outcome == abi.Unavailable || e.Detail != nil && e.Detail.Retryable)
}

func retryAfter(err error) time.Duration {
	var e host.OutcomeError
	if errors.As(err, &e) && e.Detail != nil {
		return time.Duration(e.Detail.RetryAfterMS) * time.Millisecond
	}
	return 0
}
