//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"container/list"
	"context"
	dbsql "database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
)

// Available reports whether DuckDB is in this build.
const Available = true

// DB is a DuckDB in this process that reads connections. It is safe for concurrent use; statements run one after
// another. Close it before its connections.
type DB struct {
	db         *dbsql.DB
	conn       *dbsql.Conn // the only one: what a statement sets, the next one sees
	configs    []host.Config
	byName     map[string]*host.Connection
	log        *slog.Logger
	warn       func(operation, warning string)
	limits     Limits
	allowFiles bool

	mu      sync.Mutex // held while a statement runs
	closed  bool
	hinted  []view                // views that a statement hears of when it reads them for the first time
	running atomic.Pointer[query] // that statement, for the functions that DuckDB calls on its own threads
}

// Open starts a database and makes the schemas of its connections. It makes no request.
func Open(ctx context.Context, config Config) (*DB, error) {
	connector, err := duckdb.NewConnector(":memory:?"+atStart, nil)
	if err != nil {
		return nil, fmt.Errorf("DuckDB: %w", err)
	}
	db := &DB{db: dbsql.OpenDB(connector), byName: map[string]*host.Connection{}, log: config.Logger, warn: config.Warn, limits: config.Limits.orDefault(), allowFiles: config.AllowFiles}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if err := db.prepare(ctx, config); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context, config Config) error {
	for _, c := range config.Connections {
		if db.byName[c.Config().Name] != nil {
			return fmt.Errorf("two connections are named %s", c.Config().Name)
		}
		db.byName[c.Config().Name] = c
		db.configs = append(db.configs, c.Config())
	}
	var err error
	if db.conn, err = db.db.Conn(ctx); err != nil {
		return fmt.Errorf("DuckDB: %w", err)
	}
	if err := db.register(); err != nil {
		return err
	}
	path := []string{"memory.main"}
	for _, s := range db.schemas() {
		if err := db.makeSchema(ctx, s); err != nil {
			return err
		}
		path = append(path, "memory."+name(s.name))
	}
	if config.Database != "" {
		if err := db.exec(ctx, "ATTACH "+text(config.Database)+" AS "+results+" (TYPE duckdb)"); err != nil {
			return fmt.Errorf("database %s: %w", config.Database, err)
		}
		path = append([]string{results + ".main"}, path...)
	}
	if err := db.exec(ctx, "SET search_path = "+text(strings.Join(path, ","))); err != nil {
		return err
	}
	if err := db.limitMemory(ctx); err != nil {
		return err
	}
	for _, wall := range walls(config.AllowFiles) {
		if err := db.exec(ctx, wall); err != nil {
			return fmt.Errorf("%s: %w", wall, err)
		}
	}
	return nil
}

// limitMemory sets DuckDB's limit, unless its own, a part of what the machine has, is lower.
func (db *DB) limitMemory(ctx context.Context) error {
	var text, unit string
	var own float64
	if err := db.conn.QueryRowContext(ctx, "SELECT current_setting('memory_limit')").Scan(&text); err != nil {
		return fmt.Errorf("DuckDB: %w", err)
	}
	if n, _ := fmt.Sscan(text, &own, &unit); n == 2 {
		units := map[string]float64{"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
		if one, small := units[unit]; small && own*one < float64(db.limits.Memory) {
			return nil
		}
	}
	return db.exec(ctx, fmt.Sprintf("SET memory_limit = '%dB'", db.limits.Memory))
}

// schema is a schema and the connection whose views it has.
type schema struct {
	name string
	conn *host.Connection
}

// schemas are those of every connection's name, and of every kind that has one connection.
func (db *DB) schemas() []schema {
	var all []schema
	taken := map[string]bool{}
	add := func(name string, c *host.Connection) {
		switch key := strings.ToLower(name); {
		case !reads(c.Config()):
			db.log.Warn("a connection has no schema, since it does not grant read", "connection", name)
		case reserved[key]:
			db.log.Warn("a connection has no schema of its name, since DuckDB uses that itself: connector_table reads it", "connection", name)
		case taken[key]:
		default:
			taken[key] = true
			all = append(all, schema{name, c})
		}
	}
	for _, c := range db.configs {
		if taken[strings.ToLower(c.Name)] {
			db.log.Warn("a connection has no schema, since another's name differs in case alone: connector_table reads it", "connection", c.Name)
		}
		add(c.Name, db.byName[c.Name])
	}
	for _, c := range db.configs {
		if only, err := connections.Find(db.configs, c.Kind); err == nil && only.Name == c.Name && reads(c) {
			add(c.Kind, db.byName[c.Name])
		}
	}
	return all
}

// reads reports whether a connection grants what every query needs.
func reads(c host.Config) bool { return slices.Contains(c.Grants, abi.Read) }

func (db *DB) makeSchema(ctx context.Context, s schema) error {
	statements := []string{"CREATE SCHEMA " + name(s.name)}
	module := s.conn.Module()
	for _, v := range views(module.Manifest()) {
		if v.hint != "" {
			db.hinted = append(db.hinted, v)
		}
		full := name(s.name) + "." + name(v.name)
		statements = append(statements,
			fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM connector_table(%s, %s, %s)", full, text(s.conn.Config().Name), text(v.operation), v.input),
			"COMMENT ON VIEW "+full+" IS "+text(v.comment))
		op, err := module.Operation(v.operation)
		if err != nil {
			return err
		}
		for _, c := range op.Columns {
			if c.Description != "" {
				statements = append(statements, "COMMENT ON COLUMN "+full+"."+name(c.Name)+" IS "+text(c.Description))
			}
		}
	}
	if err := db.exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return fmt.Errorf("schema %s: %w", s.name, err)
	}
	return nil
}

// exec runs statements of this package's own.
func (db *DB) exec(ctx context.Context, statement string) error {
	q := newQuery(ctx, db.limits)
	defer q.end()
	db.running.Store(q)
	_, err := db.conn.ExecContext(ctx, statement)
	return err
}

// prepared is what DuckDB tells of a statement before it runs.
type prepared struct {
	kind  duckdb.StmtType
	names []string
	types []duckdb.TypeInfo // nil for one that duckdb-go cannot describe
}

func (db *DB) inspect(ctx context.Context, statement string) (p prepared, err error) {
	err = db.conn.Raw(func(c any) error {
		s, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, statement)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		stmt := s.(*duckdb.Stmt)
		if p.kind, err = stmt.StatementType(); err != nil {
			return err
		}
		n, err := stmt.ColumnCount()
		if err != nil {
			return err
		}
		for i := range n {
			name, err := stmt.ColumnName(i)
			if err != nil {
				return err
			}
			info, _ := stmt.ColumnTypeInfo(i) // what it cannot describe is cast to text
			p.names, p.types = append(p.names, name), append(p.types, info)
		}
		return nil
	})
	return p, err
}

// find is the connection that a query names.
func (db *DB) find(nameOrKind string) (*host.Connection, error) {
	config, err := connections.Find(db.configs, nameOrKind)
	if err != nil {
		return nil, err
	}
	return db.byName[config.Name], nil
}

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

// fromDriver is what duckdb-go puts before the errors of functions that are called through it.
const fromDriver = "database/sql/driver: API error: "

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
	q := newQuery(ctx, db.limits)
	defer q.end()
	q.warn = db.warn
	db.running.Store(q)
	db.giveHints(statement)
	fail := func(err error) error {
		if ended := ctx.Err(); ended != nil { // what DuckDB and the connector say of it is noise
			return &Error{Statement: statement, Message: "interrupted: the statement was stopped", Cause: ended}
		}
		if over := context.Cause(q.ctx); errors.Is(over, errLimit) {
			err = q.fail(over)
		}
		message := strings.ReplaceAll(err.Error(), fromDriver, "")
		message = strings.Replace(message, noFiles, noFiles+": --allow-files allows them", 1)
		return &Error{Statement: statement, Message: message, Cause: q.cause(err)}
	}
	asked := described(statement)
	p, err := db.inspect(q.ctx, asked)
	if err != nil {
		return fail(err)
	}
	if err := allowed(p.kind, statement, db.allowFiles); err != nil {
		return fail(err)
	}
	asked, readers := readable(asked, p)
	rows, err := db.conn.QueryContext(q.ctx, asked)
	if err != nil {
		return fail(err)
	}
	q.timer.Stop() // the result is all here: how long it is looked at is the caller's
	defer func() { _ = rows.Close() }()
	r, err := newResult(statement, p, readers, rows)
	if err != nil {
		return fail(err)
	}
	return each(r)
}

// Complete lists the ways to go on with an unfinished statement: names of tables, columns and functions, and words of
// SQL. While a statement runs there are none.
func (db *DB) Complete(ctx context.Context, unfinished string) []Completion {
	if !db.mu.TryLock() {
		return nil
	}
	defer db.mu.Unlock()
	q := newQuery(ctx, db.limits)
	defer q.end()
	db.running.Store(q)
	rows, err := db.conn.QueryContext(ctx, "SELECT suggestion, suggestion_start FROM sql_auto_complete("+text(unfinished)+")")
	if err != nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	var all []Completion
	for rows.Next() {
		var c Completion
		if err := rows.Scan(&c.Text, &c.From); err != nil || c.From > len(unfinished) {
			return nil
		}
		all = append(all, c)
	}
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
	if db.conn == nil {
		return db.db.Close()
	}
	ctx := context.Background()
	_, _ = db.conn.ExecContext(ctx, "ROLLBACK") // of what was begun and not committed; else an error
	if _, err := db.conn.ExecContext(ctx, "SELECT 1"); err != nil {
		// CALL enable_logging can have DuckDB write a log where it may not. Every statement fails from then on, and to
		// disconnect ends the process, since DuckDB throws where C++ does not allow it. Memory is the smaller loss.
		return fmt.Errorf("DuckDB cannot be closed: %w", err)
	}
	_ = db.conn.Close() // the database is what has something to lose
	return db.db.Close()
}

// query is the run of one statement.
type query struct {
	ctx    context.Context
	cancel context.CancelFunc

	limits    Limits
	timer     *time.Timer // ends it after limits.Time
	pages     atomic.Int64
	mu        sync.Mutex
	answers   map[question]*answer // of connector_scalar
	kept      list.List            // the questions of those that came, the last used first
	keptBytes int
	errs      []error

	warning sync.Mutex
	warn    func(operation, warning string)
	warned  map[[2]string]bool
}

func newQuery(ctx context.Context, limits Limits) *query {
	q := &query{answers: map[question]*answer{}, limits: limits}
	ctx, cancel := context.WithCancelCause(ctx)
	q.ctx, q.cancel = ctx, func() { cancel(nil) }
	q.timer = time.AfterFunc(limits.Time, func() {
		cancel(fmt.Errorf("%w: it ran for %s, the most that a statement may (--max-time)", errLimit, limits.Time))
	})
	return q
}

// errLimit is of a statement that goes over one of its limits.
var errLimit = errors.New("the statement is stopped")

// next is the next page of rows. Each is at least one request, so that the limit of pages bounds what a statement costs.
func (q *query) next(rows *host.Rows) ([]json.RawMessage, error) {
	if q.pages.Add(1) > int64(q.limits.Pages) {
		return nil, fmt.Errorf("%w: it read %d pages and objects, the most that a statement may (--max-pages)", errLimit, q.limits.Pages)
	}
	return rows.Next()
}

// warner takes the warnings of an operation, nil where the caller takes none.
func (q *query) warner(operation string) func(string) {
	if q.warn == nil {
		return nil
	}
	return func(warning string) {
		q.warning.Lock()
		defer q.warning.Unlock()
		key := [2]string{operation, warning}
		if q.warned[key] {
			return
		}
		if q.warned == nil {
			q.warned = map[[2]string]bool{}
		}
		q.warned[key] = true
		q.warn(operation, warning)
	}
}

// fail notes an error that DuckDB is about to be told. DuckDB keeps its text alone.
func (q *query) fail(err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.errs = append(q.errs, err)
	return err
}

// cause is the error behind what DuckDB reports.
func (q *query) cause(reported error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, err := range q.errs {
		if strings.Contains(reported.Error(), err.Error()) {
			return err
		}
	}
	return nil
}

// end stops what still runs for the statement, and forgets its answers.
func (q *query) end() {
	q.timer.Stop()
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.answers)
	q.kept.Init()
}
