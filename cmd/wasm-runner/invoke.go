package main

import (
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
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

func invokeCommand(a *cli.App) *cobra.Command {
	var plan, approve bool
	var auditFile string
	cmd := &cobra.Command{
		Use:   "invoke OP [JSON | @file | -]",
		Short: "Run an operation once: an action, or a read",
		Long: `Runs an operation once and prints its result as one JSON object:
{operation, outcome, output, next_cursor, error, meta}.

The input is JSON, @file, or - for stdin; without one it is {}. An outcome other than succeeded and unchanged
also prints one line on stderr, and sets the exit code.

With --plan no write is sent. The outcome is planned, and the result lists the writes that would be sent and what is
there now: text at a terminal, JSON in a pipe or file. A plan that would change nothing is unchanged; one that would fail has the failure and its exit code. It does
not use an idempotency key. Where the connection says approve: [destructive], such an operation shows its plan and asks,
on the terminal; --approve answers yes.
With --idempotency-key the operation happens once, however often the command is run in the next 7 days and whatever
ended it: a run that was killed in the middle is settled by reading back.

Exit codes:
` + cli.ExitTable(),
		Example: `  wasm-runner --demo invoke lookup_user '{"user":"ada.lovelace@example.com"}'
  wasm-runner --grant destructive invoke deactivate_user '{"user":"00u1abcd"}'
  wasm-runner --grant destructive invoke deactivate_user '{"user":"00u1abcd"}' --plan
  echo '{"status":"LOCKED_OUT"}' | wasm-runner invoke list_users - | jq .output.records`,
		Args:              cli.OperationArgs(2),
		ValidArgsFunction: a.CompleteOperation("axon"),
	}
	cmd.Flags().BoolVar(&plan, "plan", false, "show the writes that would be sent, and send none")
	cmd.Flags().BoolVar(&approve, "approve", false, "approve what the connection wants approved, without being asked")
	cmd.Flags().StringVar(&a.Flags.IdempotencyKey, "idempotency-key", "", "run once for this `key`: the same key again answers the recorded result")
	cmd.Flags().StringVar(&a.Flags.Journal, "journal", "", "`file` that remembers keys and counts writes (default okta-connector/journal in $XDG_STATE_HOME or ~/.local/state)")
	cmd.Flags().StringVar(&auditFile, "audit", "", "append what this invoke does to a `file`, in JSON lines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := a.ReadInput(cmd.Context(), cli.Input{By: "input", Arg: cli.Arg(args, 1), Operation: args[0]})
		if err != nil {
			return err
		}
		var auditor host.Auditor
		if auditFile != "" {
			f, err := host.OpenAuditFile(auditFile)
			if err != nil {
				return cli.Usagef("--audit: %w", bare(err))
			}
			defer func() { _ = f.Close() }()
			auditor = f
		}
		s, err := a.Connect(cmd.Context(), func(o *host.ConnectOptions) {
			o.Approver, o.Auditor = approver(a, approve, cli.Arg(args, 1) == "-"), auditor
		})
		if err != nil {
			return err
		}
		defer s.Close()
		result, failure := s.Conn.Invoke(cmd.Context(), args[0], in, host.InvokeOptions{Timeout: a.Flags.Timeout, Plan: plan, IdempotencyKey: a.Flags.IdempotencyKey})
		for _, w := range result.Meta.Warnings {
			a.Warnf("%s: %s", result.Operation, w)
		}
		if _, person := term.Columns(a.Stdout); person && plan && result.Plan != nil && (result.Outcome == abi.Planned || result.Outcome == abi.Unchanged) {
			if _, err := io.WriteString(a.Stdout, shownPlan(s.Conn, result)); err != nil {
				return fmt.Errorf("the plan could not be written: %w", err)
			}
			sayUnsent(a, result)
			return failure
		}
		sayUnsent(a, result)
		if more := moreRecords(s.Module, result, in); more != "" {
			a.Warnf("%s: %s", result.Operation, more)
		}
		enc := json.NewEncoder(a.Stdout)
		enc.SetEscapeHTML(false) // the output is Okta's, byte for byte
		if err := enc.Encode(result); err != nil {
			return fmt.Errorf("the outcome of %s is %s, but the result could not be written: %w", result.Operation, result.Outcome, err)
		}
		return failure
	}
	return cmd
}

// sayUnsent says on stderr of a result that looks like that of a write that this run has not sent any: it was a plan, or an
// earlier run has sent it.
func sayUnsent(a *cli.App, r *abi.Result) {
	switch {
	case r.Outcome == abi.Planned && len(r.Plan.Writes) == 1:
		a.Warnf("%s: nothing was sent: 1 write would be (%s)", r.Operation, request(r.Plan.Writes[0]))
	case r.Outcome == abi.Planned:
		all := make([]string, len(r.Plan.Writes))
		for i, w := range r.Plan.Writes {
			all[i] = request(w)
		}
		a.Warnf("%s: nothing was sent: %d writes would be (%s)", r.Operation, len(all), strings.Join(all, "; "))
	case r.Outcome == abi.Unchanged && r.Plan != nil:
		a.Warnf("%s: nothing was sent, and no write would be: it already is so", r.Operation)
	case r.Meta.Replayed && !r.Meta.RecordedAt.IsZero():
		a.Warnf("%s: nothing was sent: this is the result of the run with the same idempotency key that ended %s", r.Operation, r.Meta.RecordedAt.Format(time.RFC3339))
	case r.Meta.Replayed:
		a.Warnf("%s: nothing was sent: this is the result of an earlier run with the same idempotency key", r.Operation)
	}
}

// request is a planned write in short: method and target.
func request(w abi.PlannedWrite) string {
	method, _, _ := strings.Cut(w.Endpoint, " ")
	return method + " " + w.Target
}

// bare is the error of a file without what packages put before it: the flag is prefix enough.
func bare(err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return file
	}
	return err
}

// moreRecords says that a list was cut although nobody asked for that, "" where it was not. A source's operation always
// has a cursor: it reads one page.
func moreRecords(m *host.Module, result *abi.Result, input json.RawMessage) string {
	op, err := m.Operation(result.Operation)
	if err != nil || result.NextCursor == "" || !result.Outcome.OK() || op.On(abi.Ingest) || cli.HasMember(input, "limit") {
		return ""
	}
	const said = "next_cursor goes on" // by a warning of why it was cut
	if slices.ContainsFunc(result.Meta.Warnings, func(w string) bool { return strings.Contains(w, said) }) {
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
