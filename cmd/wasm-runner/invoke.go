package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/result"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/durable"
)

// invokeOptions are the options of one run of invoke.
type invokeOptions struct {
	app              *cli.App
	operation, input string // the arguments
	plan, approve    bool
	format           string // text or json; "" is text at a terminal and json elsewhere
	key              string // --idempotency-key
	journal, audit   string // files
}

// newInvokeCommand returns the command invoke.
func newInvokeCommand(a *cli.App) *cobra.Command {
	o := invokeOptions{app: a}
	formats := []string{"text", "json"}
	cmd := &cobra.Command{
		Use:   "invoke OP [JSON | @file | -]",
		Short: "Run an operation once: an action, or a read",
		Long: `Runs an operation once and prints its result. At a terminal the result is text. In a pipe or file it is one JSON object:
{operation, outcome, output, next_cursor, error, meta}. For every outcome except succeeded, unchanged and planned, a line on
stderr says what failed, and the exit code is that of the outcome.

The input is JSON, @file, or - for stdin. Without an input it is {}. Times in it may be written as RFC 3339, 2026-01-02, -24h,
2h ago or yesterday.

--plan sends no write. The outcome is planned, and the result lists the writes that would be sent and the current state. If
nothing would change, the outcome is unchanged. If the operation would fail, the plan has that outcome and exit code. A plan
does not use an idempotency key.

If the connection has approve: [destructive], a destructive operation shows its plan and asks at the terminal. --approve
answers yes.

With --idempotency-key the operation happens once, however often the command runs in the next 7 days. If a run was killed, the
next one reads back what it did.

Exit codes:
` + cli.ExitTable(),
		Example: `  wasm-runner --demo invoke lookup_user '{"user":"ada.lovelace@example.com"}'
  wasm-runner --grant write invoke reactivate_user '{"user":"00u1abcd"}' --plan
  wasm-runner --grant destructive invoke deactivate_user '{"user":"00u1abcd"}'
  echo '{"limit":2}' | wasm-runner invoke list_users - | jq .output.records`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.OperationArgs(2)(cmd, args); err != nil || o.format == "" {
				return err
			}
			return cli.OneOf("format", o.format, formats)
		},
		ValidArgsFunction: a.CompleteOperation("axon"),
	}
	f := cmd.Flags()
	f.BoolVar(&o.plan, "plan", false, "show the writes that would be sent, but send none")
	f.BoolVar(&o.approve, "approve", false, "answer yes to the question for approval")
	f.StringVar(&o.format, "format", "", "`format` of the result: text or json (default text at a terminal, else json)")
	f.StringVar(&o.key, "idempotency-key", "", "run once for this `key`: a later run with the same key prints the recorded result")
	f.StringVar(&o.journal, "journal", "", "`file` with the keys and the number of writes (default okta-connector/journal in $XDG_STATE_HOME or ~/.local/state)")
	f.StringVar(&o.audit, "audit", "", "append a record of this invoke to a `file` of JSON lines")
	cli.CompleteFixed(cmd, "format", formats)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.operation, o.input = args[0], cli.Arg(args, 1)
		return o.run(cmd.Context())
	}
	return cmd
}

// run invokes the operation and prints the result.
func (o *invokeOptions) run(ctx context.Context) error {
	a := o.app
	in, err := a.ReadInput(ctx, cli.Input{By: "input", Arg: o.input, Operation: o.operation})
	if err != nil {
		return err
	}
	want := cli.ConnectOptions{Approver: approver(a, o.approve, o.input == "-"), Journal: o.journal, Keyed: o.key != ""}
	if o.audit != "" {
		f, err := host.OpenAuditFile(o.audit)
		if err != nil {
			return cli.Usagef("--audit: %w", pathError(err))
		}
		defer func() { _ = f.Close() }() // each line is synced
		want.Auditor = f
		want.Need.Files.Rewrite(o.audit)
	}
	s, err := a.Connect(ctx, want)
	if err != nil {
		return err
	}
	defer s.Close()
	if in, err = a.InputTimes(s.Module, "input", o.operation, in); err != nil {
		return err
	}
	answer, failure := s.Conn.Invoke(ctx, o.operation, in, host.InvokeOptions{Timeout: a.Flags.Timeout, Plan: o.plan, IdempotencyKey: o.key})
	for _, w := range answer.Meta.Warnings {
		a.Warnf("%s: %s", answer.Operation, w)
	}
	warn := func() {
		warnUnsent(a, answer)
		if more := moreRecords(s.Module, answer, in); more != "" {
			a.Warnf("%s: %s", answer.Operation, more)
		}
	}
	if _, terminal := term.Columns(a.Stdout); o.format == "text" || o.format == "" && terminal {
		err = o.printText(s, answer)
		warn() // below the result, where a person looks
	} else {
		warn()
		err = encode(a, answer)
	}
	if err != nil {
		return fmt.Errorf("the outcome of %s is %s, but the result could not be written: %w", answer.Operation, answer.Outcome, err)
	}
	return failure
}

// printText writes the result for people. It writes nothing for a failure that the message on stderr describes
// completely.
func (o *invokeOptions) printText(s *cli.Session, r *abi.Result) error {
	a := o.app
	style := styleOf(a, a.Stdout)
	text := ""
	switch _, seen := term.Columns(a.Stderr); {
	case o.plan && r.Plan != nil && (r.Outcome == abi.Planned || r.Outcome == abi.Unchanged):
		var class abi.Class
		if op, err := s.Module.Operation(r.Operation); err == nil {
			class = op.Class
		}
		text = style.Plan(r, s.Conn.Config().Name, class)
	case r.Outcome.OK(), !seen, a.JSON, len(r.Output) > 0, result.Sent(r):
		text = style.Text(r)
	}
	_, err := io.WriteString(a.Stdout, text)
	return err
}

// warnUnsent warns if this run sent no write, although its result looks like that of a write. It was a plan, or an
// earlier run sent the write.
func warnUnsent(a *cli.App, r *abi.Result) {
	switch {
	case r.Outcome == abi.Planned:
		a.Warnf("%s: nothing was sent: %s would be sent (%s)", r.Operation, cli.Counted(int64(len(r.Plan.Writes)), "write"), result.Requests(r.Plan))
	case r.Outcome == abi.Unchanged && r.Plan != nil:
		a.Warnf("%s: nothing was sent, and no write is needed: nothing would change", r.Operation)
	case r.Meta.Replayed && !r.Meta.RecordedAt.IsZero():
		a.Warnf("%s: nothing was sent: this is the result of the run with the same idempotency key that ended %s", r.Operation, r.Meta.RecordedAt.Format(time.RFC3339))
	case r.Meta.Replayed:
		a.Warnf("%s: nothing was sent: this is the result of an earlier run with the same idempotency key", r.Operation)
	}
}

// pathError returns the error of a file without the prefixes that packages add, since the message begins with the flag.
func pathError(err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return file
	}
	if folder := durable.FolderError(""); errors.As(err, &folder) {
		return folder
	}
	return err
}

// moreRecords returns a warning if a list has more records and the input had no limit, else "". It ignores operations
// of sources: they read one page and always have a cursor.
func moreRecords(m *host.Module, result *abi.Result, input json.RawMessage) string {
	op, err := m.Operation(result.Operation)
	if err != nil || result.NextCursor == "" || !result.Outcome.OK() || op.On(abi.Ingest) || cli.HasMember(input, "limit") {
		return ""
	}
	const ownWarning = "next_cursor goes on" // part of the host's own warning about the cut
	if slices.ContainsFunc(result.Meta.Warnings, func(w string) bool { return strings.Contains(w, ownWarning) }) {
		return ""
	}
	n := gjson.GetBytes(result.Output, "records.#").Int()
	text := fmt.Sprintf("these are %s, and there are more: give the result's next_cursor as cursor to go on", cli.Counted(n, "record"))
	if gjson.GetBytes(op.InputSchema, "properties.limit").Exists() {
		text += ", or a larger limit"
	}
	if op.On(abi.SQL) {
		text += ", or use wasm-runner table, which reads all"
	}
	return text
}
