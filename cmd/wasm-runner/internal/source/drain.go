package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

// run is one run of a command that drains streams.
type run struct {
	app     *cli.App
	session *cli.Session
	leftOut int  // connections of another kind
	all     bool // --all
	out     *outOptions
	hangups *hangups
	metrics string        // address of --metrics
	stuck   time.Duration // see stuckAfter
}

// open gives a drain its checkpoint, its recent keys and its sink. path is the checkpoint file, "" for none. closeAll closes
// them. It is never nil.
func (r *run) open(ctx context.Context, conn *host.Connection, d *ingest.Drain, path string, config json.RawMessage) (closeAll func(), err error) {
	a, s, out := r.app, r.session, r.out
	var opened []func() error
	closeAll = func() {
		for _, c := range opened {
			_ = c() // the data is synced already
		}
	}
	d.Connection, d.Quota, d.Say = conn.Config().Name, conn.Quota, a.Warnf
	if r.all {
		d.Say = func(format string, args ...any) { a.Warnf("%s: %s", d.Connection, fmt.Sprintf(format, args...)) }
	}
	keys := ""
	if path != "" {
		for flag, file := range out.files() {
			if err := checkDistinctFiles(flag, strings.ReplaceAll(file, perConnection, d.Connection), path); err != nil {
				return closeAll, err
			}
		}
		if d.Checkpoint, err = checkpoint.Open(path, identity(s, conn, d.Operation, config)); err != nil {
			return closeAll, err
		}
		opened = append(opened, d.Checkpoint.Close)
		if d.At, err = d.Checkpoint.Load(); err != nil {
			return closeAll, err
		}
		if s.Org != nil && d.At != nil {
			d.Say("%s belongs to an earlier --demo, whose org is gone: starting from the beginning (wasm-runner simulate serves an org that stays)", path)
			d.At = nil
		}
		keys = path + ".keys"
		if err := out.acknowledges(a, d.Connection); err != nil {
			return closeAll, err
		}
	}
	d.Delay = out.delay
	op, err := s.Module.Operation(d.Operation)
	if err != nil {
		return closeAll, err
	}
	place := outPlace{connection: d.Connection, checkpoint: path != "", timeMember: timeMember(s.Module.Manifest(), op)}
	if d.Sink, err = out.open(ctx, a, place, d.Say); err != nil {
		return closeAll, err
	}
	opened = append(opened, d.Sink.Close)
	d.Recent = ingest.OpenRecent(keys, d.At)
	opened = append(opened, d.Recent.Close)
	return closeAll, nil
}

// drain runs the members until all have ended. If one fails, the others go on. span is the range of a backfill, else nil. reread
// changes the group when SIGHUP comes; nil changes nothing.
func (r *run) drain(ctx context.Context, span *span, g *group, reread func(context.Context, *group)) error {
	members := g.all()
	g.run = func(ctx context.Context, m *member) error {
		err := r.drainOne(ctx, m)
		if err != nil && (len(members) > 1 || reread != nil) {
			m.drain.Say("%s", err)
		}
		return err
	}
	line := startProgress(r.app, r.out.toTerminal(r.app), span, g.drains)
	stop, err := serveMetrics(r.app, r.metrics, g.drains, r.stuck)
	if err != nil {
		line.end()
		return err
	}
	for _, m := range members {
		g.start(ctx, m)
	}
	served := r.hangups.serve(ctx, g, reread) // before it, a SIGHUP waits
	g.release()
	g.wait()
	served()
	line.end()
	stop()
	return r.summary(ctx, g.all())
}

// drainOne drains one member until it ends. The error says what to do.
func (r *run) drainOne(ctx context.Context, m *member) error {
	err := m.drain.Run(ctx)
	if errors.Is(err, sink.ErrRecord) {
		err = fmt.Errorf("%w. To save such records to a file and go on, give --refused FILE", err)
	}
	if errors.Is(err, sink.ErrUnavailable) && ctx.Err() == nil {
		err = fmt.Errorf("%w. Check the service and --out, then run this again to go on", err)
	}
	if err != nil && m.drain.Checkpoint == nil {
		err = sink.WithoutCheckpoint(err)
	}
	return err
}

// summary reports how the drains ended, and returns the error of those that failed.
func (r *run) summary(ctx context.Context, members []*member) (err error) {
	a := r.app
	failed, records := 0, int64(0)
	for _, m := range members {
		d := m.drain
		s := d.Stats()
		records += s.Records
		a.Logger().InfoContext(ctx, "source", "connection", d.Connection, "operation", d.Operation, "records", s.Records, "pages", s.Pages,
			"repeats", s.Repeats, "refused", s.Refused, "retries", s.Retries, "ok", m.err == nil)
		if s.Refused > 0 {
			d.Say("%d of %d records were rejected by %s: the file of --refused has them, with the reason", s.Refused, s.Records, d.Sink)
		}
		if m.err != nil {
			failed++
			err = errors.Join(err, m.err)
		}
	}
	left := ""
	if r.leftOut > 0 {
		left = fmt.Sprintf(", and %d of another kind left out", r.leftOut)
	}
	if failed == 0 && members[0].drain.Follow && ctx.Err() != nil && a.ReportsSuccess() {
		a.Notef("ended by a signal after %s%s", cli.Counted(records, "record"), left)
	}
	if failed > 0 && len(members) > 1 {
		return severalError{fmt.Sprintf("%d of %d connections failed%s", failed, len(members), left), err}
	}
	return err
}

// severalError means that some of several drains failed. Each error was reported before; the first decides the exit code.
type severalError struct {
	text string
	errs error
}

func (e severalError) Error() string { return e.text }

// Unwrap returns the errors of the drains.
func (e severalError) Unwrap() error { return e.errs }

// identity returns what a checkpoint belongs to. The orgs of --demo, each at a port of its own, count as one.
func identity(s *cli.Session, conn *host.Connection, operation string, config json.RawMessage) checkpoint.Identity {
	c := conn.Config()
	if s.Org != nil {
		c.BaseURL = "demo"
	}
	return checkpoint.Identity{Kind: c.Kind, Connection: c.Name, BaseURL: c.BaseURL, Operation: operation, Config: config}
}
