package source

import (
	"context"
	"encoding/json"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/internal/when"
)

// backfillOptions is one run of backfill.
type backfillOptions struct {
	app *cli.App
	outOptions
	operation    string
	since, until string
	filter, q    string
	relative     bool // since or until depends on the present
	pageSize     int
	checkpoint   string
	metrics      string
}

// NewBackfillCommand returns the command backfill.
func NewBackfillCommand(a *cli.App) *cobra.Command {
	o := backfillOptions{app: a}
	cmd := &cobra.Command{
		Use:         "backfill --since TIME --until TIME",
		Annotations: map[string]string{cli.TakesHangups: "yes"},
		Short:       "Read the records between two times, to the end",
		Long: `Reads the records between two times, page by page, and ends. Times may be written as RFC 3339, 2026-01-02 (UTC), -24h,
2h ago or yesterday.

If it was interrupted, run it again with the same checkpoint and times: it goes on where it stopped. If the service no
longer accepts the cursor, it goes on five minutes before the last record, and drops the repeats. When the checkpoint is
complete, it reads nothing more. Temporary failures are retried for
15 minutes; a page that gets through begins this time anew.

If --until is less than five minutes ago by the service's clock, it reads up to the present and is not complete. Run it again to
go on. Records may be stored later than their time says: to read a log without gaps, use source.

` + OutHelp,
		Example: backfillExamples(a.Now()),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.NoArgs(cmd, args); err != nil {
				return err
			}
			return o.check(a.Flags.Demo)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.since, "since", "", "`time` to begin at: "+when.Forms)
	f.StringVar(&o.until, "until", "", "`time` to end before")
	f.StringVar(&o.filter, "filter", "", "`expression` for the filter of the operation")
	f.StringVar(&o.q, "q", "", "`keywords` for the q of the operation")
	f.IntVar(&o.pageSize, "page-size", 1000, "`number` of records in a request")
	f.StringVar(&o.checkpoint, "checkpoint", "", "checkpoint `file`; created if it is missing (not needed with --demo)")
	o.add(f)
	f.StringVar(&o.operation, "operation", "", "`operation` that reads the range: its input has since and until (default: the one that the module names)")
	f.StringVar(&o.metrics, "metrics", "", "serve metrics at this `address`, or at this port of 127.0.0.1")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return o.run(cmd.Context())
	}
	return cmd
}

// backfillExamples returns examples for the last whole month, which a service still keeps.
func backfillExamples(now time.Time) string {
	until := now.UTC().AddDate(0, 0, 1-now.UTC().Day())
	since := until.AddDate(0, -1, 0)
	return `  wasm-runner --demo backfill --since yesterday --until now
` + strings.NewReplacer("SINCE", since.Format(time.DateOnly), "UNTIL", until.Format(time.DateOnly), "MONTH", strings.ToLower(since.Month().String())).Replace(
		`  wasm-runner backfill --since SINCE --until UNTIL \
    --checkpoint MONTH.json --out MONTH.ndjson.zst
  wasm-runner backfill --checkpoint cp.json --out morning.ndjson \
    --since SINCET08:00:00Z --until SINCET09:00:00Z \
    --filter 'eventType eq "user.session.start"'`)
}

// check returns an error for a range that cannot be read. It replaces the times by those of RFC 3339.
func (o *backfillOptions) check(demo bool) error {
	if o.since == "" || o.until == "" {
		return cli.Usagef("backfill needs --since and --until, the range of time to read")
	}
	var times [2]time.Time
	for i, flag := range []struct {
		name string
		text *string
	}{{"since", &o.since}, {"until", &o.until}} {
		t, relative, err := o.app.TimeFlag(flag.name, *flag.text)
		if err != nil {
			return err
		}
		if _, err := time.Parse(time.RFC3339, *flag.text); err != nil { // the checkpoint has RFC 3339 as it is written
			*flag.text = t.Format(time.RFC3339)
		}
		o.relative = o.relative || relative
		times[i] = t
	}
	switch {
	case !times[0].Before(times[1]):
		return cli.Usagef("--since (%s) must be before --until (%s)", o.since, o.until)
	case o.checkpoint == "" && !demo:
		return cli.Usagef("backfill needs --checkpoint FILE, so that it can go on after an interruption")
	case o.pageSize < 1 || o.pageSize > 1000:
		return cli.Usagef("--page-size: want 1 to 1000: found %d", o.pageSize)
	}
	return o.outOptions.check()
}

// input returns the input of the operation, without and with the page size. The page size may change when a backfill resumes.
func (o *backfillOptions) input() (query, whole json.RawMessage) {
	fields := map[string]any{"since": o.since, "until": o.until}
	if o.filter != "" {
		fields["filter"] = o.filter
	}
	if o.q != "" {
		fields["q"] = o.q
	}
	query, _ = json.Marshal(fields) // strings always encode
	fields["page_size"] = o.pageSize
	whole, _ = json.Marshal(fields)
	return query, whole
}

// patience is how long a backfill retries while nothing gets through.
const patience = 15 * time.Minute

// run reads the range into the sink.
func (o *backfillOptions) run(ctx context.Context) error {
	a := o.app
	hup := watchHangups(a)
	need := o.outOptions.need(a)
	if o.checkpoint != "" {
		need.Files.Rewrite(o.checkpoint)
	}
	s, err := a.Connect(ctx, cli.ConnectOptions{Need: need})
	if err != nil {
		return err
	}
	defer s.Close()
	s.LimitMemory()
	r := run{app: a, session: s, out: &o.outOptions, hangups: hup, metrics: o.metrics, stuck: stuckAfter(0) + o.delay}
	name := o.operation
	if name == "" {
		if name, err = cli.BackfillOperation(s.Module.Manifest()); err != nil {
			return err
		}
	}
	op, err := s.Module.Operation(name)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // so that a write to a closed stdout returns an error
	query, input := o.input()
	d := &ingest.Drain{Operation: op.Name, Key: op.Key, Persist: true, Patience: patience}
	d.Feed = ingest.Range(s.Conn, op.Name, input, timeMember(s.Module.Manifest(), op))
	closeDrain, err := r.open(ctx, s.Conn, d, o.checkpoint, query)
	defer closeDrain()
	if err != nil {
		return err
	}
	if ingest.RangeDone(d.At) {
		a.Notef("the backfill of %s is complete: to read the range again, name another checkpoint file", o.checkpoint)
		return nil
	}
	if o.relative && o.checkpoint != "" {
		a.Notef("reading --since %s --until %s: after an interruption, give these times to go on", o.since, o.until)
	}
	g := newGroup()
	g.add(&member{conn: s.Conn, drain: d, close: func() {}})
	all := &span{}
	all.since, _ = time.Parse(time.RFC3339, o.since) // check has parsed both
	all.until, _ = time.Parse(time.RFC3339, o.until)
	all.from = all.since
	if at := ingest.RangeTime(d.At); !at.IsZero() {
		all.from = at
	}
	all.complete = func() bool { return ingest.RangeDone(d.At) }
	if err := r.drain(ctx, all, g, nil); err != nil {
		return err
	}
	if !ingest.RangeDone(d.At) {
		a.Notef("--until (%s) is in the future, or less than five minutes ago, and Okta may still store events: the range is read up to the present. "+
			"Run this again later to go on", o.until)
	} else if a.ReportsSuccess() {
		a.Notef("complete: %s in this run", cli.Counted(d.Stats().Records, "record"))
	}
	return nil
}

// timeMember returns the member of an operation's records that holds their time: the one that the manifest names, else the
// path of the first column of type TIMESTAMPTZ, else "".
func timeMember(m *abi.Manifest, op *abi.Operation) string {
	for i := range m.Operations {
		if source := &m.Operations[i]; source.Backfill != nil && (source.Name == op.Name || source.Backfill.Operation == op.Name) {
			return source.Backfill.Time
		}
	}
	i := slices.IndexFunc(op.Columns, func(c abi.Column) bool { return c.Type == abi.TimestampTZ })
	if i < 0 {
		return ""
	}
	return op.Columns[i].Path
}
