// Package query has the commands that answer a query with rows: sql, table.
package query

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/guest/okta/compat"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/sql"
)

// maxScript is the largest script that sql reads, in bytes.
const maxScript = 16 << 20

// sqlOptions is one run of sql.
type sqlOptions struct {
	app       *cli.App
	query     string // the argument
	given     bool   // whether there is one
	file      string
	printer   printer
	config    sql.Config
	maxMemory int64 // MiB
	stats     bool  // say after each statement what it read
	compat    string
}

// NewSQLCommand returns the command sql.
func NewSQLCommand(a *cli.App) *cobra.Command {
	o := sqlOptions{app: a, printer: printer{app: a}}
	cmd := &cobra.Command{
		Use:   "sql [QUERY | -]",
		Short: "Query connections with SQL (DuckDB)",
		Long: `Runs SQL over all connections of the connection file, or over the one of --connection. DuckDB runs it, in a process of
its own. Without a query it opens a shell at a terminal, and runs the statements that come through a pipe.

Each connection has a schema with its name. A kind that has one connection is a schema too (okta.users). A view needs no
schema where one connection has it. A name that can mean several connections is an error. SHOW TABLES lists the views, and
DESCRIBE okta.users lists the columns of one. These functions call any operation of the sql surface:

  connector_table(CONNECTION, OPERATION, INPUT)   its rows
  connector_scalar(CONNECTION, OPERATION, INPUT)  one object as JSON, or NULL if
                                                  there is none; a list is an
                                                  array
  connector_try(CONNECTION, OPERATION, INPUT)     the same, with NULL for an
                                                  error

CONNECTION is a name or a kind. A time in INPUT may be written as -24h, 2h ago or yesterday. Equal calls of connector_scalar in a
statement run once.

A condition on a view is sent to the service where the service can answer it, and so is ORDER BY with LIMIT. EXPLAIN shows what
is sent, --stats what it took. A LIMIT stops the paging. connector_table gets its input as it is. Times are in UTC.

--compat steampipe adds the tables of Steampipe's plugin for Okta (okta_user, okta_group, …), and the functions of Postgres that its
queries use. Queries that were written for it run as they are.

Several statements have a semicolon between them, and each has its own result. table, line and csv have an empty line between
two results. json has an array for each.

A query cannot read files, open connections or change settings. --allow-files lets it read and write files of this machine:
read_csv('people.csv'), COPY (SELECT …) TO 'users.parquet'. --allow-files=FOLDER,FOLDER allows files in these folders only.
--database keeps the tables that it creates, in a file that no other user can read.

The process of DuckDB has no token. It ends when a statement exceeds --max-time or --max-memory, or makes DuckDB crash. Other
statements go on. On Linux this process can use no other file and no network (landlock, seccomp). On other systems the
kernel does not confine it, and --max-memory limits only the memory that DuckDB counts.`,
		Example: `  wasm-runner --demo sql "SELECT login FROM okta.users LIMIT 5"
  wasm-runner --demo sql "FROM connector_table('okta', 'list_zones', '{}')"
  wasm-runner sql --allow-files "COPY (FROM okta.users) TO 'users.parquet'"
  wasm-runner sql --database okta.duckdb -f report.sql`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("sql takes one query and got %d arguments: put it into quotes", len(args))
			}
			o.query, o.given = cli.Arg(args, 0), len(args) == 1
			return o.check()
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "run the statements of a `file`; - is stdin")
	f.StringVar(&o.printer.format, "format", "table", "`format` of the rows: table, line, ndjson, json or csv")
	cli.ListVar(f, &o.printer.columns, "columns", "show the columns `a,b` of the result in this order (default all)")
	f.StringVar(&o.config.Database, "database", "", "DuckDB `file` that keeps tables; created if it is missing (default memory)")
	f.Var(&filesFlag{&o.config}, "allow-files", "let queries read and write files: any file, or with a value those in `folders`")
	f.Lookup("allow-files").NoOptDefVal = everyFile
	f.IntVar(&o.config.Limits.Pages, "max-pages", 2_000, "largest `number` of pages and single objects that a statement reads")
	f.DurationVar(&o.config.Limits.Time, "max-time", time.Hour, "longest `time` that a statement runs")
	f.Int64Var(&o.maxMemory, "max-memory", 4096, "most memory that DuckDB uses, in `MiB`")
	f.BoolVar(&o.stats, "stats", false, "say after each statement how many requests, pages and rows it took, by operation")
	f.StringVar(&o.compat, "compat", "", "also have the tables of another `tool`, by the names that its queries use: steampipe")
	cli.CompleteFixed(cmd, "format", rows.Formats())
	cli.CompleteFixed(cmd, "compat", compatible)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		err := o.run(cmd.Context())
		if wrong := (*sql.Error)(nil); errors.As(err, &wrong) && cmd.Context().Err() == nil {
			return cli.Usagef("%w", err) // the query is wrong
		}
		return err
	}
	return cmd
}

// compatible are the values of --compat.
var compatible = []string{"steampipe"}

// schemas returns the schemas of --compat, for connections of a kind.
func (o *sqlOptions) schemas(kind string) ([]sql.Schema, error) {
	if o.compat == "" {
		return nil, nil
	}
	if kind != compat.Kind {
		return nil, cli.Usagef("--compat %s has tables for connections of kind %s, and these are of kind %s: leave it out", o.compat, compat.Kind, kind)
	}
	return []sql.Schema{{Name: o.compat, Kind: kind, Statements: compat.Steampipe(), Elements: compat.Elements()}}, nil
}

// everyFile is the value of --allow-files without one.
const everyFile = "true"

// filesFlag is --allow-files: which files queries may use.
type filesFlag struct{ config *sql.Config }

// String implements pflag.Value.
func (f *filesFlag) String() string {
	switch {
	case f.config == nil || !f.config.AllowFiles:
		return ""
	case len(f.config.Folders) == 0:
		return everyFile
	}
	return strings.Join(f.config.Folders, ",")
}

// Type implements pflag.Value.
func (f *filesFlag) Type() string { return "folders" }

// Set implements pflag.Value.
func (f *filesFlag) Set(value string) error {
	switch value {
	case everyFile:
		f.config.AllowFiles, f.config.Folders = true, nil
	case "false":
		f.config.AllowFiles, f.config.Folders = false, nil
	default:
		for folder := range strings.SplitSeq(value, ",") {
			if folder == "" {
				return errors.New("a folder has no name: write --allow-files=FOLDER,FOLDER, or --allow-files for every file")
			}
			f.config.Folders = append(f.config.Folders, folder)
		}
		f.config.AllowFiles = true
	}
	return nil
}

// minMemory is the least --max-memory, in MiB.
const minMemory = 8

// folderName matches a query that is surely meant as the folder of --allow-files: no statement but CHECKPOINT is one word and uses
// files.
var folderName = regexp.MustCompile(`^[\w./~-]*[\w/.]$`)

func (o *sqlOptions) check() error {
	switch {
	case o.given && o.file != "":
		return cli.Usagef("a query and --file contradict each other: give one")
	case o.config.AllowFiles && len(o.config.Folders) == 0 && folderName.MatchString(o.query) && !strings.EqualFold(o.query, "checkpoint"):
		return cli.Usagef("%q is no query: to name a folder, write --allow-files=%s", o.query, o.query)
	case o.config.Limits.Pages < 1 || o.config.Limits.Time <= 0 || o.maxMemory < 1:
		return cli.Usagef("--max-pages, --max-time and --max-memory must be greater than 0")
	case o.maxMemory < minMemory:
		return cli.Usagef("--max-memory: want %d MiB or more, which DuckDB needs to start: found %d", minMemory, o.maxMemory)
	case o.app.Flags.Config == "-" && o.readsStdin():
		return cli.Usagef("--config - and the query both come from standard input: put one into a file")
	}
	if o.compat != "" {
		if err := cli.OneOf("compat", o.compat, compatible); err != nil {
			return err
		}
	}
	return cli.OneOf("format", o.printer.format, rows.Formats())
}

// run runs the statements, or opens the shell.
func (o *sqlOptions) run(ctx context.Context) error {
	if !sql.Available {
		_, err := sql.Open(ctx, o.config) // its error says how to get SQL
		return err
	}
	a := o.app
	script, interactive, err := o.readScript()
	if err != nil {
		return err
	}
	if !interactive && len(sql.Statements(script)) == 0 {
		return cli.Usagef("there is no statement to run: give a query, such as \"SHOW TABLES\"")
	}
	config := o.config
	need := o.need(interactive)
	if a.Confines() {
		if config.Starter, err = o.starter(); err != nil {
			return err
		}
		defer config.Starter.Close()
	}
	s, leftOut, err := connectAll(ctx, a, need)
	if err != nil {
		return err
	}
	defer s.Close()
	config.LeftOut = leftOut
	if config.Schemas, err = o.schemas(s.Module.Manifest().Kind); err != nil {
		return err
	}
	config.Stdin, config.Stdout = file(a.Stdin), file(a.Stdout)
	config.Connections, config.Logger, config.Limits.Memory = s.Connections(), a.Logger(), o.maxMemory<<20
	config.Warn = func(operation, warning string) { a.Warnf("%s: %s", operation, warning) }
	p := o.printer
	config.Stats = func(_ string, counts []sql.Count) {
		if p.read = counts; o.stats && !p.shell {
			a.Warnf("%s", countsText(counts))
		}
	}
	db, err := sql.Open(ctx, config)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("--database: %w", err)
	}
	if err != nil {
		return err
	}
	p.out = bufio.NewWriter(a.Output())
	if interactive {
		err = runShell(ctx, a, db, &p, s)
	} else {
		err = o.runScript(ctx, db, &p, script)
	}
	return errors.Join(err, p.out.Flush(), db.Close())
}

// need returns the files that this process needs: those that it removes for DuckDB, and those of the shell. It opens no other
// file for queries.
func (o *sqlOptions) need(interactive bool) cli.Need {
	need := cli.Need{Long: true}
	if o.config.AllowFiles {
		for _, folder := range append(o.config.Folders, ".") {
			need.Files.Write(folder)
		}
	}
	if !interactive {
		return need
	}
	if history := historyFile(o.app); history != "" {
		if err := os.MkdirAll(filepath.Dir(history), 0o700); err == nil { // else the shell has no history
			need.Files.Rewrite(history)
		}
	}
	need.Files.Read(".") // for .read
	need.Files.Read(os.TempDir())
	if home, err := os.UserHomeDir(); err == nil {
		need.Files.Read(home)
	}
	return need
}

// starter returns the starter of the SQL process, which can reach the files that queries may use.
func (o *sqlOptions) starter() (*confinement.Starter, error) {
	var files confinement.Files
	if path := o.config.Database; path != "" {
		files.Rewrite(path)
	}
	switch {
	case !o.config.AllowFiles:
	case len(o.config.Folders) == 0:
		files.Write("/")
	default:
		for _, folder := range o.config.Folders {
			files.Write(folder)
		}
	}
	return confinement.NewSQLStarter(files)
}

// file returns a stream as the file that it is, or nil.
func file(stream any) *os.File {
	f, _ := stream.(*os.File)
	return f
}

// readsStdin reports whether the statements come from standard input.
func (o *sqlOptions) readsStdin() bool {
	return o.file == "-" || o.file == "" && (!o.given || o.query == "-")
}

// readScript reads the statements to run. interactive means that a person is to type them into the shell instead.
func (o *sqlOptions) readScript() (script string, interactive bool, err error) {
	a := o.app
	var r io.Reader
	switch {
	case o.given && o.query != "-":
		return o.query, false, nil
	case o.readsStdin():
		if _, person := term.Columns(a.Stdin); person && o.file == "" && !o.given {
			if _, sees := term.Columns(a.Stdout); !sees {
				return "", false, cli.Usagef("the shell needs a terminal for its output: give a query, or --file")
			}
			return "", true, nil
		}
		r = a.Interruptible(a.Stdin)
	default:
		f, err := os.Open(o.file)
		if err != nil {
			return "", false, cli.OpenError("--file", o.file, err, "name a file with SQL statements")
		}
		defer func() { _ = f.Close() }() // read only
		r = a.Interruptible(f)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return "", false, cli.Usagef("cannot read the statements: %w", err)
	}
	if len(text) > maxScript {
		return "", false, cli.Usagef("the statements are too long: want at most %d bytes", maxScript)
	}
	return string(text), false, nil
}

// connectAll loads the module and connects it to the connection that the flags name, or to all. Where there are several, it
// leaves out those that cannot be used, with a warning, and returns them.
func connectAll(ctx context.Context, a *cli.App, need cli.Need) (s *cli.Session, leftOut []sql.LeftOut, err error) {
	s = &cli.Session{}
	var configs []host.Config
	var path string
	opts := host.ConnectOptions{Limits: host.Limits{CallTimeout: a.Flags.Timeout}}
	if a.Flags.Demo {
		if s.Org, err = a.StartDemo(); err != nil {
			return nil, nil, err
		}
		configs, opts.Secrets = []host.Config{s.Org.Config()}, s.Org
	} else if configs, path, err = a.ConnectionsOf(); err != nil {
		return nil, nil, err
	}
	if s.Module, err = a.LoadModule(ctx); err != nil {
		s.Close()
		return nil, nil, err
	}
	if err := a.Confine(need, configs...); err != nil {
		s.Close()
		return nil, nil, err
	}
	if opts.Secrets == nil {
		opts.Secrets = a.Secrets()
	}
	for _, config := range configs {
		var c *host.Connection
		err := a.CheckKind(config, path)
		if err == nil {
			c, err = s.Module.Connect(ctx, a.ForReading(config), opts)
		}
		switch {
		case err == nil:
			s.Add(c)
		case len(configs) == 1:
			s.Close()
			return nil, nil, err
		default:
			a.Warnf("left out: %s", err)
			leftOut = append(leftOut, sql.LeftOut{Config: config, Reason: err})
		}
	}
	if s.Conn == nil {
		s.Close()
		return nil, nil, cli.Usagef("no connection can be used: the messages above say why")
	}
	return s, leftOut, nil
}

// printer writes the results of statements.
type printer struct {
	app     *cli.App
	out     *bufio.Writer
	format  string
	columns []string
	shell   bool        // a person types the statements
	results int         // number of results with rows
	rows    int         // rows of the last result
	read    []sql.Count // what the last statement read
}

// countsText says what a statement read.
func countsText(counts []sql.Count) string {
	if len(counts) == 0 {
		return "no requests"
	}
	var all []string
	for _, c := range counts {
		all = append(all, fmt.Sprintf("%s: %s, %s, %s", c.Operation,
			cli.Counted(int64(c.Requests), "request"), cli.Counted(int64(c.Pages), "page"), cli.Counted(int64(c.Rows), "row")))
	}
	return strings.Join(all, "; ")
}

// print writes one result. A result without columns prints nothing.
func (p *printer) print(r *sql.Result) error {
	p.rows = 0
	if len(r.Columns) == 0 {
		return nil
	}
	chosen, err := p.choose(r.Columns)
	if err != nil {
		return err
	}
	if p.results++; p.results > 1 && (p.format == "table" || p.format == "line" || p.format == "csv") {
		_ = p.out.WriteByte('\n') // Flush returns the error
	}
	columns, apart := make([]abi.Column, len(chosen)), rows.Unique(rows.Names(r.Columns))
	for i, c := range chosen {
		columns[i] = r.Columns[c]
		if p.format == "json" || p.format == "ndjson" {
			columns[i].Name = apart[c]
		}
	}
	room, _ := term.Columns(p.app.Stdout)
	if p.format == "table" && p.columns == nil && explains.MatchString(r.Statement) {
		return p.plan(r)
	}
	w := rows.New(p.format, p.out, columns, rows.Layout{Named: p.columns != nil, Room: room, Warn: p.app.Warnf, KeepEmpty: true, Shrink: true, More: p.more()})
	values := make([]any, len(chosen))
	for row, err := range r.Rows() {
		if err != nil {
			return err
		}
		for i, c := range chosen {
			values[i] = row[c]
		}
		if err := w.Row(values); err != nil {
			return err
		}
		p.rows++
	}
	if err := w.End(); err != nil {
		return err
	}
	return p.out.Flush()
}

// more returns how to see columns that do not fit.
func (p *printer) more() string {
	if p.shell {
		return "select fewer of them, or write .mode csv"
	}
	return "name the columns you want with --columns, or use --format csv"
}

// choose returns the indexes of the columns to write.
func (p *printer) choose(columns []abi.Column) (chosen []int, err error) {
	if p.columns == nil {
		for i := range columns {
			chosen = append(chosen, i)
		}
		return chosen, nil
	}
	all := rows.Unique(rows.Names(columns))
	for _, name := range p.columns {
		i := slices.Index(all, name)
		if i < 0 {
			return nil, cli.Usagef("--columns: the result has no column %q: it has %s", name, strings.Join(all, ", "))
		}
		chosen = append(chosen, i)
	}
	return chosen, nil
}
