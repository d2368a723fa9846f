//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// wantRefusals runs queries that must fail, each with a message that has all of its texts.
func wantRefusals(t *testing.T, db *sql.DB, refusals map[string][]string) {
	t.Helper()
	for query, texts := range refusals {
		out, err := try(t.Context(), db, query)
		if err == nil {
			t.Errorf("%s answered %s", query, out)
			continue
		}
		for _, text := range texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s\n got %v\nwant %s", query, err, text)
			}
		}
	}
}

func TestQuery_UnqualifiedViewOfSeveralConnections_NamesTheCandidates(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "d1", org), connected(t, "d-2", org)},
		Database: filepath.Join(t.TempDir(), "kept.duckdb")})
	ambiguous := []string{`groups is ambiguous: write d1.groups or "d-2".groups`}
	wantRefusals(t, db, map[string][]string{
		"FROM groups":                              ambiguous,
		"SELECT count(*) FROM Groups":              {`groups is ambiguous: write d1.groups or "d-2".groups`},
		"SELECT * FROM range(3), groups":           ambiguous,
		"CREATE TABLE x AS FROM range(3), groups":  ambiguous,
		"CREATE VIEW x AS FROM groups":             ambiguous,
		"FROM query('FROM groups')":                ambiguous,
		"FROM query_table('groups')":               ambiguous,
		"WITH x AS (FROM groups) FROM x":           ambiguous,
		"PREPARE x AS SELECT count(*) FROM groups": ambiguous,
		"DESCRIBE groups":                          ambiguous,
		"SUMMARIZE groups":                         ambiguous,
		"USE results; FROM groups":                 ambiguous,
		"SET search_path = 'main'; FROM groups":    nil, // the setting is locked
		"FROM unknown":                             {"Table with name unknown does not exist"},
	})
	if org.Count("GET /api/v1/groups") != 0 {
		t.Error("a refused query made a request")
	}
	want(t, db, `SELECT (SELECT count(*) FROM d1.groups), (SELECT count(*) FROM "d-2".groups)`, "[5,5]")
	if out := ask(t, db, "SHOW TABLES"); strings.Count(out, `"groups"`) != 3 {
		t.Errorf("SHOW TABLES lists a view that cannot be read: %s", out)
	}
	wantRefusals(t, db, map[string][]string{
		"CREATE TABLE groups AS SELECT 1; FROM groups": {`groups is both a view of d1, d-2 and a table of results.main: write "d1".groups or "d-2".groups or results.main.groups`},
	})
}

func TestQuery_SchemaOfAKindWithSeveralConnections_NamesThem(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "d1", org), connected(t, "d2", org)},
		Database: filepath.Join(t.TempDir(), "kept.duckdb")})
	several := []string{`"okta" is a kind with several connections, name one of d1, d2`}
	wantRefusals(t, db, map[string][]string{
		"FROM okta.groups":                                  several,
		`FROM "Okta"."groups"`:                              several,
		"FROM memory.okta.groups":                           several,
		"DESCRIBE okta.groups":                              several,
		"FROM query('FROM okta.groups')":                    several,
		"CREATE TABLE x AS FROM okta.groups":                several,
		"FROM connector_table('okta', 'list_groups', '{}')": several,
		// Nobody can put another schema in its place.
		"CREATE SCHEMA okta":         {"okta is the schema of a connection", "choose another name"},
		"CREATE SCHEMA results.Okta": {"Okta is the schema of a connection", "choose another name"},
	})
}

func TestQuery_ConnectionThatIsLeftOut_ChangesNoName(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	reason := errors.New(`connection "b": token_secret_ref: the environment variable B is not set`)
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "a", org)},
		LeftOut: []sql.LeftOut{{Config: host.Config{Name: "b", Kind: "okta"}, Reason: reason}}})
	several := []string{`"okta" is a kind with several connections, name one of a, b`}
	wantRefusals(t, db, map[string][]string{
		"FROM groups":      {"groups is ambiguous: write a.groups", reason.Error()},
		"FROM okta.groups": several,
		"FROM connector_table('okta', 'list_groups', '{}')":    several,
		"SELECT connector_scalar('okta', 'list_groups', '{}')": several,
		"FROM b.groups": {reason.Error()},
		"FROM connector_table('b', 'list_groups', '{}')": {reason.Error()},
	})
	want(t, db, "SELECT count(*) FROM a.groups", "[5]")
	// Another kind's connection has no part in the names of this one.
	other := open(t, sql.Config{Connections: []*host.Connection{connected(t, "a", org)},
		LeftOut: []sql.LeftOut{{Config: host.Config{Name: "b", Kind: "depot"}, Reason: errors.New("the module is for okta")}}})
	want(t, other, "SELECT (SELECT count(*) FROM groups), (SELECT count(*) FROM okta.groups)", "[5,5]")
	wantRefusals(t, other, map[string][]string{"FROM depot.items": {"the module is for okta"}, "FROM b.items": {"the module is for okta"}})
}
