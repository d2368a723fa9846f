// Package audit has the command that reports what an audit file holds.
package audit

import (
	"bufio"
	"cmp"
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
	"github.com/mach5/okta-connector/internal/when"
)

// options is one run of audit.
type options struct {
	app          *cli.App
	files        []string // the arguments
	format       string
	since, until string
	operations   []string
	outcomes     []string
	anchors      []string
	join         bool

	from, to time.Time
}

// NewCommand returns the command audit.
func NewCommand(a *cli.App) *cobra.Command {
	o := options{app: a}
	cmd := &cobra.Command{
		Use:   "audit FILE...",
		Short: "Report who did what to whom, and whether a line is missing",
		Long: `Reads files that invoke --audit wrote, and prints a row for each invoke: the time, who ran it, whose token it used, what was
done to whom, the outcome, and Okta's request id. An invoke that writes has two lines in the file, and one row here. If an
invoke has no final line, it is interrupted: its process was killed while it sent a write, or it still runs.

Give rotated files in order, the oldest first. A file that ends with .gz is decompressed; - is stdin. The format table is for
people. The other formats have more members: ids, hashes, all request ids, and the file and line of each row.

Each line has the hash of the line before it. If a line was changed, removed or inserted, this chain is broken. The report says
so, and the exit code is 1. The same holds for lines that are not records. A last line that a crash cut short is no error.
A file without a record, or an empty file, is exit code 2. The chain is not signed and does not protect the last lines. The
report prints the hash of the last line: keep it in another place, and look for it later with --anchor.

--join reads the System Log around each invoke through the connection, and adds Okta's own events to its row: their
transaction.id is the request id. The log is some seconds late. Okta keeps it for 90 days.`,
		Example: `  wasm-runner audit audit.ndjson
  wasm-runner audit audit.ndjson.1 audit.ndjson --since -30d --outcome unknown
  wasm-runner audit audit.ndjson --operation deactivate_user --format csv
  wasm-runner audit audit.ndjson \
    --anchor 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  wasm-runner audit audit.ndjson --join --format ndjson \
    | jq '{operation, outcome, events}'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("audit needs a FILE that invoke --audit wrote, or - for stdin")
			}
			o.files = args
			return o.check()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "table", "`format` of the rows: table, line, ndjson, json or csv")
	f.StringVar(&o.since, "since", "", "leave out invokes that ended before this `time`: "+when.Forms)
	f.StringVar(&o.until, "until", "", "leave out invokes that ended at this `time` or later")
	cli.ListVar(f, &o.operations, "operation", "report only these `operations`")
	cli.ListVar(f, &o.outcomes, "outcome", "report only these `outcomes`; interrupted is an invoke without a final line")
	cli.ListVar(f, &o.anchors, "anchor", "fail unless a line has this `hash`, or a hash that begins with these 16 or more digits")
	f.BoolVar(&o.join, "join", false, "read Okta's own events of each invoke from the System Log")
	cli.CompleteFixed(cmd, "format", rows.Formats())
	cli.CompleteFixed(cmd, "outcome", outcomes())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) }
	return cmd
}

// outcomes returns the outcomes that a row can have.
func outcomes() []string {
	var all []string
	for _, o := range append(abi.Outcomes(), audit.Interrupted) {
		all = append(all, string(o))
	}
	return all
}

// anchor matches the hash of a line, or its beginning.
var anchor = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// check returns an error for values that cannot be used. It parses the times.
func (o *options) check() error {
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
			return cli.Usagef("--anchor: want 16 to 64 hexadecimal digits of a line's hash: found %q", h)
		}
	}
	if n := len(o.files) - len(slices.DeleteFunc(slices.Clone(o.files), func(f string) bool { return f == "-" })); n > 1 {
		return cli.Usagef("standard input can be read only once: found - %d times", n)
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"since", o.since, &o.from}, {"until", o.until, &o.to}} {
		if t.text == "" {
			continue
		}
		at, _, err := o.app.TimeFlag(t.name, t.text)
		if err != nil {
			return err
		}
		*t.to = at
	}
	if !o.from.IsZero() && !o.to.IsZero() && !o.from.Before(o.to) {
		return cli.Usagef("--since (%s) must be before --until (%s)", o.since, o.until)
	}
	return nil
}

// wants reports whether an invoke passes the filters. connection is the name or kind of --connection, "" for all.
func (o *options) wants(d *audit.Invoke, connection string) bool {
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

// plainOperation returns the name of an operation without its kind: KIND.lookup_user is lookup_user.
func plainOperation(name string) string {
	if _, plain, found := strings.Cut(name, "."); found {
		return plain
	}
	return name
}

// maxProblems is how many problems of lines are reported on stderr.
const maxProblems = 20

// totals is what the end of a report says.
type totals struct {
	chain                *audit.Chain
	invokes, interrupted int
	records              int
	operations           map[string]bool // the operations in the files
}

// report writes the rows of a report.
type report struct {
	*options
	room    int // columns of the terminal, 0 without one
	columns columns
	out     *bufio.Writer // to stdout
	escaped *bufio.Writer // to out
	rows    rows.Writer   // to escaped
	begun   bool          // a row has been written
}

// newReport returns the report on stdout.
func (o *options) newReport() *report {
	r := &report{options: o, out: bufio.NewWriter(o.app.Stdout)}
	room, terminal := term.Columns(o.app.Stdout)
	r.room = room
	if o.format == "table" {
		r.columns = tableColumns(o.join, room)
	} else {
		r.columns = allColumns(o.join)
	}
	var to io.Writer = r.out
	if terminal && o.format != "table" { // the format table escapes its cells itself
		to = term.NewPlainLines(r.out)
	}
	r.escaped = bufio.NewWriter(to)
	r.rows = rows.New(o.format, r.escaped, r.columns.plain(), rows.Layout{Shrink: true, Room: room, Warn: o.app.Warnf, More: "use --format csv"})
	return r
}

// write writes the row of an invoke.
func (r *report) write(d *audit.Invoke, events []event) error {
	r.begun = true
	err := r.rows.Row(r.columns.values(row{d, events}))
	if r.room > 0 && r.format != "table" { // so that no message comes within a row
		err = cmp.Or(err, r.escaped.Flush(), r.out.Flush())
	}
	return err
}

// end completes the report. Without a row it writes a header, or an empty list, only if always is set.
func (r *report) end(always bool) error {
	var err error
	if r.begun || always {
		err = r.rows.End()
	}
	return cmp.Or(err, r.escaped.Flush(), r.out.Flush())
}

// noteMissing says which columns a narrow terminal does not show.
func (r *report) noteMissing() {
	if !r.begun || r.format != "table" || r.room == 0 || r.room >= RoomForAll {
		return
	}
	who := ""
	if r.room < roomForWho {
		who = "who, the year, "
	}
	r.app.Notef("%saccount, connection, org and the whole request id need a terminal of %d columns: widen it, or use --format csv", who, RoomForAll)
}

// run writes the report and its summary.
func (o *options) run(ctx context.Context) error {
	r := o.newReport()
	tally := totals{chain: audit.NewChain(o.anchors...), operations: map[string]bool{}}
	var toJoin []*audit.Invoke
	err := o.eachInvoke(ctx, &tally, func(d *audit.Invoke) error {
		if !o.wants(d, o.app.Flags.Connection) {
			return nil
		}
		if tally.invokes++; d.Interrupted {
			tally.interrupted++
		}
		if !o.join {
			return r.write(d, nil)
		}
		if len(toJoin) == maxJoined {
			return cli.Usagef("--join takes at most %d invokes: narrow them with --since, --until, --operation or --outcome", maxJoined)
		}
		kept := *d
		toJoin = append(toJoin, &kept)
		return nil
	})
	if err == nil {
		err = o.checkContent(ctx, &tally)
	}
	if err == nil && o.join {
		err = joinEvents(ctx, o.app, toJoin, r.write)
	}
	if err != nil {
		_ = r.end(false) // write the rows so far; the first error counts
		return err
	}
	text, verdict := tally.verdict()
	if err := r.end(o.format != "table" || verdict == nil); err != nil {
		return err
	}
	r.noteMissing()
	if verdict == nil && tally.chain.Lines == tally.chain.Unchained {
		o.app.Warnf("%s", text)
	} else {
		o.app.Notef("%s", text)
	}
	return verdict
}

// checkContent returns an error for empty files, and for operations that neither the files nor the module have.
func (o *options) checkContent(ctx context.Context, t *totals) error {
	if t.records == 0 {
		return cli.Usagef("%s: empty, but an audit has at least one record: check whether the file was emptied or rotated", strings.Join(o.files, ", "))
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
	m, err := o.app.LoadModule(ctx)
	if err != nil {
		return nil //nolint:nilerr // without a module, any name may be an operation
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

// eachInvoke reads the files in order and calls give for each invoke. The interrupted ones come last.
func (o *options) eachInvoke(ctx context.Context, tally *totals, give func(*audit.Invoke) error) error {
	var invokes audit.Invokes
	each := func(all []audit.Invoke) error {
		for i := range all {
			if err := give(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	problems := 0
	report := func(text string) {
		if problems++; problems <= maxProblems {
			o.app.Warnf("%s", text)
		}
	}
	for _, path := range o.files {
		if _, err := os.Stat(path); err != nil && path != "-" { // report a missing file before the first row
			return noFile(path, err)
		}
	}
	for _, path := range o.files {
		if err := o.eachRecord(ctx, path, tally, report, func(name string, l audit.Line) error { return each(invokes.Add(name, l)) }); err != nil {
			return err
		}
	}
	if problems > maxProblems {
		o.app.Warnf("%d more lines have a problem", problems-maxProblems)
	}
	return each(invokes.Rest())
}

// eachRecord reads one file. It calls give for each line that is a record, and report for each problem. A file without a
// record is an error, unless it is empty.
func (o *options) eachRecord(ctx context.Context, path string, t *totals, report func(string), give func(string, audit.Line) error) error {
	name, r, err := o.open(path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read only
	t.chain.Open()
	var early []string // problems before the first record, reported once there is one
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
				report(text)
			case len(early) <= maxProblems:
				early = append(early, text)
			}
		}
		if l.Problem != "" {
			continue
		}
		if records++; records == 1 {
			for _, text := range early {
				report(text)
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
		report(name + " is empty")
	case records == 0:
		return cli.Usagef("%s is not an audit: it has %s, and no record that invoke --audit wrote", name, cli.Counted(int64(lines), "line"))
	}
	return nil
}

// noFile returns the error of an audit that cannot be opened.
func noFile(path string, err error) error {
	return cli.OpenError("audit", path, err, "name the file that invoke --audit wrote")
}

// open opens a file. - is standard input, and .gz is decompressed.
func (o *options) open(path string) (name string, r io.ReadCloser, err error) {
	if path == "-" {
		return "standard input", io.NopCloser(o.app.Interruptible(o.app.Stdin)), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return path, nil, noFile(path, err)
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

// verdict returns the summary of the report. The error says that the audit is not as it was written.
func (t *totals) verdict() (text string, err error) {
	c := t.chain
	text = cli.Counted(int64(t.invokes), "invoke")
	if t.interrupted > 0 {
		text += fmt.Sprintf(", %d of them interrupted or still running,", t.interrupted)
	}
	text += " in " + cli.Counted(int64(c.Lines), "line")
	missing := c.Missing()
	switch {
	case len(missing) > 0:
		return text, fmt.Errorf("no line has the hash %s: lines were changed or removed, or the file was replaced", strings.Join(missing, ", "))
	case c.Breaks > 0:
		return text, fmt.Errorf("the chain of lines is broken in %s: lines were changed, removed or inserted", cli.Counted(int64(c.Breaks), "place"))
	case c.Foreign > 0:
		return text, fmt.Errorf("no record is in %s: another program wrote to the file, or changed it", cli.Counted(int64(c.Foreign), "line"))
	case c.Lines == c.Unchained:
		return text + " of an earlier version, which has no chain: whether a line was changed or removed cannot be checked", nil
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
