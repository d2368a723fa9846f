//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// TestTable_WithAViewArgumentOfAStatement_IsRefused: the views' own calls have this argument. With it in a statement, conditions would be
// sent for columns that the statement renames, and in place of the statement's input.
func TestTable_WithAViewArgumentOfAStatement_IsRefused(t *testing.T) {
	db, requests, _ := countedOrg(t, oktatest.Config{Users: 50})
	own, err := try(t.Context(), db, `SELECT regexp_extract(sql, '"?view"? *:?=>? *(''[^'']*'')', 1) FROM duckdb_views() WHERE schema_name = 'okta' AND view_name = 'users'`)
	if err != nil {
		t.Fatal(err)
	}
	if _, own, _ = strings.Cut(own, "\n"); !strings.Contains(own, "users'") {
		t.Fatalf("the view has no argument that names it: %s", own)
	}
	other, err := try(t.Context(), open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", oktatest.New(oktatest.Config{}))}}),
		`SELECT regexp_extract(sql, '"?view"? *:?=>? *(''[^'']*'')', 1) FROM duckdb_views() WHERE schema_name = 'okta' AND view_name = 'users'`)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ = strings.Cut(other, "\n")
	quoted := func(row string) string { return strings.Trim(strings.TrimSpace(row), `[]"`) }
	ask(t, db, `SET VARIABLE marker = (SELECT regexp_extract(sql, '"?view"? *:?=>? *''([^'']*)''', 1) FROM duckdb_views() WHERE schema_name = 'okta' AND view_name = 'users')`)
	requests.take()
	for _, view := range []string{"'users'", "''", "NULL", "'x'", quoted(own), quoted(other), "'user' || 's'", "getvariable('marker')"} {
		for _, statement := range []string{
			`SELECT count(*) FROM connector_table('okta', 'list_users', '{"include_deprovisioned":true}', view := %s) t(login, id) WHERE login LIKE '00u%%'`,
			`SELECT count(*) FROM connector_table('okta', 'list_users', '{"status":"ACTIVE"}', view := %s) WHERE status IN ('DEPROVISIONED', 'SUSPENDED')`,
			`CREATE VIEW mine AS SELECT * FROM connector_table('okta', 'list_users', '{}', view := %s)`,
		} {
			statement = fmt.Sprintf(statement, view)
			if got, err := try(t.Context(), db, statement); err == nil || !strings.Contains(err.Error(), "Invalid named parameter \"view\"") {
				t.Errorf("%s: %s, %v", statement, got, err)
			}
		}
	}
	if got, err := try(t.Context(), db, `SELECT id FROM connector_table('okta', 'list_users', '{}', given := 'filter') WHERE filter = 'x'`); err == nil {
		t.Errorf("a statement had the argument of a view: %s", got)
	}
	if asked := requests.take(); len(asked) > 0 {
		t.Errorf("refused statements sent %s", asked)
	}
	want(t, db, `SELECT count(*) FROM connector_table('okta', 'list_users', '{"include_deprovisioned":true}') t(login, id) WHERE login LIKE '00u%'`, `[50]`)
	want(t, db, `SELECT count(*) FROM connector_table('okta', 'list_users', '{"status":"ACTIVE"}') WHERE status IN ('DEPROVISIONED', 'SUSPENDED')`, `[0]`)
}
