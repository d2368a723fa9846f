// Package source has the commands that drain a stream of records into a sink: source, backfill.
package source

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/ingest"
)

// sourceOptions is one run of source.
type sourceOptions struct {
	app       *cli.App
	operation string // the argument
	outOptions
	config        string
	checkpoint    string
	checkpointDir string
	noCheckpoint  bool
	once, follow  bool
	all           bool
	pollLimit     time.Duration
	metrics       string
}

// NewSourceCommand returns the command source.
func NewSourceCommand(a *cli.App) *cobra.Command {
	o := sourceOptions{app: a}
	cmd := &cobra.Command{
		Use:         "source OP",
		Annotations: map[string]string{cli.TakesHangups: "yes"},
		Short:       "Read a checkpointed stream of records",
		Long: `Reads records as NDJSON from the checkpoint on. By default (--once) it ends when it has read all records. With --follow it
goes on until SIGINT or SIGTERM. Then it finishes the current page and exits with code 0; at a terminal it prints how many
records there were.

A checkpoint is saved after its page is synced to the file or acknowledged by the service. After a crash nothing is lost. At
most one page is written again, with the same keys. A checkpoint file belongs to one connection, one operation and one
--source-config, except that page_size may change. A damaged checkpoint, or one of another source, is an error. A lock
(FILE.lock) stops a second runner from using it. FILE.keys holds the keys of recent records, so that repeats are dropped.

With --follow a source that has more records is asked again at once. An idle source is asked less and less often: each wait is twice
as long as the one before, up to --poll-limit. By default that is one request a minute. Temporary failures are retried.

--all reads every connection of the module's kind at the same time, each with its own checkpoint. A message names those of
another kind, which are left out. If one fails, the others go on. With
--follow a token that cannot be read is tried again until it can. A token is read again when its file changes, and after
a 401.

With --follow, SIGHUP reads the connection file again: a connection that has changed goes on from its checkpoint. With --all, new
connections start, too, and those that are gone end. If the file is not valid, all stays as it is.

--metrics serves Prometheus metrics at /metrics. /readyz answers 503 while no records arrive: before the first page, and
while the service or the receiver cannot be reached. /healthz answers 503 if a source has failed, or had no page for 14
minutes longer than --poll-limit. A restart may help then.

` + OutHelp,
		Example: `  wasm-runner --demo source poll_system_log_page --checkpoint cp.json --once
  wasm-runner source poll_system_log_page --checkpoint cp.json \
    --out events.ndjson --follow
  wasm-runner source poll_system_log_page --source-config '{"since":"-24h"}' \
    --no-checkpoint | jq .eventType
  wasm-runner source poll_system_log_page --checkpoint cp.json --follow \
    --out events.ndjson.zst --rotate-size 256MiB --metrics 9464
  wasm-runner source poll_system_log_page --all --checkpoint-dir state \
    --out 'https://search.example.com/okta-{connection}/_bulk' \
    --out-authorization 'ApiKey env:SEARCH_KEY' \
    --refused 'refused-{connection}.ndjson' --follow`,
		ValidArgsFunction: a.CompleteOperation(abi.Ingest),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.OperationArgs(1)(cmd, args); err != nil {
				return err
			}
			return o.check(&a.Flags)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.checkpoint, "checkpoint", "", "checkpoint `file`; created if it is missing")
	f.StringVar(&o.checkpointDir, "checkpoint-dir", "", "`folder` with a checkpoint file for each connection; created if it is missing")
	f.BoolVar(&o.noCheckpoint, "no-checkpoint", false, "start over, and save no checkpoint (not needed with --demo)")
	f.StringVar(&o.config, "source-config", "", "input of the operation: `JSON`, @file, or - for stdin")
	o.add(f)
	f.BoolVar(&o.once, "once", false, "end when all records are read (default)")
	f.BoolVar(&o.follow, "follow", false, "go on until SIGINT or SIGTERM")
	f.DurationVar(&o.pollLimit, "poll-limit", time.Minute, "with --follow, longest `time` between two requests to an idle source")
	f.BoolVar(&o.all, "all", false, "read every connection of the module's kind in this process")
	f.StringVar(&o.metrics, "metrics", "", "serve metrics at this `address`, or at this port of 127.0.0.1")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.operation = args[0]
		return o.run(cmd.Context())
	}
	return cmd
}

// check returns an error for flags that contradict each other.
func (o *sourceOptions) check(g *cli.Flags) error {
	switch {
	case o.once && o.follow:
		return cli.Usagef("--once and --follow contradict each other: give one")
	case o.pollLimit <= 0:
		return cli.Usagef("--poll-limit: want a time above 0, such as 1m: found %s", o.pollLimit)
	case o.checkpoint != "" && o.noCheckpoint, o.checkpointDir != "" && o.noCheckpoint:
		return cli.Usagef("--checkpoint and --no-checkpoint contradict each other: give one")
	case o.checkpoint != "" && o.checkpointDir != "":
		return cli.Usagef("--checkpoint and --checkpoint-dir contradict each other: give one")
	case o.all && (g.Demo || g.Connection != ""):
		return cli.Usagef("--all reads every connection of the connection file: leave out --demo and --connection")
	case o.all && o.checkpointDir == "" && !o.noCheckpoint:
		return cli.Usagef("--all needs --checkpoint-dir FOLDER, with a checkpoint for each connection, or --no-checkpoint")
	case o.all && !o.apart():
		return cli.Usagef("--all needs --out with %s in it: a file or address for each connection, so that records of several orgs are not mixed", perConnection)
	case o.all && o.refused != "" && !strings.Contains(o.refused, perConnection):
		return cli.Usagef("--all needs --refused with %s in it: a file for each connection, so that records of several orgs are not mixed", perConnection)
	case o.checkpoint == "" && o.checkpointDir == "" && !o.noCheckpoint && !g.Demo:
		return cli.Usagef("source needs --checkpoint FILE, from which the next run goes on, or --no-checkpoint")
	}
	return o.outOptions.check()
}

// checkpointPath returns the checkpoint file of a connection, "" for none.
func (o *sourceOptions) checkpointPath(connection string) string {
	if o.checkpointDir == "" {
		return o.checkpoint
	}
	return filepath.Join(o.checkpointDir, connection+".json")
}

// need returns the files that the run needs. It creates the folder of the checkpoints.
func (o *sourceOptions) need() (cli.Need, error) {
	need := o.outOptions.need(o.app)
	if o.checkpointDir != "" {
		if err := os.MkdirAll(o.checkpointDir, 0o700); err != nil {
			return need, fmt.Errorf("%w: %w: name another folder with --checkpoint-dir", checkpoint.ErrPlace, err)
		}
		need.Files.Write(o.checkpointDir)
	}
	if o.checkpoint != "" {
		need.Files.Rewrite(o.checkpoint)
	}
	return need, nil
}

// run drains the source of each connection into its sink.
func (o *sourceOptions) run(ctx context.Context) error {
	a := o.app
	hup := watchHangups(a)
	config, err := a.ReadInput(ctx, cli.Input{By: "--source-config", Arg: o.config, Operation: o.operation})
	if err != nil {
		return err
	}
	need, err := o.need()
	if err != nil {
		return err
	}
	s, configs, leftOut, err := connectSources(ctx, a, need, o.all)
	if err != nil {
		return err
	}
	defer s.Close()
	s.LimitMemory()
	r := run{app: a, session: s, leftOut: leftOut, all: o.all, out: &o.outOptions, hangups: hup, metrics: o.metrics, stuck: stuckAfter(o.pollLimit) + o.delay}
	op, err := s.Module.Operation(o.operation)
	if err != nil {
		return err
	}
	// The checkpoint belongs to the config as it is written: with -24h, a later run goes on from the checkpoint.
	absolute, err := a.AbsoluteTimes("--source-config", op.InputSchema, config)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // so that a write to a closed stdout returns an error
	join := func(conn *host.Connection) (*member, error) {
		path := o.checkpointPath(conn.Config().Name)
		d := &ingest.Drain{
			Operation: op.Name,
			Key:       op.Key,
			Feed:      ingest.Source(conn, host.SourceOptions{Operation: op.Name, Config: absolute, Follow: o.follow, PollLimit: o.pollLimit}),
			Persist:   o.follow,
			Follow:    o.follow,

			KeepTrying: o.follow && o.all,
		}
		closeFiles, err := r.open(ctx, conn, d, path, config)
		if err != nil {
			closeFiles()
			return nil, err
		}
		if size := conn.Config().DefaultPageSize; size > 0 && size < 500 && !cli.HasMember(config, "page_size") {
			a.Logger().Warn("default_page_size makes more requests of the log than pages of 1000 would: give page_size in --source-config",
				"connection", d.Connection, "default_page_size", size)
		}
		return &member{conn: conn, drain: d, close: closeFiles}, nil
	}
	g := newGroup()
	defer func() { g.close(ctx) }()
	for _, conn := range s.Connections() {
		m, err := join(conn)
		if err != nil {
			return err
		}
		g.add(m)
	}
	if !o.follow {
		return r.drain(ctx, nil, g, nil)
	}
	again := &reread{run: &r, known: configs, join: join}
	if !o.all {
		again.known, again.only = []host.Config{s.Config}, s.Config.Name
	}
	return r.drain(ctx, nil, g, again.change)
}

// connectSources connects to the connection that the flags name. With --all it connects to every connection of the file that
// is of the module's kind, and returns their configurations and how many it left out. Each must be usable, because missing records are noticed too late.
// Only a token may be unreadable: its source then fails, or with --follow tries again, and the others go on.
func connectSources(ctx context.Context, a *cli.App, need cli.Need, all bool) (s *cli.Session, used []host.Config, leftOut int, err error) {
	if !all {
		s, err = a.Connect(ctx, cli.ConnectOptions{Need: need})
		return s, nil, 0, err
	}
	configs, path, err := a.ReadConnections()
	if err != nil {
		return nil, nil, 0, err
	}
	s = &cli.Session{}
	if s.Module, err = a.LoadModule(ctx); err != nil {
		return nil, nil, 0, err
	}
	if err := a.Confine(need, configs...); err != nil {
		s.Close()
		return nil, nil, 0, err
	}
	for _, config := range configs {
		if err := a.CheckKind(config, path); err != nil {
			leftOut++
			a.Warnf("left out: %s", err)
			continue
		}
		c, err := connectForSource(ctx, a, s.Module, config, true)
		if err != nil {
			s.Close()
			return nil, nil, 0, err
		}
		s.Add(c)
		used = append(used, config)
	}
	if s.Conn == nil {
		s.Close()
		return nil, nil, 0, cli.Usagef("%s has no connection of kind %s, the kind of the module: add one, or name another module", path, s.Module.Manifest().Kind)
	}
	return s, used, leftOut, nil
}
