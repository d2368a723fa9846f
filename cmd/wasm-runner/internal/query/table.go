package query

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

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
		Long: `Reads an operation as rows. NULL is empty in a table and in CSV, and null in JSON. Times in the input may be written as
RFC 3339, 2026-01-02, -24h, 2h ago or yesterday.

The formats table and line are for people. At a terminal, table shows the most useful columns, as many as fit; describe OP
marks them. Elsewhere it shows all columns that have a value, except JSON. --columns chooses others, and cuts them to fit a
terminal. table cuts cells that are wider than 60 columns. line has a line for each column, and keeps the line breaks of a value.

The formats ndjson, json and csv have all columns, uncut. CSV holds text as users wrote it: import it as text, because a
spreadsheet runs a cell that begins with = as a formula.`,
		Example: `  wasm-runner --demo table list_users --columns login,last_login --limit 10
  wasm-runner --demo table bounded_system_log_range \
    '{"since":"-24h","until":"now"}'
  wasm-runner table list_users '{"status":"LOCKED_OUT"}' --format csv > lo.csv
  wasm-runner table bounded_system_log_range @range.json --format ndjson \
    | jq .event_type`,
		ValidArgsFunction: a.CompleteOperation(abi.SQL),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.OperationArgs(2)(cmd, args); err != nil {
				return err
			}
			if o.limit < 0 {
				return cli.Usagef("--limit: want 0 or more: found %d", o.limit)
			}
			if cmd.Flags().Changed("columns") && len(o.columns) == 0 {
				return cli.Usagef("--columns is empty: name columns, or leave it out")
			}
			return cli.OneOf("format", o.format, rows.Formats())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "table", "`format` of the rows: table, line, ndjson, json or csv")
	cli.ListVar(f, &o.columns, "columns", "show the columns `a,b` in this order")
	f.IntVar(&o.limit, "limit", 0, "read at most this `number` of rows; 0 is no limit")
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
	if in, err = a.InputTimes(s.Module, "input", o.operation, in); err != nil {
		return err
	}
	opts := host.TableOptions{Columns: o.columns, Limit: o.limit, Warn: a.Warner(o.operation)}
	room, terminal := term.Columns(a.Stdout)
	var display display
	if (o.format == "table" || o.format == "line") && o.columns == nil {
		if op, err := s.Module.Operation(o.operation); err == nil {
			opts.Columns = plainColumns(op.Columns)
			if o.format == "table" && terminal && len(op.Display) > 0 {
				display = newDisplay(op)
				opts.Columns = display.columns
			}
		}
	}
	read, err := s.Conn.Table(ctx, o.operation, in, opts)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(a.Output())
	w := rows.New(o.format, out, read.Columns(), rows.Layout{Named: o.columns != nil, Ranked: display.columns != nil, Room: room, Warn: a.Warnf,
		More: "name the columns you want with --columns, or use --format csv"})
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
		if err := w.Row(display.values(row.Values)); err != nil {
			return err
		}
	}
	if err := w.End(); err != nil {
		return err
	}
	return out.Flush()
}

// display is what a table at a terminal shows of an operation's columns. The zero value shows all values as they are.
type display struct {
	columns []string
	paths   []string // by column: what is shown of a JSON value, "" for the whole of it
}

// newDisplay returns the columns that the manifest marks as useful.
func newDisplay(op *abi.Operation) (d display) {
	for _, entry := range op.Display {
		name, path, _ := strings.Cut(entry, ":")
		d.columns, d.paths = append(d.columns, name), append(d.paths, path)
	}
	return d
}

// values returns the values of a row as they are shown. It may change the slice.
func (d *display) values(row []any) []any {
	for i := range d.paths {
		switch v := row[i].(type) {
		case json.RawMessage:
			row[i] = shortened(gjson.ParseBytes(v), d.paths[i])
		case time.Time: // 20 columns, which always fit
			row[i] = v.UTC().Format("2006-01-02 15:04:05Z")
		}
	}
	return row
}

// shortened returns the value at a path of a JSON value. For an array it returns those of the elements, separated by commas.
// An object without a path stays JSON.
func shortened(v gjson.Result, path string) any {
	if v.IsArray() {
		var texts []string
		for _, element := range v.Array() {
			if text, is := shortened(element, path).(string); is {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, ", ")
	}
	if path != "" {
		for key := range strings.SplitSeq(path, ".") {
			v = v.Get(gjson.Escape(key))
		}
	}
	if v.Type == gjson.Null {
		return nil
	}
	return v.String()
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
