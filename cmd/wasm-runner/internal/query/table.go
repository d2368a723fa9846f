package query

import (
	"bufio"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

func NewTableCommand(a *cli.App) *cobra.Command {
	var format string
	var opts host.TableOptions
	cmd := &cobra.Command{
		Use:   "table OP [JSON | @file | -]",
		Short: "Read an operation as rows of typed columns",
		Long: `Reads an operation as rows. NULL is empty in a table and in CSV, and null in JSON.

The table format is for eyes: it cuts cells that are wider than 60 (…) and leaves out JSON columns, columns without a
value, and on a terminal those that do not fit. Columns that --columns names are all there, cut to fit a terminal. The other formats are whole. What a user
wrote into a name stands in CSV as it is: open it in a spreadsheet as text, where "=…" would be a formula.`,
		Example: `  wasm-runner --demo table list_users --columns login,status,last_login --limit 10
  wasm-runner table list_users '{"status":"LOCKED_OUT"}' --format csv > locked.csv
  wasm-runner table bounded_system_log_range @range.json --format ndjson | jq .event_type`,
		ValidArgsFunction: a.CompleteOperation(abi.SQL),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.OperationArgs(2)(cmd, args); err != nil {
				return err
			}
			if opts.Limit < 0 {
				return cli.Usagef("--limit: %d is negative", opts.Limit)
			}
			if cmd.Flags().Changed("columns") && len(opts.Columns) == 0 {
				return cli.Usagef("--columns names none: leave it out for all")
			}
			return cli.OneOf("format", format, rows.Formats())
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, ndjson, json or csv")
	cmd.Flags().StringSliceVar(&opts.Columns, "columns", nil, "columns `a,b` in this order (default all)")
	cmd.Flags().IntVar(&opts.Limit, "limit", 0, "most rows; 0 is all that there are")
	cli.CompleteFixed(cmd, "format", rows.Formats())
	cli.CompleteFlag(cmd, "columns", completeColumns(a))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := a.ReadInput(cmd.Context(), cli.Input{By: "input", Arg: cli.Arg(args, 1), Operation: args[0]})
		if err != nil {
			return err
		}
		s, err := a.Connect(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		s.LimitMemory()
		chosen := opts.Columns != nil
		if format == "table" && !chosen {
			if op, err := s.Module.Operation(args[0]); err == nil {
				opts.Columns = plainColumns(op.Columns)
			}
		}
		opts.Warn = a.Warner(args[0])
		read, err := s.Conn.Table(cmd.Context(), args[0], in, opts)
		if err != nil {
			return err
		}
		room, _ := term.Columns(a.Stdout)
		out := bufio.NewWriter(a.Stdout)
		w := rows.New(format, out, read.Columns(), rows.Layout{Named: chosen, Room: room, Warn: a.Warnf, More: "name those you want with --columns, or take --format csv"})
		some := false
		for row, err := range read.All() {
			if err != nil {
				if some { // a header alone would look like an answer
					_ = w.End() // the rows so far; the first error counts
					_ = out.Flush()
				}
				return err
			}
			some = true
			if err := w.Row(row.Values); err != nil {
				return err
			}
		}
		if err := w.End(); err != nil {
			return err
		}
		return out.Flush()
	}
	return cmd
}

// plainColumns are the columns that fit into a table for eyes: all but JSON.
func plainColumns(columns []abi.Column) []string {
	var names []string
	for _, c := range columns {
		if c.Type != abi.JSON {
			names = append(names, c.Name)
		}
	}
	return names
}

// completeColumns completes the last of a list of columns.
func completeColumns(a *cli.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		m, err := a.LoadModule(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer func() { _ = m.Close(cmd.Context()) }()
		op, err := m.Operation(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		var lists []cobra.Completion
		for _, c := range op.Columns {
			lists = append(lists, before+c.Name)
		}
		return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
