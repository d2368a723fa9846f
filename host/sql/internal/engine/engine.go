//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

// Package engine runs SQL with DuckDB over rows that a wire.Source gives. It knows no connection, token or network. A query may
// be hostile: DuckDB can be made to crash, hang and use any memory, so that a process of its own should run this.
package engine

import (
	"container/list"
	"context"
	dbsql "database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Engine is a DuckDB. Its methods are not safe for concurrent use.
type Engine struct {
	db   *dbsql.DB
	conn *dbsql.Conn // the only one: what a statement sets, the next one sees

	source      wire.Source
	log         func(message, detail string)
	marker      string // begins the argument by which a view names itself
	allowFiles  bool
	folders     bool // files are allowed in some folders alone
	names       names
	tags        tags
	transaction bool                      // a statement has begun one
	running     atomic.Pointer[statement] // for the functions that DuckDB calls on its own threads
	closed      bool
}

// New starts a DuckDB that Prepare completes.
func New(ctx context.Context, log func(message, detail string)) (*Engine, error) {
	connector, err := duckdb.NewConnector(":memory:?"+atStart, nil)
	if err != nil {
		return nil, fmt.Errorf("DuckDB: %w", err)
	}
	e := &Engine{db: dbsql.OpenDB(connector), log: log}
	if e.conn, err = e.db.Conn(ctx); err != nil {
		_ = e.db.Close()
		return nil, fmt.Errorf("DuckDB: %w", err)
	}
	return e, nil
}

// Prepare makes the schemas, attaches the database and closes the walls around queries. It is called once.
func (e *Engine) Prepare(ctx context.Context, setup wire.SetupMessage, source wire.Source) error {
	e.source, e.marker, e.allowFiles, e.folders = source, setup.Marker, setup.AllowFiles, len(setup.Folders) > 0
	if err := e.register(); err != nil {
		return err
	}
	if err := e.limitMemory(ctx, setup.Memory); err != nil {
		return err
	}
	var path []string
	for _, s := range setup.Schemas {
		if err := e.exec(ctx, s.Statements); err != nil {
			return fmt.Errorf("schema %s: %w", s.Name, err)
		}
		if !s.Union {
			path = append(path, "memory."+name(s.Name))
		}
	}
	if err := e.names.learn(ctx, e, setup); err != nil {
		return err
	}
	if len(path) > 0 {
		if err := e.exec(ctx, "SET search_path = "+text(strings.Join(path, ","))); err != nil {
			return err
		}
		var err error
		if e.names.path, err = e.searchPath(ctx); err != nil {
			return err
		}
	}
	path = append([]string{"memory.main"}, path...)
	if setup.Database != "" {
		if err := e.exec(ctx, "ATTACH "+text(setup.Database)+" AS "+results+" (TYPE duckdb)"); err != nil {
			return fmt.Errorf("database %s: %w", setup.Database, err)
		}
		path = append([]string{results + ".main"}, path...)
	}
	if err := e.exec(ctx, "SET search_path = "+text(strings.Join(path, ","))); err != nil {
		return err
	}
	if setup.Database != "" { // a database in memory is still empty
		if err := e.names.check(ctx, e); err != nil {
			return fmt.Errorf("database %s: %w", setup.Database, err)
		}
	}
	for _, wall := range walls(setup) {
		if err := e.exec(ctx, wall); err != nil {
			return fmt.Errorf("%s: %w", wall, err)
		}
	}
	return nil
}

// results is the name of the attached database file.
const results = "results"

// limitMemory sets DuckDB's limit, unless its own, a part of what the machine has, is lower.
func (e *Engine) limitMemory(ctx context.Context, memory int64) error {
	var text, unit string
	var own float64
	if err := e.conn.QueryRowContext(ctx, "SELECT current_setting('memory_limit')").Scan(&text); err != nil {
		return fmt.Errorf("DuckDB: %w", err)
	}
	if n, _ := fmt.Sscan(text, &own, &unit); n == 2 {
		units := map[string]float64{"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
		if one, small := units[unit]; small && own*one < float64(memory) {
			return nil
		}
	}
	return e.exec(ctx, fmt.Sprintf("SET memory_limit = '%dB'", memory))
}

// exec runs statements of this package's own.
func (e *Engine) exec(ctx context.Context, statements string) error {
	defer e.begin(ctx).end()
	_, err := e.conn.ExecContext(ctx, statements)
	return err
}

// prepared is what DuckDB says about a statement before it runs.
type prepared struct {
	kind  duckdb.StmtType
	names []string
	types []duckdb.TypeInfo // nil for a type that duckdb-go cannot describe
}

func (e *Engine) inspect(ctx context.Context, statement string) (p prepared, err error) {
	err = e.conn.Raw(func(c any) error {
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

// ErrBroken is wrapped by an error after which the engine cannot be used.
var ErrBroken = errors.New("the database cannot be used any more")

// fromDriver is what duckdb-go puts before the errors of functions that are called through it.
const fromDriver = "database/sql/driver: API error: "

// Run runs one statement. each is called with its result, which is valid until it returns; its error is returned as it is.
// When ctx ends, the statement is interrupted, and the error wraps that of ctx.
func (e *Engine) Run(ctx context.Context, text string, each func(*Result) error) error {
	s := e.begin(ctx)
	defer s.end()
	fail := func(err error) error {
		switch {
		case ctx.Err() != nil: // what DuckDB says is noise
			return ctx.Err()
		case errors.Is(err, ErrBroken):
			return err
		}
		message := e.names.explained(strings.ReplaceAll(err.Error(), fromDriver, ""))
		if !e.allowFiles {
			message = strings.Replace(message, noFiles, noFiles+": --allow-files allows them", 1)
		}
		return errors.New(sqltext.Advised(message, text, e.names.quoted))
	}
	if e.marker != "" && strings.Contains(text, e.marker) || sqltext.HasArgument(text, viewArgument, givenArgument) { // copied from duckdb_views()
		//lint:ignore ST1005 DuckDB says it so
		return fail(fmt.Errorf("Binder Error: %w", errViewArgument))
	}
	text = e.elements(s.ctx, text)
	asked := sqltext.Described(text)
	p, err := e.inspect(s.ctx, asked)
	if err != nil {
		return fail(err)
	}
	if err := allowed(p.kind, text, e.allowFiles); err != nil {
		return fail(err)
	}
	if err := e.names.unambiguous(s.ctx, e, asked); err != nil {
		return fail(err)
	}
	plain := asked
	var scans [][]any // what EXPLAIN says of them
	asked, readers := readable(plain, p)
	var r *Result
	run := func() error {
		if s.reads() || p.kind == duckdb.STATEMENT_TYPE_EXECUTE {
			asked = e.prepare(s, p.kind, plain, func(text string) string {
				text, _ = readable(text, p)
				return text
			})
		}
		if p.kind == duckdb.STATEMENT_TYPE_EXPLAIN {
			scans = e.explained(s, plain)
		}
		rows, err := e.conn.QueryContext(s.ctx, asked)
		if err != nil {
			return err
		}
		if r, err = newResult(p, readers, rows); err != nil {
			_ = rows.Close()
		}
		return err
	}
	own := false // a transaction: now() is the same in the plan and in the run
	if !keepsNames(p.kind) {
		err = e.change(s.ctx, p.kind, text, run)
	} else {
		if s.reads() && plans(p.kind) && !e.transaction {
			_, err := e.conn.ExecContext(s.ctx, "BEGIN")
			own = err == nil
		}
		err = run()
	}
	// What a statement wrote is safe before its result is shown.
	if own && (err != nil || p.kind != duckdb.STATEMENT_TYPE_SELECT) {
		err, own = e.endTransaction(s.ctx, err), false
	}
	if err == nil {
		if len(r.Columns) == 2 { // the plan's name and its text
			r.more = scans
		}
		err = each(r)
	} else {
		err = fail(err)
	}
	if r != nil {
		_ = r.rows.Close()
	}
	if own {
		_ = e.endTransaction(s.ctx, err) // it only read
	}
	return err
}

// endTransaction commits, or rolls back after an error, which it returns.
func (e *Engine) endTransaction(ctx context.Context, err error) error {
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		if _, err = e.conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	_, _ = e.conn.ExecContext(ctx, "ROLLBACK") // fails if there is nothing to roll back
	return err
}

// Complete lists the ways to go on with an unfinished statement.
func (e *Engine) Complete(ctx context.Context, unfinished string) []wire.Completion {
	defer e.begin(ctx).end()
	rows, err := e.conn.QueryContext(ctx, "SELECT suggestion, suggestion_start FROM system.main.sql_auto_complete("+text(unfinished)+")")
	if err != nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	var all []wire.Completion
	for rows.Next() {
		var c wire.Completion
		if err := rows.Scan(&c.Text, &c.From); err != nil || c.From > len(unfinished) {
			return nil
		}
		all = append(all, c)
	}
	return all
}

// Close ends the database. What was written to its file is safe then. It may be called more than once.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	ctx := context.Background()
	_, _ = e.conn.ExecContext(ctx, "ROLLBACK") // fails if no transaction is open
	if _, err := e.conn.ExecContext(ctx, "SELECT 1"); err != nil {
		// CALL enable_logging can have DuckDB write a log where it may not. Every statement fails from then on, and to
		// disconnect ends the process, since DuckDB throws where C++ does not allow it. Memory is the smaller loss.
		return fmt.Errorf("DuckDB cannot be closed: %w", err)
	}
	_ = e.conn.Close() // the database is what has something to lose
	return e.db.Close()
}

// statement is the run of one statement.
type statement struct {
	ctx    context.Context
	cancel context.CancelFunc

	plan plan // set before the statement runs

	mu        sync.Mutex
	bound     []*scan               // in the order in which DuckDB bound them
	answers   map[wire.Call]*answer // results of connector_scalar
	kept      list.List             // the calls whose answers came, the last used first
	keptBytes int
}

func (e *Engine) begin(ctx context.Context) *statement {
	s := &statement{answers: map[wire.Call]*answer{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	e.running.Store(s)
	return s
}

// end stops what still runs for the statement, and forgets its answers.
func (s *statement) end() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.answers)
	s.kept.Init()
}

// name quotes a name.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// text quotes a string.
func text(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
