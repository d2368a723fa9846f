//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	dbsql "database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// forgeries are statements that would put something of their author's in the place of what others rely on. After each,
// the truth is asked for.
var forgeries = []string{
	// Functions of this package, as a macro or a table macro, anywhere.
	"CREATE MACRO connector_table(a, b, c) AS TABLE SELECT 'SHADOW' AS login",
	"CREATE OR REPLACE MACRO Connector_Table(a, b, c) AS TABLE SELECT 'SHADOW' AS login",
	"CREATE MACRO connector_table(a, b, c) AS 'SHADOW'",
	"CREATE FUNCTION connector_scalar(a, b, c) AS 'SHADOW'",
	"CREATE TEMP MACRO connector_scalar(a, b, c) AS 'SHADOW'",
	"CREATE TEMPORARY MACRO connector_try(a, b, c) AS 'SHADOW'",
	"CREATE MACRO memory.main.connector_scalar(a, b, c) AS 'SHADOW'",
	"CREATE MACRO okta.connector_scalar(a, b, c) AS 'SHADOW'",
	"CREATE MACRO results.main.connector_table(a, b, c) AS TABLE SELECT 'SHADOW' AS login",
	"CREATE SCHEMA s1; CREATE MACRO s1.connector_table(a, b, c) AS TABLE SELECT 'SHADOW' AS login; USE s1",
	"CREATE MACRO \"connector_table\"(a, b := 1, c := 2) AS TABLE SELECT 'SHADOW' AS login",
	"CREATE MACRO system.main.connector_table(a, b, c) AS TABLE SELECT 'SHADOW' AS login",
	"CREATE OR REPLACE MACRO system.main.lower(x) AS 'SHADOW'",
	"DROP FUNCTION connector_table", "DROP MACRO connector_scalar", "DROP MACRO TABLE system.main.connector_table",
	// Functions and operators of DuckDB.
	"CREATE MACRO lower(x) AS 'SHADOW'",
	"CREATE MACRO \"+\"(a, b) AS 7",
	"CREATE MACRO \"->>\"(a, b) AS 'SHADOW'",
	"CREATE MACRO \"~~\"(a, b) AS true",
	"CREATE MACRO \"||\"(a, b) AS 'SHADOW'",
	"CREATE MACRO count_star() AS 7",
	"CREATE MACRO json_object(a, b, c, d) AS 'SHADOW'",
	"CREATE MACRO strftime(a, b) AS 'SHADOW'",
	"CREATE MACRO now() AS TIMESTAMPTZ '1970-01-01'",
	"CREATE MACRO json_merge_patch(a, b) AS 'SHADOW'",
	"CREATE MACRO to_json(a) AS '\"SHADOW\"'",
	"CREATE MACRO duckdb_functions() AS TABLE SELECT 1 AS x",
	"CREATE MACRO duckdb_views() AS TABLE SELECT 1 AS x",
	"CREATE MACRO duckdb_schemas() AS TABLE SELECT 1 AS x",
	"CREATE MACRO sql_auto_complete(x) AS TABLE SELECT 'SHADOW' AS suggestion, 0 AS suggestion_start",
	"CREATE MACRO in_search_path(a, b) AS true",
	"PREPARE p1 AS CREATE MACRO upper(x) AS 'SHADOW'; EXECUTE p1",
	"EXPLAIN ANALYZE CREATE MACRO upper(x) AS 'SHADOW'",
	"BEGIN; CREATE MACRO upper(x) AS 'SHADOW'; COMMIT",
	"BEGIN; CREATE TABLE between(x INT); CREATE MACRO upper(x) AS 'SHADOW'; COMMIT",
	// Types.
	"CREATE TYPE json AS ENUM ('SHADOW')", "CREATE TYPE \"JSON\" AS INTEGER", "CREATE TYPE varchar AS INTEGER", "CREATE TYPE \"TIMESTAMPTZ\" AS VARCHAR",
	"CREATE TYPE memory.main.json AS VARCHAR", "CREATE TYPE text AS INTEGER", "CREATE TYPE okta.mine AS INTEGER",
	// The schema of a connection.
	"CREATE OR REPLACE VIEW okta.users AS SELECT 'SHADOW' AS login",
	"CREATE OR REPLACE TABLE okta.users AS SELECT 'SHADOW' AS login",
	"CREATE VIEW okta.other AS SELECT 1 AS x", "CREATE TABLE okta.other(x INT)", "CREATE TABLE memory.\"Okta\".other(x INT)",
	"CREATE SEQUENCE okta.s", "CREATE MACRO okta.mine(x) AS x",
	"DROP VIEW okta.users", "DROP VIEW IF EXISTS okta.users CASCADE", "DROP SCHEMA okta CASCADE", "DROP SCHEMA IF EXISTS memory.okta CASCADE",
	"ALTER VIEW okta.users RENAME TO others", "ALTER SCHEMA okta RENAME TO other",
	"COMMENT ON VIEW okta.users IS 'SHADOW'", "COMMENT ON COLUMN okta.users.login IS 'SHADOW'", "COMMENT ON SCHEMA okta IS 'SHADOW'",
	"INSERT INTO okta.users VALUES ('SHADOW')", "UPDATE okta.users SET login = 'SHADOW'", "DELETE FROM okta.users",
	"BEGIN; DROP VIEW okta.users; COMMIT", "PREPARE p2 AS DROP VIEW okta.users; EXECUTE p2",
	"CREATE SCHEMA okta", "CREATE SCHEMA IF NOT EXISTS okta", "CREATE OR REPLACE SCHEMA okta",
	"CREATE SCHEMA temp.okta", "CREATE SCHEMA results.okta", "CREATE SCHEMA results.\"OKTA\"; CREATE VIEW results.okta.users AS SELECT 'SHADOW' AS login",
	"USE results; CREATE SCHEMA okta; CREATE VIEW okta.users AS SELECT 'SHADOW' AS login",
	"ATTACH ':memory:' AS okta; CREATE VIEW okta.main.users AS SELECT 'SHADOW' AS login",
	"ATTACH ':memory:' AS Okta",
	"DETACH memory", "USE results; DETACH memory",
	// The search path.
	"SET search_path = 'results.main'", "SET schema = 'main'", "PRAGMA search_path = 'main'", "RESET search_path", "SET GLOBAL search_path = 'main'",
	// The same name, not qualified.
	"CREATE VIEW users AS SELECT 'SHADOW' AS login", "CREATE TABLE users AS SELECT 'SHADOW' AS login", "CREATE TEMP VIEW users AS SELECT 'SHADOW' AS login",
	"CREATE TEMP TABLE Users AS SELECT 'SHADOW' AS login", "CREATE VIEW memory.main.users AS SELECT 'SHADOW' AS login",
	"CREATE SCHEMA s2; CREATE VIEW s2.users AS SELECT 'SHADOW' AS login; USE s2",
}

// truths are queries and what they answer; an error is no lie. Some are about names that are not qualified.
func lies(t *testing.T, db *sql.DB, ada string) (found []string) {
	t.Helper()
	for query, answer := range map[string]string{
		"SELECT login FROM okta.users WHERE login = 'ada.lovelace@example.com'":                                             ada,
		"SELECT login FROM \"okta\".\"users\" WHERE login LIKE 'ada.lovelace%'":                                             ada,
		"SELECT login FROM memory.okta.users WHERE login = 'ada.lovelace@example.com'":                                      ada,
		"SELECT login FROM users WHERE login = 'ada.lovelace@example.com' OR login = 'SHADOW'":                              ada,
		"WITH x AS (FROM users) SELECT login FROM x WHERE login = 'ada.lovelace@example.com' OR login = 'SHADOW'":           ada,
		"SELECT (SELECT login FROM users WHERE login = 'ada.lovelace@example.com' OR login = 'SHADOW')":                     ada,
		"SELECT login FROM query_table('users') WHERE login = 'ada.lovelace@example.com' OR login = 'SHADOW'":               ada,
		"SELECT login FROM query('FROM users') WHERE login = 'ada.lovelace@example.com' OR login = 'SHADOW'":                ada,
		"SELECT login FROM connector_table('okta', 'lookup_user', '{\"user\":\"ada.lovelace@example.com\"}')":               ada,
		"SELECT connector_scalar('okta', 'lookup_user', '{\"user\":\"ada.lovelace@example.com\"}')->'profile'->>'login'":    ada,
		"SELECT connector_try('okta', 'lookup_user', json_object('user', 'ada.lovelace@example.com'))->'profile'->>'login'": ada,
		"SELECT lower('A')": "[\"a\"]", "SELECT upper('a')": "[\"A\"]", "SELECT 1 + 1": "[2]", "SELECT 'a' || 'b'": "[\"ab\"]", "SELECT 'a' LIKE 'b'": "[false]",
		"SELECT JSON '{\"a\":1}'": "[{\"a\":1}]", "SELECT '1'::VARCHAR": "[\"1\"]", "SELECT count(*) FROM okta.groups": "[5]", "SELECT now() > TIMESTAMPTZ '2020-01-01'": "[true]",
		"SELECT count(*) > 100 FROM okta.system_log": "[true]", "SELECT [1, 2]": "[[1,2]]", "SELECT strftime(DATE '2026-01-02', '%Y')": "[\"2026\"]",
	} {
		out, err := try(t.Context(), db, query)
		if _, got, _ := strings.Cut(out, "\n"); err == nil && got != answer+"\n" {
			found = append(found, query+": "+got)
		}
		if err != nil && !strings.Contains(query, "FROM users") && !strings.Contains(query, "'users'") {
			found = append(found, query+": "+err.Error())
		}
	}
	return found
}

// forgeryStep returns how far apart the forgeries are that a test tries. The list is in groups, so each group has one.
func forgeryStep() int {
	if testing.Short() {
		return 3 * everyForgery
	}
	return everyForgery
}

const ada = "[\"ada.lovelace@example.com\"]"

// TestNames_WhateverAStatementDoes_StayWhatTheyAre runs each forgery in a session of its own, and reads as a later author of
// the session and as a later session with the same database.
func TestNames_WhateverAStatementDoes_StayWhatTheyAre(t *testing.T) {
	t.Parallel()
	c := connected(t, "okta", oktatest.New(oktatest.Config{}))
	every := forgeryStep()
	for i, forgery := range forgeries {
		if i%every != 0 {
			continue
		}
		for _, files := range []bool{false, true} {
			if files && !strings.Contains(forgery, "ATTACH") {
				continue
			}
			config := sql.Config{Connections: []*host.Connection{c}, Database: filepath.Join(t.TempDir(), "kept.duckdb"), AllowFiles: files}
			first := open(t, config)
			_, err := try(t.Context(), first, forgery)
			_, _ = try(t.Context(), first, "ROLLBACK") // a refusal may have aborted a transaction
			for _, lie := range lies(t, first, ada) {
				t.Errorf("%s (%v)\nin the session: %s", forgery, err, lie)
			}
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			if err != nil && !strings.Contains(forgery, ";") {
				continue // it left nothing
			}
			second, err := sql.Open(t.Context(), config)
			if err != nil {
				if !strings.Contains(err.Error(), "choose another name") {
					t.Errorf("%s: %v", forgery, err)
				}
				continue
			}
			for _, lie := range lies(t, second, ada) {
				t.Errorf("%s\nin a later session: %s", forgery, lie)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOpen_DatabaseThatForges_IsRefusedOrHarmless has another DuckDB write the database.
func TestOpen_DatabaseThatForges_IsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	c := connected(t, "okta", oktatest.New(oktatest.Config{}))
	refused, every := 0, forgeryStep()
	for i, forgery := range forgeries {
		if i%every != every/2 {
			continue
		}
		if strings.Contains(forgery, "results") || strings.Contains(forgery, "memory") || strings.Contains(forgery, "ATTACH") {
			continue
		}
		for _, before := range []string{"", "CREATE SCHEMA okta;"} {
			path := filepath.Join(t.TempDir(), "kept.duckdb")
			theirs, err := dbsql.Open("duckdb", path)
			if err != nil {
				t.Fatal(err)
			}
			_, failed := theirs.Exec(before + forgery)
			_ = theirs.Close()
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{c}, Database: path})
			if err != nil {
				if refused++; !strings.Contains(err.Error(), "choose another name") || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v", forgery, err)
				}
				continue
			}
			if failed == nil && before != "" && !strings.HasPrefix(forgery, "DROP SCHEMA") {
				t.Errorf("%s: a database with a schema okta was opened", forgery)
			}
			if failed != nil && !strings.Contains(forgery, ";") {
				_ = db.Close()
				continue // it left nothing
			}
			for _, lie := range lies(t, db, ada) {
				t.Errorf("%s%s (%v)\n%s", before, forgery, failed, lie)
			}
			_ = db.Close()
		}
	}
	if refused < 50/every {
		t.Errorf("%d databases were refused", refused)
	}
}

// A table may have the name of a connection's view, and is read with its schema.
func TestNames_OfTheUsersOwn_CanBeUsed(t *testing.T) {
	c := connected(t, "okta", oktatest.New(oktatest.Config{}))
	db := open(t, sql.Config{Connections: []*host.Connection{c}, Database: filepath.Join(t.TempDir(), "kept.duckdb")})
	want(t, db, "CREATE TABLE users AS SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'; SELECT count(*) FROM results.users", "[2]")
	want(t, db, "SELECT count(*) > 2 FROM okta.users", "[true]")
	_, err := try(t.Context(), db, "SELECT count(*) FROM users")
	if err == nil || !strings.Contains(err.Error(), "users is both a view of okta and a table of results.main: write") {
		t.Errorf("got %v", err)
	}
	want(t, db, "INSERT INTO users VALUES ('x'); SELECT count(*) FROM main.users", "[3]")
	want(t, db, "ALTER TABLE users RENAME TO locked; SELECT count(*) > 2 FROM users", "[true]")
	want(t, db, "CREATE MACRO twice(x) AS 2 * x; CREATE TYPE mood AS ENUM ('a', 'b'); CREATE SCHEMA own; CREATE VIEW own.groups AS SELECT 1 AS x; SELECT twice(3), 'a'::mood, (FROM own.groups)", "[6,\"a\",1]")
	want(t, db, "BEGIN; CREATE TABLE gone(x INT); ROLLBACK; SELECT count(*) FROM duckdb_tables() WHERE table_name = 'gone'", "[0]")
	want(t, db, "BEGIN; CREATE TABLE stays(x INT); INSERT INTO stays VALUES (1); COMMIT; FROM stays", "[1]")
}
