package query

import (
	"bufio"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

// tableOptions is one run of table.
type tableOptions struct {
	app              *cli.App
	operation, input string // the arguments
	format           string
	columns          []string // nil for all
	limit            int
}

// NewTableCommand returns the command table.
func NewTableCommand(a *cli.App) *cobra.Command {
	o := tableOptions{app: a}
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
			if o.limit < 0 {
				return cli.Usagef("--limit: %d is negative", o.limit)
			}
			if cmd.Flags().Changed("columns") && len(o.columns) == 0 {
				return cli.Usagef("--columns names none: leave it out for all")
			}
			for i, name := range o.columns {
				o.columns[i] = strings.TrimSpace(name)
			}
			return cli.OneOf("format", o.format, rows.Formats())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "table", "table, ndjson, json or csv")
	f.StringSliceVar(&o.columns, "columns", nil, "columns `a,b` in this order (default all)")
	f.IntVar(&o.limit, "limit", 0, "most rows; 0 is all that there are")
	cli.CompleteFixed(cmd, "format", rows.Formats())
	cli.CompleteFlag(cmd, "columns", completeColumns(a))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.operation, o.input = args[0], cli.Arg(args, 1)
		return o.run(cmd.Context())
	}
	return cmd
}

// run reads the rows and writes them.
func (o *tableOptions) run(ctx context.Context) error {
	a := o.app
	in, err := a.ReadInput(ctx, cli.Input{By: "input", Arg: o.input, Operation: o.operation})
	if err != nil {
		return err
	}
	s, err := a.Connect(ctx, cli.ConnectOptions{})
	if err != nil {
		return err
	}
	defer s.Close()
	s.LimitMemory()
	opts := host.TableOptions{Columns: o.columns, Limit: o.limit, Warn: a.Warner(o.operation)}
	if o.format == "table" && o.columns == nil {
		if op, err := s.Module.Operation(o.operation); err == nil {
			opts.Columns = plainColumns(op.Columns)
		}
	}
	read, err := s.Conn.Table(ctx, o.operation, in, opts)
	if err != nil {
		return err
	}
	room, _ := term.Columns(a.Stdout)
	out := bufio.NewWriter(a.Stdout)
	w := rows.New(o.format, out, read.Columns(), rows.Layout{Named: o.columns != nil, Room: room, Warn: a.Warnf,
		More: "name those you want with --columns, or take --format csv"})
	some := false
	for row, err := range read.All() {
		if err != nil {
			if some { // a header alone would look like an answer
				_ = w.End() // write the rows so far; the first error counts
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

// plainColumns returns the names of the columns that a table for people shows: all but JSON.
func plainColumns(columns []abi.Column) []string {
	var names []string
	for _, c := range columns {
		if c.Type != abi.JSON {
			names = append(names, c.Name)
		}
	}
	return names
}

// completeColumns completes the last name of a list of columns.
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
