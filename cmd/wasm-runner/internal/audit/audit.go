// Package audit has the command that reports what an audit file holds.
package audit

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/audit"
)

// options say what of an audit is shown, and how.
type options struct {
	format       string
	since, until string
	operations   []string
	outcomes     []string
	anchors      []string
	join         bool

	from, to time.Time
}

func NewCommand(a *cli.App) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "audit FILE...",
		Short: "Report what an audit file holds: who did what to whom, and whether a line is missing",
		Long: `Reads files that invoke --audit wrote and reports one row for each invoke: when, who ran it, whose token acted, what
was done to whom, how it ended, and Okta's request id. The two lines of an invoke that writes are one row. An invoke without
a final line is interrupted: its process was killed while a write was being sent, or it still runs.

Give rotated files in order, oldest first; .gz is decompressed, - is stdin. The table is for eyes; the other formats have
more members: ids, hashes, all request ids, and the file and line that a row comes from.

Each line has the hash of the line before it. A line that was changed, removed or inserted breaks that chain, which is
reported and is exit code 1, as are lines that are no records; a line that a crash cut short is neither. Files without
a line of an audit are exit code 2, empty ones too. The chain has no signature, and does not protect the last lines: keep the hash of the last
line, which is printed, in another place, and look for it later with --anchor.

With --join the System Log is read around each invoke, through the connection, and a row has Okta's own events of its
requests: the event's transaction.id is the request id. The log is some seconds late, and Okta keeps 90 days.`,
		Example: `  wasm-runner audit audit.ndjson
  wasm-runner audit audit.ndjson.1 audit.ndjson --since 2026-01-01 --outcome unknown,interrupted
  wasm-runner audit audit.ndjson --operation deactivate_user --format csv > deactivations.csv
  wasm-runner audit audit.ndjson --anchor 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  wasm-runner audit audit.ndjson --join --format ndjson | jq '{operation, outcome, events}'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("audit wants a FILE that invoke --audit wrote, or - for stdin")
			}
			return o.check(args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "table", "table, ndjson, json or csv")
	f.StringVar(&o.since, "since", "", "leave out what ended before this `time`: 2026-01-02T03:04:05Z, or a day (UTC)")
	f.StringVar(&o.until, "until", "", "leave out what ended at this `time` or later")
	f.StringSliceVar(&o.operations, "operation", nil, "these `operations` alone")
	f.StringSliceVar(&o.outcomes, "outcome", nil, "these `outcomes` alone; interrupted is one without a final line")
	f.StringSliceVar(&o.anchors, "anchor", nil, "`hash` of a line, or its first 16 digits or more, that must be in the files")
	f.BoolVar(&o.join, "join", false, "read Okta's own events of each invoke from the System Log, through the connection")
	cli.CompleteFixed(cmd, "format", rows.Formats())
	cli.CompleteFixed(cmd, "outcome", outcomes())
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), a, &o, args) }
	return cmd
}

// outcomes are the outcomes that a row can have.
func outcomes() []string {
	var all []string
	for _, o := range append(abi.Outcomes(), audit.Interrupted) {
		all = append(all, string(o))
	}
	return all
}

var anchor = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

func (o *options) check(files []string) error {
	if err := cli.OneOf("format", o.format, rows.Formats()); err != nil {
		return err
	}
	for _, name := range o.outcomes {
		if err := cli.OneOf("outcome", name, outcomes()); err != nil {
			return err
		}
	}
	for i, h := range o.anchors {
		if o.anchors[i] = strings.ToLower(h); !anchor.MatchString(o.anchors[i]) {
			return cli.Usagef("--anchor: want 16 to 64 hexadecimal digits of a line's hash, and got %q", h)
		}
	}
	if n := len(files) - len(slices.DeleteFunc(slices.Clone(files), func(f string) bool { return f == "-" })); n > 1 {
		return cli.Usagef("standard input can be read once: - is given %d times", n)
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"since", o.since, &o.from}, {"until", o.until, &o.to}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			at, err = time.Parse(time.DateOnly, t.text)
		}
		if err != nil {
			return cli.Usagef("--%s: want a time such as 2026-01-02T03:04:05Z, or a day such as 2026-01-02", t.name)
		}
		*t.to = at
	}
	if !o.from.IsZero() && !o.to.IsZero() && !o.from.Before(o.to) {
		return cli.Usagef("--since (%s) must be before --until (%s)", o.since, o.until)
	}
	return nil
}

// wants reports whether a deed passes the filters.
func (o *options) wants(d *audit.Deed, connection string) bool {
	named := func(op string) bool { return op == d.Operation || plainOperation(op) == d.Operation }
	switch {
	case !o.from.IsZero() && d.Time.Before(o.from), !o.to.IsZero() && !d.Time.Before(o.to):
	case len(o.operations) > 0 && !slices.ContainsFunc(o.operations, named):
	case len(o.outcomes) > 0 && !slices.Contains(o.outcomes, string(d.Outcome)):
	case connection != "" && connection != d.Connection && (d.Module == nil || connection != d.Module.Kind):
	default:
		return true
	}
	return false
}

// plainOperation is the name of an operation without its kind: okta.lookup_user is lookup_user.
func plainOperation(name string) string {
	if _, plain, found := strings.Cut(name, "."); found {
		return plain
	}
	return name
}

// maxSaid is how many lines of one kind are named on stderr.
const maxSaid = 20

// totals is what a report says at its end.
type totals struct {
	chain              *audit.Chain
	deeds, interrupted int
	records            int
	operations         map[string]bool // that the files name
}

func run(ctx context.Context, a *cli.App, o *options, files []string) error {
	out := bufio.NewWriter(a.Stdout)
	var to io.Writer = out
	if _, is := term.Columns(a.Stdout); is && o.format != "table" { // which keeps to itself what could reach the terminal
		to = term.NewPlainLines(out)
	}
	buffered := bufio.NewWriter(to)
	room, _ := term.Columns(a.Stdout)
	columns := columnsOf(o, room)
	w := rows.New(o.format, buffered, plainColumnsOf(columns), rows.Layout{Shrink: true, Room: room, Warn: a.Warnf, More: "take --format csv"})
	tally := totals{chain: audit.NewChain(o.anchors...), operations: map[string]bool{}}
	var held []*audit.Deed
	begun := false // a row was written
	err := eachDeed(ctx, a, files, &tally, func(d *audit.Deed) error {
		if !o.wants(d, a.Flags.Connection) {
			return nil
		}
		if tally.deeds++; d.Interrupted {
			tally.interrupted++
		}
		if !o.join {
			begun = true
			return w.Row(valuesOf(columns, row{d, nil}))
		}
		if len(held) == maxJoined {
			return cli.Usagef("--join takes %d invokes at once: narrow them with --since, --until, --operation or --outcome", maxJoined)
		}
		kept := *d
		held = append(held, &kept)
		return nil
	})
	if err == nil {
		err = checkAudit(ctx, a, o, files, &tally)
	}
	if err == nil && o.join {
		err = joinEvents(ctx, a, held, func(d *audit.Deed, events []event) error {
			begun = true
			return w.Row(valuesOf(columns, row{d, events}))
		})
	}
	if err != nil {
		if begun {
			_ = w.End() // the rows so far; the first error counts
		}
		_, _ = buffered.Flush(), out.Flush()
		return err
	}
	text, verdict := tally.verdict()
	if begun || o.format != "table" || verdict == nil { // a header alone would stand before the error
		if err := w.End(); err != nil {
			return err
		}
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if begun && o.format == "table" && room > 0 && room < RoomForAll {
		who := ""
		if room < roomForWho {
			who = "who, the year, "
		}
		a.Notef("%saccount, connection, org and request id fit into %d columns: widen the terminal, or take --format csv", who, RoomForAll)
	}
	if verdict == nil && tally.chain.Lines == tally.chain.Unchained {
		a.Warnf("%s", text)
	} else {
		a.Notef("%s", text)
	}
	return verdict
}

// checkAudit refuses files that are no audit, and operations that neither the files nor the module have.
func checkAudit(ctx context.Context, a *cli.App, o *options, files []string, t *totals) error {
	if t.records == 0 {
		return cli.Usagef("%s: empty, where an audit has at least a line. Was it emptied, or rotated away?", strings.Join(files, ", "))
	}
	var unseen []string
	for _, name := range o.operations {
		if !t.operations[name] && !t.operations[plainOperation(name)] {
			unseen = append(unseen, name)
		}
	}
	if len(unseen) == 0 {
		return nil
	}
	m, err := a.LoadModule(ctx)
	if err != nil {
		return nil //nolint:nilerr // without a module, the files alone say which operations there are
	}
	defer func() { _ = m.Close(context.WithoutCancel(ctx)) }()
	for _, name := range unseen {
		if _, err := m.Operation(name); err != nil {
			var all []string
			for i := range m.Manifest().Operations {
				all = append(all, m.Manifest().Operations[i].Name)
			}
			for name := range t.operations {
				all = append(all, name)
			}
			return cli.Usagef("--operation: neither the module nor the files have an operation %q%s", name, cli.DidYouMean(plainOperation(name), all))
		}
	}
	return nil
}

// eachDeed reads the files in order and gives each deed on, interrupted ones at the end.
func eachDeed(ctx context.Context, a *cli.App, files []string, tally *totals, give func(*audit.Deed) error) error {
	var deeds audit.Deeds
	each := func(all []audit.Deed) error {
		for i := range all {
			if err := give(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	said := 0
	tell := func(text string) {
		if said++; said <= maxSaid {
			a.Warnf("%s", text)
		}
	}
	for _, path := range files {
		if _, err := os.Stat(path); err != nil && path != "-" { // before the first row
			return cli.Usagef("audit: %w", err)
		}
	}
	for _, path := range files {
		if err := eachRecord(ctx, a, path, tally, tell, func(name string, l audit.Line) error { return each(deeds.Add(name, l)) }); err != nil {
			return err
		}
	}
	if said > maxSaid {
		a.Warnf("%d more such lines", said-maxSaid)
	}
	return each(deeds.Rest())
}

// eachRecord reads one file and gives on the lines that are records; tell gets what is to be said of others. A file of lines
// without a record is an error: it is no audit.
func eachRecord(ctx context.Context, a *cli.App, path string, t *totals, tell func(string), give func(string, audit.Line) error) error {
	name, r, err := openAudit(a, path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read only
	t.chain.Open()
	var early []string // said once the file turns out to be an audit
	lines, records := 0, 0
	for l, err := range audit.Lines(r) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var note string
		lines++
		l.Broken, note = t.chain.Next(l)
		for _, what := range []string{l.Problem, l.Broken, note} {
			switch text := fmt.Sprintf("%s line %d %s", name, l.Number, what); {
			case what == "":
			case records > 0:
				tell(text)
			case len(early) <= maxSaid:
				early = append(early, text)
			}
		}
		if l.Problem != "" {
			continue
		}
		if records++; records == 1 {
			for _, text := range early {
				tell(text)
			}
		}
		t.records++
		t.operations[l.Record.Operation] = true
		if err := give(name, l); err != nil {
			return err
		}
	}
	switch {
	case lines == 0:
		tell(name + " is empty")
	case records == 0:
		return cli.Usagef("%s is not an audit: it has %s, and no record that invoke --audit wrote", name, cli.Counted(int64(lines), "line"))
	}
	return nil
}

// openAudit opens a file, - for stdin.
func openAudit(a *cli.App, path string) (name string, r io.ReadCloser, err error) {
	if path == "-" {
		return "standard input", io.NopCloser(a.Interruptible(a.Stdin)), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return path, nil, cli.Usagef("audit: %w", err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return path, f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		_ = f.Close()
		return path, nil, cli.Usagef("audit: %s: %w", path, err)
	}
	return path, struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// verdict is what the whole comes to. The error is of an audit that is not as it was written.
func (t *totals) verdict() (text string, err error) {
	c := t.chain
	text = cli.Counted(int64(t.deeds), "invoke")
	if t.interrupted > 0 {
		text += fmt.Sprintf(", %d of them interrupted or still running,", t.interrupted)
	}
	text += " in " + cli.Counted(int64(c.Lines), "line")
	missing := c.Missing()
	switch {
	case len(missing) > 0:
		return text, fmt.Errorf("no line has the hash %s: lines were changed or removed, or the file was written anew", strings.Join(missing, ", "))
	case c.Breaks > 0:
		return text, fmt.Errorf("the chain of lines is broken in %s: this is not what was written", cli.Counted(int64(c.Breaks), "place"))
	case c.Strange > 0:
		return text, fmt.Errorf("no record is in %s: something else than invoke --audit wrote to the file, or changed it", cli.Counted(int64(c.Strange), "line"))
	case c.Lines == c.Unchained:
		return text + " of an earlier version, which has no chain: it cannot be checked whether a line was changed or removed", nil
	}
	text += ", whose chain is intact"
	if c.Unchained > 0 {
		text += fmt.Sprintf(" but for the first %d, of an earlier version", c.Unchained)
	}
	if c.From != "" {
		text += ". The first goes on from a line of another file, " + c.From
	}
	return text + ". The last has the hash " + c.Last, nil
}
