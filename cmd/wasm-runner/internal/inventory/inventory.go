// Package inventory has the command that compares an org with its last snapshot.
package inventory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/snapshot"
)

// operation exports the objects of an org.
const operation = "inventory_export"

// formats are the values of --format.
var formats = []string{"text", "ndjson"}

// options is one run of inventory.
type options struct {
	app            *cli.App
	snapshot       string
	kinds, ignored []string
	format         string
}

// NewCommand returns the command inventory.
func NewCommand(a *cli.App) *cobra.Command {
	o := options{app: a}
	cmd := &cobra.Command{
		Use:   "inventory --snapshot FILE",
		Short: "Say what changed in the org since the last snapshot",
		Long: `Exports the objects of the org, prints what was added, removed and changed since the snapshot in FILE, and then replaces the
snapshot. The first run makes the snapshot and prints nothing.

Each change names the kind and id of the object. An added or removed object is shown, and a changed one with each field
before and after. The snapshot is NDJSON and contains what the export returns, without secrets. Its mode is 0600.

If it was interrupted, run it again within 24 hours: it continues the export. An object that could not be read does not count
as removed. A snapshot of another org is refused.

If not all objects of a kind could be read, the last line of NDJSON is {"incomplete": [kinds]}. The exit code is then 1 if
--kinds names one of them.

The kinds are those of inventory_export. Each kind of the snapshot that this run does not export stays as it is.`,
		Example: `  wasm-runner --demo inventory --snapshot demo.snapshot
  wasm-runner inventory --snapshot admins.snapshot --kinds user_roles
  wasm-runner inventory --snapshot org.snapshot --ignore lastLogin,lastUpdated \
    --format ndjson > changes.ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.NoArgs(cmd, args); err != nil {
				return err
			}
			if o.snapshot == "" {
				return cli.Usagef("inventory needs --snapshot FILE, which the org is compared with")
			}
			if o.snapshot == "-" {
				return cli.Usagef("--snapshot: want a file, which the run reads and replaces: found -")
			}
			for _, path := range o.ignored {
				if slices.Contains(strings.Split(path, "."), "") {
					return cli.Usagef("--ignore: want fields such as lastLogin or profile.title: found %q", path)
				}
			}
			if o.format == "" {
				return nil
			}
			return cli.OneOf("format", o.format, formats)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.snapshot, "snapshot", "", "snapshot `file`; created if it is missing")
	cli.ListVar(f, &o.kinds, "kinds", "export the kinds `a,b` (default: those of "+operation+")")
	cli.ListVar(f, &o.ignored, "ignore", "ignore changes of the fields `a,b.c` and of what is below them")
	f.StringVar(&o.format, "format", "", "`format` of the changes: text or ndjson (default: text at a terminal, else ndjson)")
	cli.CompleteFixed(cmd, "format", formats)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) }
	return cmd
}

// run exports, compares and replaces the snapshot.
func (o *options) run(ctx context.Context) error {
	a := o.app
	var need cli.Need
	need.Files.Rewrite(o.snapshot)
	s, err := a.Connect(ctx, cli.ConnectOptions{Need: need})
	if err != nil {
		return err
	}
	defer s.Close()
	s.LimitMemory()
	signal.Ignore(syscall.SIGPIPE) // so that a write to a closed stdout returns an error
	op, err := s.Module.Operation(operation)
	if err != nil {
		return err
	}
	input := json.RawMessage(`{}`)
	if len(o.kinds) > 0 {
		slices.Sort(o.kinds)
		if input, err = json.Marshal(map[string]any{"kinds": slices.Compact(o.kinds)}); err != nil {
			return err
		}
	}
	config := s.Conn.Config()
	if s.Org != nil {
		config.BaseURL = "demo" // the orgs of --demo, each at a port of its own, count as one
	}
	id := snapshot.Identity{Connector: config.Kind, BaseURL: config.BaseURL}
	for {
		e, err := snapshot.Open(o.snapshot, id, input, a.Now())
		if err != nil {
			return cli.Usagef("--snapshot: %w", err)
		}
		uncompared := e.Done()
		lacks, err := o.compare(ctx, s.Conn, e, op, input)
		e.Close()
		if err != nil {
			return err
		}
		if !uncompared { // else that export is of an earlier time, and the org is compared with it
			return lacks
		}
	}
}

// compare finishes an export, prints the changes and replaces the snapshot. lacks is cli.ErrReported if a kind that was asked for is
// incomplete.
func (o *options) compare(ctx context.Context, c *host.Connection, e *snapshot.Export, op *abi.Operation, input json.RawMessage) (lacks, err error) {
	if from, dropped := e.Dropped(); dropped {
		o.app.Warnf("dropped the interrupted export that began %s: it has other --kinds, or is older than 24 hours", from.Local().Format(time.DateTime))
	}
	switch from, resumed := e.Resumed(); {
	case e.Done():
		o.app.Notef("comparing the export that began %s, whose changes were not printed. A new export follows", from.Local().Format(time.DateTime))
	case resumed:
		o.app.Notef("continuing the export that began %s", from.Local().Format(time.DateTime))
	}
	if err := o.export(ctx, c, e, op, input); err != nil {
		return nil, err
	}
	compared, err := o.compared(op, e.Report())
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriter(o.app.Output())
	sum, err := e.Finish(compared, o.printer(out))
	if err != nil {
		return nil, err
	}
	if o.ndjson() && len(compared.Incomplete) > 0 {
		if err := errors.Join(json.NewEncoder(out).Encode(map[string]any{"incomplete": compared.Incomplete}), out.Flush()); err != nil {
			return nil, err
		}
	}
	o.report(sum, compared)
	if slices.ContainsFunc(o.kinds, func(kind string) bool { return slices.Contains(compared.Incomplete, kind) }) {
		lacks = cli.ErrReported
	}
	return lacks, nil
}

// export reads the pages that are missing, and makes each durable.
func (o *options) export(ctx context.Context, c *host.Connection, e *snapshot.Export, op *abi.Operation, input json.RawMessage) error {
	if e.Done() {
		return nil
	}
	for page, err := range c.TablePages(ctx, op.Name, input, e.Cursor()) {
		if outcome := (host.OutcomeError{Outcome: abi.Invalid}); errors.Is(err, outcome) && e.Cursor() != "" {
			return errors.Join(fmt.Errorf("%w: the interrupted export cannot continue and was dropped: run this again to begin anew", err), e.Discard())
		}
		if err != nil && e.Cursor() != "" {
			o.app.Warnf("this export is not finished: run the same command within 24 hours to continue it")
		}
		if err != nil {
			return err
		}
		for _, w := range page.Warnings {
			o.app.Warnf("%s", w)
		}
		write := func(w io.Writer) error { _, err := page.WriteTo(w); return err }
		if err := e.Page(write, page.Cursor, page.Report); err != nil {
			return err
		}
	}
	return nil
}

// compared returns how the export is compared: the kinds that were asked for, without those that it does not have whole.
func (o *options) compared(op *abi.Operation, report json.RawMessage) (snapshot.Options, error) {
	all := snapshot.Options{Kinds: o.kinds, Ignore: o.ignored}
	incomplete := gjson.GetBytes(report, "incomplete")
	if !incomplete.IsArray() {
		return all, fmt.Errorf("%s does not say which kinds are incomplete: use a newer module", op.Name)
	}
	for _, kind := range incomplete.Array() {
		all.Incomplete = append(all.Incomplete, kind.String())
	}
	for _, kind := range gjson.GetBytes(report, "kinds").Array() {
		if !slices.Contains(all.Kinds, kind.String()) {
			all.Kinds = append(all.Kinds, kind.String())
		}
	}
	return all, nil
}

// ndjson reports whether the changes are printed as NDJSON.
func (o *options) ndjson() bool {
	_, terminal := term.Columns(o.app.Stdout)
	return o.format == "ndjson" || o.format == "" && !terminal
}

// printer returns a function that prints a change. The changes are printed before the snapshot is replaced.
func (o *options) printer(out *bufio.Writer) func(snapshot.Change) error {
	if o.ndjson() {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return func(c snapshot.Change) error {
			if err := enc.Encode(c); err != nil {
				return err
			}
			return out.Flush()
		}
	}
	return func(c snapshot.Change) error {
		if _, err := out.WriteString(text(c)); err != nil {
			return err
		}
		return out.Flush()
	}
}

// text returns a change as lines for people.
func text(c snapshot.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-7s  %s  %s", c.Change, term.OneLine(c.Kind), term.OneLine(c.ID))
	if c.Unsure {
		b.WriteString("  (perhaps older: the last export did not have all)")
	}
	b.WriteByte('\n')
	if c.Change != snapshot.Changed {
		if line := plain(c.Record); line != "" {
			fmt.Fprintf(&b, "         %s\n", line)
		}
	}
	for _, f := range c.Fields {
		fmt.Fprintf(&b, "         %s: %s -> %s\n", term.OneLine(f.Path), value(f.Before), value(f.After))
	}
	return b.String()
}

// plain returns the members of a record that are texts, numbers or booleans, up to a width.
func plain(record json.RawMessage) string {
	var all []string
	gjson.ParseBytes(record).ForEach(func(name, v gjson.Result) bool {
		if !v.IsObject() && !v.IsArray() && v.Type != gjson.Null && name.String() != "id" {
			all = append(all, name.String()+"="+v.String())
		}
		return true
	})
	return cut(strings.Join(all, " "), 110)
}

// value returns a value before or after a change.
func value(v json.RawMessage) string {
	if v == nil {
		return "(none)"
	}
	return cut(string(v), 60)
}

// cut returns a text on one line, with at most so many characters.
func cut(s string, most int) string {
	if r := []rune(term.OneLine(s)); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return term.OneLine(s)
}

// report says on stderr what was found.
func (o *options) report(sum snapshot.Summary, compared snapshot.Options) {
	a := o.app
	if len(compared.Incomplete) > 0 {
		a.Warnf("%s: not all objects could be read, so nothing of these kinds counts as removed", strings.Join(compared.Incomplete, ", "))
	}
	first := 0
	for _, n := range sum.First {
		first += n
	}
	if first > 0 {
		a.Notef("%s of kinds that the snapshot did not have: later runs compare them", cli.Counted(int64(first), "object"))
	}
	if !sum.Since.IsZero() && a.ReportsSuccess() {
		a.Notef("since %s: %d added, %d removed, %d changed", sum.Since.Local().Format(time.DateTime),
			sum.Changes[snapshot.Added], sum.Changes[snapshot.Removed], sum.Changes[snapshot.Changed])
	}
}
