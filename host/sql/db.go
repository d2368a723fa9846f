//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/compile"
	"github.com/mach5/okta-connector/host/internal/child"
	sqlchild "github.com/mach5/okta-connector/host/sql/internal/child"
	"github.com/mach5/okta-connector/host/sql/internal/engine"
	"github.com/mach5/okta-connector/host/sql/internal/process"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Available reports whether DuckDB is in this build.
const Available = true

// DB is a DuckDB that reads connections. It is safe for concurrent use; statements run one after another. Close it before
// its connections.
type DB struct {
	reader *reader
	config Config
	log    *slog.Logger
	setup  wire.SetupMessage

	mu      sync.Mutex // held while a statement runs
	closed  bool
	hinted  []view  // views whose hint is given when a statement reads them for the first time
	backend backend // nil: the next statement starts one
}

// asked is set when RunChildIfAsked has returned: this program can be started as a SQL process.
var asked atomic.Bool

// RunChildIfAsked makes this process the SQL process of another one, if that started it as such, and does not return then.
// It does the same for the process that compiles modules, as compile.RunChildIfAsked.
// A program that uses Open calls it first in main, before anything has an effect:
//
//	func main() {
//		sql.RunChildIfAsked()
//		…
//	}
//
// In tests it is called first in TestMain.
func RunChildIfAsked() {
	compile.RunChildIfAsked()
	if child.Asked(child.SQL) {
		os.Exit(sqlchild.Main())
	}
	asked.Store(true)
}

// backend runs statements.
type backend interface {
	// Run runs a statement. Its error is that of the statement, or of each as it is; own reports which.
	Run(q process.Statement, statement string, each process.Each) (own bool, err error)
	Complete(q process.Statement, unfinished string) []wire.Completion
	Close() error
	// Gone reports whether it cannot run another statement.
	Gone() bool
}

// Open starts a database and makes the schemas of its connections. It makes no request.
func Open(ctx context.Context, config Config) (*DB, error) {
	if !config.UnsafeInProcess && !asked.Load() {
		return nil, ErrNoChild
	}
	db := &DB{config: config, log: config.Logger, reader: &reader{byName: map[string]*host.Connection{}}}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	db.reader.log, db.config.Limits = db.log, config.Limits.orDefault()
	for _, c := range config.Connections {
		if db.reader.byName[c.Config().Name] != nil {
			return nil, fmt.Errorf("two connections are named %s", c.Config().Name)
		}
		db.reader.byName[c.Config().Name] = c
		db.reader.configs = append(db.reader.configs, c.Config())
	}
	db.reader.leftOut = config.LeftOut
	for _, l := range config.LeftOut {
		if slices.ContainsFunc(db.reader.configs, func(c host.Config) bool { return c.Name == l.Config.Name }) {
			return nil, fmt.Errorf("two connections are named %s", l.Config.Name)
		}
		db.reader.configs = append(db.reader.configs, l.Config)
	}
	if err := db.prepare(); err != nil {
		return nil, err
	}
	if err := db.start(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// prepare makes the setup.
func (db *DB) prepare() error {
	db.setup = wire.SetupMessage{Marker: rand.Text(), Database: db.config.Database, AllowFiles: db.config.AllowFiles, Memory: db.config.Limits.Memory}
	schemas := db.schemas()
	if ambiguous := db.ambiguous(schemas); ambiguous != "" {
		db.setup.Schemas = append(db.setup.Schemas, wire.Schema{Name: wire.Ambiguous, Statements: ambiguous})
	}
	for _, s := range schemas {
		statements, err := db.statements(s)
		if err != nil {
			return err
		}
		db.setup.Schemas = append(db.setup.Schemas, wire.Schema{Name: s.name, Statements: statements, Connection: s.conn.Config().Name})
	}
	union, ok, err := db.unions()
	if err != nil {
		return err
	}
	if ok {
		db.setup.Schemas = append(db.setup.Schemas, union)
	}
	if err := db.brought(); err != nil {
		return err
	}
	return db.prepareFiles()
}

// startTime is how long a start may take at least: a database may have to be recovered.
const startTime = time.Minute

// start starts a backend.
func (db *DB) start(ctx context.Context) error {
	limits := db.config.Limits
	limits.Time = max(limits.Time, startTime)
	q := newQuery(ctx, limits, nil)
	q.preparing = true
	defer q.end()
	db.reader.running.Store(q)
	defer db.reader.running.Store(nil)
	var err error
	if db.config.UnsafeInProcess {
		db.backend, err = openEngine(q, db)
	} else {
		db.backend, err = startProcess(q, db)
	}
	if over := context.Cause(q.ctx); err != nil && errors.Is(over, errLimit) {
		return over
	}
	if err != nil && strings.HasPrefix(err.Error(), "Out of Memory Error") {
		return errors.New(db.advised(err))
	}
	return err
}

// schema is a schema and the connection whose views it has.
type schema struct {
	name string
	conn *host.Connection
}

// owners returns the names of the connections that have a view, by the view's name in lower case. A connection that is left
// out has those of its kind.
func (db *DB) owners() map[string]map[string]bool {
	owners, byKind := map[string]map[string]bool{}, map[string][]view{}
	for _, c := range db.config.Connections {
		byKind[c.Config().Kind] = views(c.Module().Manifest())
	}
	for _, c := range db.reader.configs {
		for _, v := range byKind[c.Kind] {
			key := strings.ToLower(v.name)
			if owners[key] == nil {
				owners[key] = map[string]bool{}
			}
			owners[key][c.Name] = true
		}
	}
	return owners
}

// ambiguous returns the statements that make the schema Ambiguous, "" if all views have names of their own. It has the reader
// answer queries of these views.
func (db *DB) ambiguous(schemas []schema) string {
	var statements []string
	db.reader.ambiguous = map[string]string{}
	for key, owners := range db.owners() {
		if len(owners) < 2 {
			continue
		}
		var candidates []string
		for _, c := range db.config.Connections {
			connection, all := c.Config().Name, views(c.Module().Manifest())
			i := slices.IndexFunc(all, func(v view) bool { return strings.ToLower(v.name) == key })
			switch {
			case i < 0 || !reads(c.Config()):
			case slices.ContainsFunc(schemas, func(s schema) bool { return s.name == connection && s.conn == c }):
				candidates = append(candidates, readable(connection)+"."+key)
			default:
				candidates = append(candidates, fmt.Sprintf("connector_table(%s, %s, …)", text(connection), text(all[i].operation)))
			}
		}
		message := key + " is ambiguous: write " + strings.Join(candidates, " or ")
		for _, l := range db.config.LeftOut {
			if owners[l.Config.Name] {
				message += fmt.Sprintf(" (left out: %s)", l.Reason)
			}
		}
		db.reader.ambiguous[key] = message
		statements = append(statements, fmt.Sprintf("CREATE VIEW %s.%s AS SELECT * FROM system.main.connector_table(%s, %s, '{}')",
			name(wire.Ambiguous), name(key), text(wire.Ambiguous), text(key)))
	}
	if len(statements) == 0 {
		return ""
	}
	slices.Sort(statements)
	return "CREATE SCHEMA " + name(wire.Ambiguous) + ";\n" + strings.Join(statements, ";\n")
}

// schemas returns those of every connection's name, and of every kind that has one connection. It notes in the setup which
// others a query may expect.
func (db *DB) schemas() []schema {
	var all []schema
	taken := map[string]bool{}
	missing := map[string]string{}
	defer func() {
		maps.DeleteFunc(missing, func(key, _ string) bool { return taken[key] || reserved[key] })
		db.setup.Missing = missing
	}()
	add := func(name string, c *host.Connection) {
		switch key := strings.ToLower(name); {
		case !reads(c.Config()):
			missing[key] = noRead(c.Config().Name)
			db.log.Warn("a connection has no schema, since it does not grant read", "connection", name)
		case reserved[key]:
			db.log.Warn("a connection has no schema of its name, since SQL uses that itself: connector_table reads it", "connection", name)
		case taken[key]:
		default:
			taken[key] = true
			all = append(all, schema{name, c})
		}
	}
	for _, c := range db.config.Connections {
		name := c.Config().Name
		if taken[strings.ToLower(name)] {
			db.log.Warn("a connection has no schema, since another's name differs in case alone: connector_table reads it", "connection", name)
		}
		add(name, c)
	}
	for _, l := range db.config.LeftOut {
		missing[strings.ToLower(l.Config.Name)] = l.Reason.Error()
	}
	for _, c := range db.reader.configs {
		switch only, err := db.reader.find(c.Kind); {
		case err != nil:
			missing[strings.ToLower(c.Kind)] = err.Error()
		case only.Config().Name != c.Name:
		case reads(c):
			add(c.Kind, only)
		default:
			missing[strings.ToLower(c.Kind)] = noRead(c.Name)
		}
	}
	return all
}

// noRead is the answer to a query of a connection that does not grant read.
func noRead(connection string) string {
	return fmt.Sprintf("connection %q does not grant read: add read to its grants", connection)
}

// reads reports whether a connection grants what every query needs.
func reads(c host.Config) bool { return slices.Contains(c.Grants, abi.Read) }

// statements returns those that make a schema and its views.
func (db *DB) statements(s schema) (string, error) {
	statements := []string{"CREATE SCHEMA " + name(s.name)}
	module := s.conn.Module()
	for _, v := range views(module.Manifest()) {
		if v.hint != "" {
			db.hinted = append(db.hinted, v)
		}
		full := name(s.name) + "." + name(v.name)
		statements = append(statements,
			fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM system.main.connector_table(%s, %s, %s, view := %s)", full, text(s.conn.Config().Name), text(v.operation), v.input, db.marked(v)),
			"COMMENT ON VIEW "+full+" IS "+text(v.comment))
		op, err := module.Operation(v.operation)
		if err != nil {
			return "", err
		}
		for _, c := range op.Columns {
			if c.Description != "" {
				statements = append(statements, "COMMENT ON COLUMN "+full+"."+name(c.Name)+" IS "+text(c.Description))
			}
		}
	}
	return strings.Join(statements, ";\n"), nil
}

// marked returns the argument by which a view names itself.
func (db *DB) marked(v view) string { return text(db.setup.Marker + v.name) }

// Run runs the statements of a script one after another, up to the first that fails, whose error is an *Error. each is
// called with the result of every statement, which is valid until it returns; its error ends the run, as it is.
func (db *DB) Run(ctx context.Context, script string, each func(*Result) error) error {
	all := Statements(script)
	for i, statement := range all {
		err := db.run(ctx, statement, each)
		if failed := (*Error)(nil); len(all) > 1 && errors.As(err, &failed) && failed.Number == 0 {
			failed.Number, failed.Of = i+1, len(all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveHints logs the hint of each view that a statement reads, once for each name.
func (db *DB) giveHints(statement string) {
	for _, v := range db.hinted {
		if !v.named.MatchString(statement) {
			continue
		}
		db.log.Warn(v.hint)
		db.hinted = slices.DeleteFunc(slices.Clone(db.hinted), func(o view) bool { return o.name == v.name })
	}
}

func (db *DB) run(ctx context.Context, statement string, each func(*Result) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return &Error{Statement: statement, Message: "the database is closed"}
	}
	if db.backend == nil {
		if err := db.start(ctx); err != nil {
			return &Error{Statement: statement, Message: err.Error(), Cause: err}
		}
	}
	db.giveHints(statement)
	q := newQuery(ctx, db.config.Limits, db.config.Warn)
	defer q.end()
	db.reader.running.Store(q)
	defer db.reader.running.Store(nil)
	own, err := db.backend.Run(q, statement, func(head wire.HeadMessage, rows iter.Seq2[[]any, error]) error {
		return each(&Result{Statement: statement, Columns: head.Columns, Changed: head.Changed, rows: rows})
	})
	lost := db.drop()
	if db.config.Stats != nil {
		db.config.Stats(statement, q.stats())
	}
	if err == nil || own {
		return err
	}
	if ended := ctx.Err(); ended != nil { // what DuckDB and the connector say is noise
		return &Error{Statement: statement, Message: "interrupted: the statement was stopped", Cause: ended, SessionLost: lost}
	}
	if over := context.Cause(q.ctx); errors.Is(over, errLimit) {
		err = q.fail(over)
	} else if errors.Is(err, errLimit) {
		_ = q.fail(err)
	}
	return &Error{Statement: statement, Message: db.advised(err), Cause: q.cause(err), SessionLost: lost}
}

// advised returns the message of an error. DuckDB's advice for too little memory is settings, which a statement cannot change:
// --max-memory is named instead.
func (db *DB) advised(err error) string {
	message := err.Error()
	if !strings.HasPrefix(message, "Out of Memory Error") {
		return message
	}
	for _, advice := range []string{"Possible solutions:", "Database is launched"} {
		message, _, _ = strings.Cut(message, advice)
	}
	return fmt.Sprintf("%s: DuckDB may use %d MiB: give it more with --max-memory", strings.TrimRight(message, " \n;"), db.config.Limits.Memory>>20)
}

// drop forgets a backend that cannot go on, and reports whether it did.
func (db *DB) drop() bool {
	if db.backend == nil || !db.backend.Gone() {
		return false
	}
	_ = db.backend.Close() // nothing is left to be lost
	db.backend = nil
	return true
}

// Complete lists the ways to go on with an unfinished statement: names of tables, columns and functions, and words of
// SQL. While a statement runs there are none.
func (db *DB) Complete(ctx context.Context, unfinished string) []Completion {
	if !db.mu.TryLock() {
		return nil
	}
	defer db.mu.Unlock()
	if db.closed || db.backend == nil {
		return nil
	}
	q := newQuery(ctx, db.config.Limits, nil)
	defer q.end()
	db.reader.running.Store(q)
	defer db.reader.running.Store(nil)
	var all []Completion
	for _, c := range db.backend.Complete(q, unfinished) {
		if c.From >= 0 && c.From <= len(unfinished) {
			all = append(all, Completion(c))
		}
	}
	db.drop()
	return all
}

// Close ends the database. What was written to its file is safe then. It may be called more than once.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	if db.backend == nil {
		return nil
	}
	return db.backend.Close()
}

// Rows walks the rows, whose values are by Columns: nil for NULL, else string, bool, int64, float64, time.Time or
// json.RawMessage, which also holds numbers that are too long for the others. A row is valid until the iteration goes
// on. They are read once.
func (r *Result) Rows() iter.Seq2[[]any, error] { return r.rows }

func startProcess(q *query, db *DB) (backend, error) {
	p, err := process.Start(q, process.Options{Setup: db.setup, Source: db.reader, Time: db.config.Limits.Time, Logger: db.log, Starter: db.config.Starter,
		Stdin: db.config.Stdin, Stdout: db.config.Stdout})
	if err != nil {
		return nil, err // and no *process.Process, which would be a backend
	}
	return p, nil
}

// inProcess is a backend without a wall between DuckDB and this process.
type inProcess struct {
	engine *engine.Engine
	broken bool
}

func openEngine(q *query, db *DB) (backend, error) {
	e, err := engine.New(q.ctx, func(message, detail string) { db.log.Error(message, "stack", detail) })
	if err != nil {
		return nil, err
	}
	if err := e.Prepare(q.ctx, db.setup, db.reader); err != nil {
		_ = e.Close()
		return nil, err
	}
	return &inProcess{engine: e}, nil
}

// Run implements backend.
func (b *inProcess) Run(q process.Statement, statement string, each process.Each) (own bool, err error) {
	err = b.engine.Run(q.Context(), statement, func(r *engine.Result) error {
		q.Answered()
		err := each(wire.HeadMessage{Columns: r.Columns, Changed: r.Changed}, r.Rows())
		own = err != nil
		return err
	})
	b.broken = b.broken || errors.Is(err, engine.ErrBroken)
	return own, err
}

// Complete implements backend.
func (b *inProcess) Complete(q process.Statement, unfinished string) []wire.Completion {
	return b.engine.Complete(q.Context(), unfinished)
}

// Gone implements backend.
func (b *inProcess) Gone() bool { return b.broken }

// Close implements backend.
func (b *inProcess) Close() error { return b.engine.Close() }
