//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// crashers are statements that end the process of DuckDB.
var crashers = []string{
	"SELECT json_structure(repeat('[', 100000) || repeat(']', 100000))",
	"SELECT json_contains(repeat('[', 100000) || repeat(']', 100000), repeat('[', 100000) || repeat(']', 100000))",
	"SELECT json_merge_patch(repeat('{\"a\":', 100000) || '1' || repeat('}', 100000), repeat('{\"a\":', 100000) || '1' || repeat('}', 100000))",
	"SELECT json_transform('1', repeat('[', 100000) || repeat(']', 100000))",
	"SELECT ((repeat('[', 100000) || repeat(']', 100000))::JSON)::VARIANT IS NULL",
}

// endless are statements that do not look at an interrupt for long: the work is in one row.
var endless = []string{
	"SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))",
	"SELECT length(lpad('', 2000000000, 'x'))",
	"SELECT len(regexp_extract_all(repeat('ab', 20000000), 'a'))",
}

// vast are statements whose memory DuckDB does not count, or not in time.
var vast = []string{
	"SELECT len(string_split(repeat('ab', 100000000), 'a'))",
	"SELECT length(printf('%2000000000d', 1))",
	"SELECT length(format('{:>2000000000}', 'x'))",
	"SELECT len(range(1000000000))",
	"SELECT len(list_sort(range(200000000)))",
}

// fails runs a statement that must fail, and returns its error.
func fails(t *testing.T, db *sql.DB, statement string) *sql.Error {
	t.Helper()
	_, err := try(t.Context(), db, statement)
	var failed *sql.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%s: got %v, want an error of the statement", statement, err)
	}
	return failed
}

func TestRun_StatementCrashesDuckDB_FailsAlone(t *testing.T) {
	c, _ := warehouse(t)
	db := open(t, sql.Config{Connections: []*host.Connection{c}})
	tenant := open(t, sql.Config{Connections: []*host.Connection{c}})
	ask(t, tenant, "CREATE TABLE kept AS SELECT 1 AS x")
	for _, statement := range crashers {
		ask(t, db, "CREATE TEMP TABLE gone AS SELECT 1 AS x; SET VARIABLE v = 1")
		failed := fails(t, db, statement)
		if !strings.Contains(failed.Message, "made the SQL process crash") || !failed.SessionLost {
			t.Errorf("%s: %s, session lost: %v", statement, failed.Message, failed.SessionLost)
		}
		want(t, db, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'gone'", "[0]")
		want(t, db, "SELECT count(*) FROM depot.items", "[5]")
		want(t, tenant, "FROM kept", "[1]")
	}
}

func TestRun_StatementHangs_IsKilledAtItsTime(t *testing.T) {
	c, _ := warehouse(t)
	db := open(t, sql.Config{Connections: []*host.Connection{c}, Limits: sql.Limits{Time: 400 * time.Millisecond}})
	for _, statement := range endless {
		failed := fails(t, db, statement)
		if !strings.Contains(failed.Message, "it ran for 400ms") || !strings.Contains(failed.Message, "--max-time") || !failed.SessionLost {
			t.Errorf("%s: %s, session lost: %v", statement, failed.Message, failed.SessionLost)
		}
		want(t, db, "SELECT 1", "[1]")
	}
	// One that looks at the interrupt keeps its session.
	ask(t, db, "CREATE TEMP TABLE kept AS SELECT 1 AS x")
	failed := fails(t, db, "SELECT count(*) FROM range(100000000000) a")
	if !strings.Contains(failed.Message, "it ran for 400ms") {
		t.Error(failed.Message)
	}
	if !failed.SessionLost {
		want(t, db, "FROM kept", "[1]")
	}
}

func TestRun_StatementIsCanceledAndHangs_EndsSoon(t *testing.T) {
	db := open(t, sql.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := try(ctx, db, endless[0])
	var failed *sql.Error
	if !errors.As(err, &failed) || !errors.Is(err, context.Canceled) || !strings.Contains(failed.Message, "interrupted") {
		t.Errorf("got %v", err)
	}
	want(t, db, "SELECT 1", "[1]")
}

func TestRun_StatementTakesMemory_IsStoppedAtItsLimit(t *testing.T) {
	db := open(t, sql.Config{Limits: sql.Limits{Memory: 256 << 20, Time: 2 * time.Minute}})
	for _, statement := range vast {
		if failed := fails(t, db, statement); !strings.Contains(failed.Message, "256 MiB") || !strings.Contains(failed.Message, "--max-memory") {
			t.Errorf("%s: %s", statement, failed.Message)
		}
		want(t, db, "SELECT 1", "[1]")
	}
}

// A value that this process would have to hold is bounded.
func TestRun_RowTooLarge_Fails(t *testing.T) {
	db := open(t, sql.Config{})
	if failed := fails(t, db, "SELECT repeat('x', 100000000) AS x"); !strings.Contains(failed.Message, "a row of the result is over") {
		t.Error(failed.Message)
	}
	want(t, db, "SELECT length(x) FROM (SELECT repeat('x', 100000000) AS x)", "[100000000]")
	if out := ask(t, db, "SELECT repeat('x', 5000000), i FROM range(10) t(i)"); len(out) < 50_000_000 {
		t.Errorf("%d bytes of 10 rows", len(out))
	}
}

// A result that the caller leaves is not sent to its end.
func TestRun_RowsAreNotAllRead_GoesOn(t *testing.T) {
	db := open(t, sql.Config{})
	ask(t, db, "CREATE TEMP TABLE kept AS SELECT 1 AS x")
	enough := errors.New("enough")
	for range 3 {
		err := db.Run(t.Context(), "SELECT i, repeat('x', 100) FROM range(1000000) t(i)", func(r *sql.Result) error {
			for range r.Rows() {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
		want(t, db, "FROM kept", "[1]")
	}
	if err := db.Run(t.Context(), "SELECT i FROM range(1000000) t(i)", func(*sql.Result) error { return nil }); err != nil {
		t.Error(err)
	}
	want(t, db, "FROM kept", "[1]")
}

// TestOpen_UnsafeInProcess_AnswersTheSame holds both ways against each other.
func TestOpen_UnsafeInProcess_AnswersTheSame(t *testing.T) {
	c, _ := warehouse(t)
	apart := open(t, sql.Config{Connections: []*host.Connection{c}})
	within := open(t, sql.Config{Connections: []*host.Connection{c}, UnsafeInProcess: true})
	for _, statement := range []string{
		"FROM depot.items", "SELECT * FROM connector_table('depot', 'range_movements', '{}') ORDER BY no LIMIT 50", "SHOW TABLES", "DESCRIBE depot.items", "SELECT sku FROM depot.items",
		"SELECT count(*), max(changed) FROM depot.items GROUP BY shelf ORDER BY ALL", "SELECT connector_scalar('depot', 'list_items', '{}')",
		"SELECT NULL, true, 1::TINYINT, 1.5, 'x', [1, NULL], {'a': 1}, JSON '{\"b\": 1.10}', TIMESTAMPTZ '2026-01-02 03:04:05.678901+00', 'nan'::DOUBLE, 170141183460469231731687303715884105727::HUGEINT",
		"SELEC 1", "FROM depot.itemz", "FROM connector_table('depot', 'get_itm', '{}')", "CREATE MACRO lower(x) AS 1", "DROP SCHEMA depot CASCADE", "SELECT 1 WHERE false",
		"CREATE TABLE t AS SELECT 1 AS x", "INSERT INTO t FROM range(3)", "SELECT error('x')",
	} {
		a, errA := try(t.Context(), apart, statement)
		b, errB := try(t.Context(), within, statement)
		if a != b || (errA == nil) != (errB == nil) || errA != nil && errA.Error() != errB.Error() {
			t.Errorf("%s\napart  %.300s %v\nwithin %.300s %v", statement, a, errA, b, errB)
		}
	}
}
