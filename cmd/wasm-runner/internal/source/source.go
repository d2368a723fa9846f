// Package source has the commands that drain a stream of records into a sink: source, backfill.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

// sourceFlags are the flags of source.
type sourceFlags struct {
	outFlags
	config        string
	checkpoint    string
	checkpointDir string
	noCheckpoint  bool
	once, follow  bool
	all           bool
	pollLimit     time.Duration
	metrics       string
}

func NewSourceCommand(a *cli.App) *cobra.Command {
	var flags sourceFlags
	cmd := &cobra.Command{
		Use:   "source OP",
		Short: "Read a checkpointed stream of records",
		Long: `Reads records as NDJSON, from the checkpoint on, until the source has caught up (--once, the default) or until
SIGINT or SIGTERM (--follow), which lets the page in hand be finished: the exit code is 0 then, and at a
terminal a line tells how many records there were.

Each page is written and synced, or acknowledged by a service, before its checkpoint is saved, so that a crash at any moment
loses nothing and repeats at most one page, with the same keys. A checkpoint file belongs to one connection and operation
and to one --source-config, whose page_size may change; one that is damaged or belongs to another is an error. A lock (FILE.lock) keeps two runners off
it. The keys of recent records (FILE.keys) tell repeats, which are dropped.

With --follow, a source with more to read is asked at once, a quiet one less and less often, and failures that pass
are waited out. --all reads every connection of the file at once, each with a checkpoint of its own. One that fails, or whose token cannot
be read, does not stop the others; with --follow, a token is tried again until it is repaired. A token file that changes is read again,
and so is the token after a 401.

--metrics serves Prometheus metrics at /metrics. /readyz answers 503 while records do not get through: before the first
page, and while the service or the receiver cannot be reached. /healthz answers 503 when a source has failed, or has had no
page for 14 minutes longer than --poll-limit: then a restart may help.

` + OutHelp,
		Example: `  wasm-runner --demo source poll_system_log_page --checkpoint cp.json --once
  wasm-runner source poll_system_log_page --checkpoint cp.json --out events.ndjson --follow
  wasm-runner source poll_system_log_page --source-config '{"since":"` + a.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) + `T00:00:00Z"}' --no-checkpoint | jq .eventType
  wasm-runner source poll_system_log_page --checkpoint cp.json --out events.ndjson.zst --rotate-size 256MiB --follow --metrics 9464
  wasm-runner source poll_system_log_page --all --checkpoint-dir state --out 'https://search.example.com/okta-{connection}/_bulk' \
    --out-authorization 'ApiKey env:SEARCH_KEY' --refused 'refused-{connection}.ndjson' --follow`,
		ValidArgsFunction: a.CompleteOperation(abi.Ingest),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.OperationArgs(1)(cmd, args); err != nil {
				return err
			}
			return flags.check(&a.Flags)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&flags.checkpoint, "checkpoint", "", "checkpoint `file`; made where there is none")
	f.StringVar(&flags.checkpointDir, "checkpoint-dir", "", "`folder` of checkpoint files, one a connection; made where there is none")
	f.BoolVar(&flags.noCheckpoint, "no-checkpoint", false, "begin anew and keep nothing (--demo may leave both out)")
	f.StringVar(&flags.config, "source-config", "", "the operation's input, as `JSON`, @file or - for stdin")
	flags.add(f)
	f.BoolVar(&flags.once, "once", false, "stop when caught up (default)")
	f.BoolVar(&flags.follow, "follow", false, "go on until SIGINT or SIGTERM")
	f.DurationVar(&flags.pollLimit, "poll-limit", time.Minute, "with --follow, the longest that a quiet source is left alone")
	f.BoolVar(&flags.all, "all", false, "read every connection of the file, in this one process")
	f.StringVar(&flags.metrics, "metrics", "", "serve metrics at this `address`, or port on 127.0.0.1")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		hup := watchHangups(a)
		config, err := a.ReadInput(cmd.Context(), cli.Input{By: "--source-config", Arg: flags.config, Operation: args[0]})
		if err != nil {
			return err
		}
		s, err := connectSources(cmd.Context(), a, flags.all)
		if err != nil {
			return err
		}
		defer s.Close()
		s.LimitMemory()
		return runSource(cmd.Context(), a, s, args[0], config, &flags, hup)
	}
	return cmd
}

func (f *sourceFlags) check(g *cli.Flags) error {
	switch {
	case f.once && f.follow:
		return cli.Usagef("--once and --follow contradict each other: give one")
	case f.pollLimit <= 0:
		return cli.Usagef("--poll-limit: %s is no time to wait", f.pollLimit)
	case f.checkpoint != "" && f.noCheckpoint, f.checkpointDir != "" && f.noCheckpoint:
		return cli.Usagef("--checkpoint and --no-checkpoint contradict each other: give one")
	case f.checkpoint != "" && f.checkpointDir != "":
		return cli.Usagef("--checkpoint and --checkpoint-dir contradict each other: give one")
	case f.all && (g.Demo || g.Connection != ""):
		return cli.Usagef("--all reads every connection of the connection file: leave out --demo and --connection")
	case f.all && f.checkpointDir == "" && !f.noCheckpoint:
		return cli.Usagef("--all wants --checkpoint-dir FOLDER, for a checkpoint of each connection (or --no-checkpoint)")
	case f.all && !f.apart():
		return cli.Usagef("--all wants --out with %s in it, a file or address of each connection: records of several orgs are not mixed", perConnection)
	case f.all && f.refused != "" && !strings.Contains(f.refused, perConnection):
		return cli.Usagef("--all wants --refused with %s in it, a file of each connection: records of several orgs are not mixed", perConnection)
	case f.checkpoint == "" && f.checkpointDir == "" && !f.noCheckpoint && !g.Demo:
		return cli.Usagef("source wants --checkpoint FILE, to go on from when it runs again (or --no-checkpoint)")
	}
	return f.outFlags.check()
}

// checkpointPath is the checkpoint file of a connection, "" for none.
func (f *sourceFlags) checkpointPath(connection string) (string, error) {
	if f.checkpointDir == "" {
		return f.checkpoint, nil
	}
	if err := os.MkdirAll(f.checkpointDir, 0o700); err != nil {
		return "", fmt.Errorf("%w: %w: name another folder with --checkpoint-dir", checkpoint.ErrPlace, err)
	}
	return filepath.Join(f.checkpointDir, connection+".json"), nil
}

// runSource drains the source of each connection into its sink.
func runSource(ctx context.Context, a *cli.App, s *cli.Session, name string, config json.RawMessage, flags *sourceFlags, hup *hangups) error {
	op, err := s.Module.Operation(name)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is an error of Write, told like others
	var drains []*ingest.Drain
	for _, conn := range s.Connections() {
		path, err := flags.checkpointPath(conn.Config().Name)
		if err != nil {
			return err
		}
		d := &ingest.Drain{
			Operation: op.Name,
			Key:       op.Key,
			Feed:      ingest.Source(conn, host.SourceOptions{Operation: op.Name, Config: config, Follow: flags.follow, PollLimit: flags.pollLimit}),
			Persist:   flags.follow,
			Follow:    flags.follow,

			KeepTrying: flags.follow && flags.all,
		}
		closeDrain, err := openDrain(ctx, a, s, conn, d, path, config, &flags.outFlags)
		defer closeDrain()
		if err != nil {
			return err
		}
		if size := conn.Config().DefaultPageSize; size > 0 && size < 500 && !cli.HasMember(config, "page_size") {
			a.Logger().Warn("default_page_size makes more requests of the log than pages of 1000 would: give page_size in --source-config",
				"connection", d.Connection, "default_page_size", size)
		}
		drains = append(drains, d)
	}
	defer hup.serve(ctx, drains, s.Connections())()
	return drain(ctx, a, drains, flags.metrics, stuckAfter(flags.pollLimit)+flags.delay, startProgress(a, toTerminal(a, &flags.outFlags), nil, drains...))
}

// connectSources is connect, to every connection of the file that is of the module's kind where --all is given. One of
// them that cannot be used is an error: nobody would miss its records before they are needed. A token that
// cannot be read is none where there are several: its source fails, or with --follow tries again, and the others are read.
func connectSources(ctx context.Context, a *cli.App, all bool) (*cli.Session, error) {
	if !all {
		return a.Connect(ctx, cli.ConnectOptions{})
	}
	configs, path, err := a.ReadConnections()
	if err != nil {
		return nil, err
	}
	s := &cli.Session{}
	if s.Module, err = a.LoadModule(ctx); err != nil {
		return nil, err
	}
	for _, config := range configs {
		if config.Kind != s.Module.Manifest().Kind {
			continue
		}
		c, err := s.Module.Connect(ctx, a.ForReading(config), host.ConnectOptions{AwaitToken: true, Limits: host.Limits{CallTimeout: a.Flags.Timeout}})
		if err != nil {
			s.Close()
			return nil, err
		}
		s.Add(c)
	}
	if s.Conn == nil {
		s.Close()
		return nil, cli.Usagef("%s: no connection of kind %s, which the module is for", path, s.Module.Manifest().Kind)
	}
	return s, nil
}

// openDrain gives a drain its checkpoint, its keys and its sink. What it returns is never nil, and closes them.
func openDrain(ctx context.Context, a *cli.App, s *cli.Session, conn *host.Connection, d *ingest.Drain, path string, config json.RawMessage,
	out *outFlags) (closeAll func(), err error) {
	var opened []func() error
	closeAll = func() {
		for _, c := range opened {
			_ = c() // all that matters is synced
		}
	}
	d.Connection, d.Quota, d.Say = conn.Config().Name, conn.Quota, a.Warnf
	if len(s.Connections()) > 1 {
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
			d.Say("%s is of an earlier --demo, whose org is gone: beginning anew (wasm-runner simulate is an org that stays)", path)
			d.At = nil
		}
		keys = path + ".keys"
		if err := acknowledges(a, out, d.Connection); err != nil {
			return closeAll, err
		}
	}
	d.Delay = out.delay
	op, err := s.Module.Operation(d.Operation)
	if err != nil {
		return closeAll, err
	}
	place := outPlace{connection: d.Connection, checkpoint: path != "", timeMember: timeMember(s.Module.Manifest(), op)}
	if d.Sink, err = openOut(ctx, a, out, place, d.Say); err != nil {
		return closeAll, err
	}
	opened = append(opened, d.Sink.Close)
	d.Recent = ingest.OpenRecent(keys, d.At)
	opened = append(opened, d.Recent.Close)
	return closeAll, nil
}

// drain runs drains until all have ended. One that fails does not stop the others.
func drain(ctx context.Context, a *cli.App, drains []*ingest.Drain, metrics string, stuck time.Duration, p *progress) error {
	stop, err := serveMetrics(a, metrics, drains, stuck)
	if err != nil {
		p.end()
		return err
	}
	errs := make([]error, len(drains))
	var wg sync.WaitGroup
	for i, d := range drains {
		wg.Go(func() {
			if errs[i] = d.Run(ctx); errors.Is(errs[i], sink.ErrRecord) {
				errs[i] = fmt.Errorf("%w. With --refused FILE it is put aside, and the rest goes on", errs[i])
			}
			if errs[i] != nil && d.Checkpoint == nil {
				errs[i] = sink.WithoutCheckpoint(errs[i])
			}
			if errs[i] != nil && len(drains) > 1 {
				d.Say("%s", errs[i])
			}
		})
	}
	wg.Wait()
	p.end()
	stop()
	failed, records := 0, int64(0)
	for i, d := range drains {
		s := d.Stats()
		records += s.Records
		a.Logger().InfoContext(ctx, "source", "connection", d.Connection, "operation", d.Operation, "records", s.Records, "pages", s.Pages,
			"repeats", s.Repeats, "refused", s.Refused, "retries", s.Retries, "ok", errs[i] == nil)
		if s.Refused > 0 {
			d.Say("%d of %d records were refused by %s and put aside: --refused has them, and why", s.Refused, s.Records, d.Sink)
		}
		if errs[i] != nil {
			failed++
			err = errors.Join(err, errs[i])
		}
	}
	if failed == 0 && drains[0].Follow && ctx.Err() != nil && a.ReportsSuccess() {
		a.Notef("ended by a signal after %s", cli.Counted(records, "record"))
	}
	if failed > 0 && len(drains) > 1 {
		return severalError{fmt.Sprintf("%d of %d connections failed", failed, len(drains)), err}
	}
	return err
}

// severalError is the failure of some of several: each was told before, and the first decides the exit code.
type severalError struct {
	text string
	errs error
}

func (e severalError) Error() string { return e.text }
func (e severalError) Unwrap() error { return e.errs }

// identity is whose checkpoint a run keeps. Each --demo has its own org at its own port; they count as one.
func identity(s *cli.Session, conn *host.Connection, operation string, config json.RawMessage) checkpoint.Identity {
	c := conn.Config()
	if s.Org != nil {
		c.BaseURL = "demo"
	}
	return checkpoint.Identity{Kind: c.Kind, Connection: c.Name, BaseURL: c.BaseURL, Operation: operation, Config: config}
}
