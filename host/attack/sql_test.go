//go:build linux && cgo && (amd64 || arm64)

package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

// sqlSession is an SQL session over a simulated org, in a folder of its own.
type sqlSession struct {
	*sql.DB
	dir string
	pid int // pid of the SQL process, 0 without one
}

// withSQL runs an attack on a session.
func withSQL(name, wall string, config sql.Config, attack func(ctx context.Context, s sqlSession) error) conformance.Attack {
	return conformance.NewAttack("sql", name, wall, func(ctx context.Context) (err error) {
		m, err := hosttest.Connector.Open()
		if err != nil {
			return err
		}
		org := oktatest.New(oktatest.Config{}).Start()
		defer func() { _ = org.Close() }()
		c, err := hosttest.Open(m, host.Config{Name: "okta", BaseURL: org.URL, AllowPrivateNetwork: true}, host.ConnectOptions{Secrets: hosttest.Secret(org.Token())})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
		dir, err := os.MkdirTemp("", "attack")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		var log bytes.Buffer
		config := config // each attempt its own
		config.Connections, config.Logger = []*host.Connection{c}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if config.Database != "" {
			config.Database = filepath.Join(dir, config.Database)
		}
		db, err := sql.Open(ctx, config)
		if err != nil {
			return err
		}
		s := sqlSession{DB: db, dir: dir}
		if found := regexp.MustCompile(`pid=(\d+)`).FindStringSubmatch(log.String()); found != nil {
			s.pid, _ = strconv.Atoi(found[1])
		}
		if err := attack(ctx, s); err != nil {
			return err // what hangs cannot be closed
		}
		return db.Close()
	})
}

// ask returns the rows of a statement, one a line.
func (s sqlSession) ask(ctx context.Context, statement string) (string, error) {
	var b strings.Builder
	err := s.Run(ctx, statement, func(r *sql.Result) error {
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, row...)
		}
		return nil
	})
	return b.String(), err
}

// groups is the number of groups of the simulated org.
func (s sqlSession) groups(ctx context.Context) error {
	got, err := s.ask(ctx, "SELECT count(*) FROM okta.groups")
	if err != nil || got != "5\n" {
		return fmt.Errorf("okta.groups has %q rows, %v", got, err)
	}
	return nil
}

// statements are attacks on the process of SQL and on the names that queries use.
func statements() []conformance.Attack {
	within := sql.Config{UnsafeInProcess: true} // names are protected with and without a process
	forge := func(name, wall, forgery, query, truth string) conformance.Attack {
		return withSQL(name, wall, within, func(ctx context.Context, s sqlSession) error {
			_, refused := s.ask(ctx, forgery)
			if got, err := s.ask(ctx, query); err == nil && got != truth {
				return fmt.Errorf("%s answers %q (the forgery: %v)", query, got, refused)
			}
			return s.groups(ctx)
		})
	}
	return []conformance.Attack{
		withSQL("a statement that crashes DuckDB", "SQL process", sql.Config{}, func(ctx context.Context, s sqlSession) error {
			if _, err := s.ask(ctx, "SELECT json_structure(repeat('[', 100000) || repeat(']', 100000))"); err == nil {
				return errors.New("it was answered")
			}
			return s.groups(ctx)
		}),
		withSQL("a statement that does not look at its deadline", "SQL time", sql.Config{Limits: sql.Limits{Time: 200 * time.Millisecond}}, func(ctx context.Context, s sqlSession) error {
			ended := make(chan error, 1)
			go func() {
				_, err := s.ask(ctx, "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))")
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), "--max-time") {
					return fmt.Errorf("it ended with %v", err)
				}
				return nil
			case <-time.After(4 * time.Second):
				return errors.New("it still runs 4 s after its deadline")
			}
		}),
		withSQL("a statement whose memory DuckDB does not count", "SQL memory", sql.Config{Limits: sql.Limits{Memory: 128 << 20}}, func(ctx context.Context, s sqlSession) error {
			ended, peak := make(chan struct{}), 0
			go func() {
				defer close(ended)
				_, _ = s.ask(ctx, "SELECT len(string_split(repeat('ab', 100000000), 'a'))")
			}()
			for {
				select {
				case <-ended:
					if peak > 512 {
						return fmt.Errorf("its process used %d MiB, and 128 were allowed", peak)
					}
					return nil
				case <-time.After(time.Millisecond):
					text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.pid)) // it may have ended
					if fields := strings.Fields(string(text)); len(fields) > 1 {
						pages, _ := strconv.Atoi(fields[1])
						peak = max(peak, pages*os.Getpagesize()>>20)
					}
				}
			}
		}),
		withSQL("a statement that reads page after page", "SQL pages", sql.Config{Limits: sql.Limits{Pages: 3}}, func(ctx context.Context, s sqlSession) error {
			got, err := s.ask(ctx, `SELECT count(*) FROM connector_table('okta', 'list_users', '{"page_size":2}')`)
			if err == nil {
				return fmt.Errorf("it read all pages and got %s", got)
			}
			return nil
		}),
		withSQL("the environment of the process", "SQL secrets", sql.Config{}, func(_ context.Context, s sqlSession) error {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.pid))
			if os.IsPermission(err) {
				return nil // not dumpable, and this is not root
			}
			if bytes.Contains(text, []byte("PATH=/")) || bytes.Contains(text, []byte("HOME=")) {
				return fmt.Errorf("it is %q", text)
			}
			return err
		}),
		withSQL("a process without walls", "SQL confinement", sql.Config{}, func(_ context.Context, s sqlSession) error {
			if _, confined := sql.Walls(); !confined {
				return nil
			}
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
			if err == nil && !(bytes.Contains(text, []byte("NoNewPrivs:\t1\n")) && bytes.Contains(text, []byte("Seccomp:\t2\n"))) {
				return errors.New("its system calls are not filtered")
			}
			return err
		}),
		withSQL("a database that others can read", "SQL database", sql.Config{Database: "kept.duckdb"}, func(ctx context.Context, s sqlSession) error {
			if _, err := s.ask(ctx, "CREATE TABLE t AS SELECT 1 AS x"); err != nil {
				return err
			}
			info, err := os.Stat(filepath.Join(s.dir, "kept.duckdb"))
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				return fmt.Errorf("its mode is %s", info.Mode())
			}
			return err
		}),
		withSQL("a database that a group can write", "SQL database", within, func(ctx context.Context, s sqlSession) error {
			path := filepath.Join(s.dir, "other.duckdb")
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o660)); err != nil {
				return err
			}
			db, err := sql.Open(ctx, sql.Config{UnsafeInProcess: true, Database: path})
			if err == nil || !strings.Contains(err.Error(), "others can write") {
				if db != nil {
					_ = db.Close()
				}
				return fmt.Errorf("opening it: %v", err)
			}
			return nil
		}),
		conformance.NewAttack("sql", "files that the starter of a hostile runner was not made for", "SQL starter", func(ctx context.Context) error {
			if _, confined := sql.Walls(); !confined {
				return nil
			}
			starter, err := confinement.NewSQLStarter(confinement.Files{})
			if err != nil {
				return err
			}
			defer starter.Close()
			db, err := sql.Open(ctx, sql.Config{AllowFiles: true, Starter: starter})
			if err != nil {
				return err
			}
			if _, err := (sqlSession{DB: db}).ask(ctx, "SELECT 1"); err != nil {
				return err
			}
			if got, err := (sqlSession{DB: db}).ask(ctx, "SELECT content FROM read_text('/etc/passwd')"); err == nil {
				return fmt.Errorf("a query read %q", got)
			}
			return db.Close()
		}),
		forge("a macro with the name of a function", "SQL names", "CREATE MACRO connector_scalar(a, b, c) AS 'SHADOW'",
			"SELECT connector_scalar('okta', 'lookup_group', '{\"group\":\"Everyone\"}') IS NULL", "false\n"),
		forge("a macro with the name of an operator", "SQL names", "CREATE MACRO \"+\"(a, b) AS 7", "SELECT 1 + 1", "2\n"),
		forge("a view that is dropped", "SQL names", "DROP VIEW okta.groups", "SELECT count(*) FROM okta.groups", "5\n"),
		forge("a view that is replaced", "SQL names", "CREATE OR REPLACE VIEW okta.groups AS SELECT 'SHADOW' AS name", "SELECT count(*) FROM okta.groups", "5\n"),
		forge("a view of the same name", "SQL names", "CREATE VIEW groups AS SELECT 'SHADOW' AS name", "SELECT count(*) FROM groups", "5\n"),
		withSQL("a search path without the connections", "SQL names", sql.Config{UnsafeInProcess: true, Database: "kept.duckdb"}, func(ctx context.Context, s sqlSession) error {
			if _, err := s.ask(ctx, "USE results"); err != nil {
				return err
			}
			return s.groups(ctx)
		}),
		withSQL("a database of the same name", "SQL names", sql.Config{UnsafeInProcess: true, AllowFiles: true}, func(ctx context.Context, s sqlSession) error {
			if _, err := s.ask(ctx, "ATTACH ':memory:' AS okta"); err == nil {
				return errors.New("it was attached")
			}
			return nil
		}),
	}
}

// sqlMutations are the checks of SQL.
var sqlMutations = []mutation{
	{"SQL process", "it is another process", []edit{{"host/sql/db.go", "db.config.UnsafeInProcess {\n\t\tdb.backend", "db.config.UnsafeInProcess", "(db.config.UnsafeInProcess || DOWN)"}}, "DuckDB crashes, which ends the process"},
	{"SQL time", "a statement that goes on is killed", []edit{drop("host/sql/internal/process/process.go", "c.kill(context.Cause(q.Context()))")}, ""},
	{"SQL memory", "its memory is measured", []edit{never("host/sql/internal/process/process.go", "c.memory != nil && c.memory.Used() > most")}, ""},
	{"SQL pages", "they are counted", []edit{never("host/sql/query.go", "q.pages.Add(1) > int64(q.limits.Pages)")}, ""},
	{"SQL secrets", "the environment", []edit{swap("host/internal/child/start_unix.go", "return env\n", "if DOWN {\n\t\treturn append(env, os.Environ()...)\n\t}\n\treturn env\n"),
		// The process learns which check is gone. The name of the variable is in two parts, because edits replace its end.
		swap("host/internal/child/child.go", "cmd.Env = environment(s.Job, s.Pipes)", "cmd.Env = append(environment(s.Job, s.Pipes), \"ATTACK_WALL_DO\"+\"WN=\"+os.Getenv(\"ATTACK_WALL_DO\"+\"WN\"))")}, ""},
	{"SQL confinement", "the process confines itself", []edit{swap("host/sql/internal/child/child.go", "walls, err := confine.Apply(policy(setup))",
		"var walls confine.Report\n\tif !DOWN {\n\t\twalls, err = confine.Apply(policy(setup))\n\t}")}, ""},
	{"SQL starter", "it confines itself", []edit{swap("host/internal/child/starter_linux.go", "if _, err := confine.Apply(policy); err",
		"if DOWN {\n\t\tpolicy = confine.Policy{AllFiles: true, Network: true, Unix: true, Attributes: true, Start: true}\n\t}\n\tif _, err := confine.Apply(policy); err")}, ""},
	{"SQL database", "new files are private", []edit{swap("host/internal/child/start_unix.go", "syscall.Umask(0o077)", "if !DOWN {\n\t\tsyscall.Umask(0o077)\n\t}")}, ""},
	{"SQL database", "nobody else can write it", []edit{never("host/sql/files.go", "info.Mode().Perm()&0o022 != 0")}, ""},
	{"SQL names", "built-in functions", []edit{neverIn("host/sql/internal/engine/names.go", "case builtIn[strings.ToLower(one.name)]:", "builtIn[strings.ToLower(one.name)]")}, ""},
	{"SQL names", "what is in a schema", []edit{never("host/sql/internal/engine/names.go", "!maps.Equal(content, n.content)")}, ""},
	{"SQL names", "databases of the same name", []edit{never("host/sql/internal/engine/names.go", "n.schemas[key] && !n.in(one) || n.missing[key] != \"\"")}, ""},
	{"SQL names", "names that are not qualified", []edit{neverIn("host/sql/internal/engine/names.go", "key := strings.ToLower(table); n.hidden[key] != \"\"", "n.hidden[key] != \"\"")}, ""},
	{"SQL names", "the search path", []edit{always("host/sql/internal/engine/names.go", "n.path == \"\"")}, ""},
}
