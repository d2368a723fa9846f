//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

// connected connects the module to a server.
func connected(t testing.TB, name string, h http.Handler) *host.Connection {
	t.Helper()
	return hosttest.Serve(t, hosttest.Connector.Module(t), h, host.Config{Name: name}, host.ConnectOptions{Secrets: hosttest.Secret(oktatest.DefaultToken)})
}

func open(t testing.TB, config sql.Config) *sql.DB {
	t.Helper()
	db, err := sql.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// demo is a database over a fresh simulated org.
func demo(t testing.TB, config oktatest.Config) (*sql.DB, *oktatest.Org) {
	t.Helper()
	org := oktatest.New(config)
	return open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", org)}}), org
}

// try runs a script and gives the rows of its last result as JSON arrays, one a line, under a line of the columns.
func try(ctx context.Context, db *sql.DB, script string) (string, error) {
	var b strings.Builder
	err := db.Run(ctx, script, func(r *sql.Result) error {
		b.Reset()
		var names []string
		for _, c := range r.Columns {
			names = append(names, c.Name+" "+string(c.Type))
		}
		b.WriteString(strings.Join(names, ", ") + "\n")
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			line, err := json.Marshal(row)
			if err != nil {
				return err
			}
			b.Write(append(line, '\n'))
		}
		return nil
	})
	return b.String(), err
}

func ask(t testing.TB, db *sql.DB, script string) string {
	t.Helper()
	out, err := try(t.Context(), db, script)
	if err != nil {
		t.Fatalf("%s\n%v", script, err)
	}
	return out
}

// want runs a script and compares its last result, one row a line.
func want(t testing.TB, db *sql.DB, script string, rows ...string) {
	t.Helper()
	_, got, _ := strings.Cut(ask(t, db, script), "\n")
	if all := strings.Join(append(rows, ""), "\n"); got != all {
		t.Errorf("%s\n got %s\nwant %s", script, got, all)
	}
}

func TestQuery_OfThePlatformsDocs_RunsUnchanged(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	out := ask(t, db, `SELECT * FROM connector_table('okta', 'poll_system_log_page', JSON '{}');`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.HasPrefix(lines[0], "uuid VARCHAR, published TIMESTAMPTZ, event_type VARCHAR") || !strings.HasSuffix(lines[0], "record JSON") {
		t.Errorf("the columns are %s", lines[0])
	}
	// A log has no end: caught up is where the table ends.
	if len(lines)-1 != org.EventCount() || org.EventCount() != 250 || org.Count("GET /api/v1/logs") != 1 {
		t.Errorf("%d rows of %d events with %d requests", len(lines)-1, org.EventCount(), org.Count("GET /api/v1/logs"))
	}
	i := 0
	for event := range org.Events() {
		if i++; !strings.HasSuffix(lines[i], ","+string(event)+"]") {
			t.Fatalf("row %d is not the record byte for byte:\n%s\n%s", i, lines[i], event)
		}
	}
}

func TestTable_OfTheLog_EndsWhenCaughtUp(t *testing.T) {
	db, org := demo(t, oktatest.Config{Events: 2500})
	want(t, db, `SELECT count(*), count(DISTINCT uuid) FROM connector_table('okta', 'poll_system_log_page', JSON '{"page_size":1000}')`, `[2500,2500]`)
	if n := org.Count("GET /api/v1/logs"); n != 3 {
		t.Errorf("%d requests for 2,500 events", n)
	}
	// A full last page tells nothing: the next one is empty, and the end.
	want(t, db, `SELECT count(*) FROM connector_table('okta', 'poll_system_log_page', JSON '{"page_size":500}')`, `[2500]`)
	if n := org.Count("GET /api/v1/logs"); n != 3+6 {
		t.Errorf("%d requests for 5 full pages", n-3)
	}
}

func TestViews_OfAConnection_ReturnRows(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	want(t, db, `SELECT login FROM okta.users WHERE status = 'LOCKED_OUT' ORDER BY login`,
		`["goran.ellingham6@example.com"]`, `["hugo.dvorak13@example.com"]`)
	want(t, db, `SELECT count(*) FROM okta.users`, fmt.Sprintf("[%d]", len(org.UserIDs()))) // DEPROVISIONED ones too
	for view, n := range map[string]int{"groups": len(org.Groups()), "applications": len(org.Applications()), "policies": len(org.Policies()),
		"zones": len(org.Zones()), "devices": len(org.Devices()), "authenticators": len(org.Authenticators()), "oauth_clients": len(org.Clients()),
		"authorization_servers": len(org.AuthorizationServers()), "system_log": org.EventCount()} {
		want(t, db, "SELECT count(*) FROM okta."+view, fmt.Sprintf("[%d]", n))
	}
	roles, _ := org.CustomRoles()
	want(t, db, "SELECT count(*) FROM okta.roles", fmt.Sprintf("[%d]", len(roles)))
}

func TestViews_OfListsWithoutRequiredInput_Exist(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	m := hosttest.Connector.Module(t)
	var expected []string
	for _, op := range m.Manifest().Operations {
		name, list := strings.CutPrefix(op.Name, "list_")
		if list && op.On(abi.SQL) && !gjson.GetBytes(op.InputSchema, "required").Exists() {
			expected = append(expected, name)
		}
	}
	for _, name := range []string{"system_log", "user_factors", "user_devices", "application_users", "policy_rules", "policy_mappings", "scopes", "claims", "org"} {
		if !slices.ContainsFunc(m.Manifest().Views, func(v abi.View) bool { return v.Name == name }) {
			t.Errorf("the manifest has no view %s", name)
		}
	}
	for _, v := range m.Manifest().Views {
		if !slices.Contains(expected, v.Name) {
			expected = append(expected, v.Name)
		}
	}
	slices.Sort(expected)
	var rows []string
	for _, e := range expected {
		rows = append(rows, fmt.Sprintf("[%q]", e))
	}
	want(t, db, "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'okta' ORDER BY 1", rows...)
}

func TestDescribe_OfViews_HasTheirComments(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	for _, show := range []string{"SHOW TABLES", "show all tables;"} {
		out := ask(t, db, show)
		if !strings.Contains(out, `["okta","groups","Lists groups.`) || !strings.Contains(out, `["okta","system_log","The System Log: the 90 days that Okta keeps.`) {
			t.Errorf("%s: %s", show, out)
		}
	}
	ask(t, db, `CREATE TABLE "my users" AS SELECT * FROM okta.users LIMIT 0; COMMENT ON COLUMN "my users".id IS 'mine'`)
	for describe, row := range map[string]string{
		"DESCRIBE okta.users":              `["id","VARCHAR","YES",null,null,null,"the user's id"]`,
		`desc memory."okta".Users`:         `["id","VARCHAR","YES",null,null,null,"the user's id"]`,
		`DESCRIBE okta.system_log;`:        `["published","TIMESTAMP WITH TIME ZONE","YES",null,null,null,"when it happened"]`,
		`DESCRIBE "my users"`:              `["id","VARCHAR","YES",null,null,null,"mine"]`,
		"DESCRIBE SELECT 1 AS x":           `["x","INTEGER","YES",null,null,null]`, // DuckDB's own
		"DESCRIBE FROM okta.groups":        `["id","VARCHAR","YES",null,null,null]`,
		"SHOW okta.groups":                 `["id","VARCHAR","YES",null,null,null]`,
		"FROM (DESCRIBE okta.groups)":      `["id","VARCHAR","YES",null,null,null]`,
		"PRAGMA table_info('okta.groups')": `[0,"id","VARCHAR",false,null,false]`,
	} {
		if out := ask(t, db, describe); !strings.Contains(out, row+"\n") {
			t.Errorf("%s: %s\nwant %s", describe, out, row)
		}
	}
	want(t, db, `SELECT comment FROM duckdb_columns() WHERE schema_name = 'okta' AND table_name = 'users' AND column_name = 'id'`, `["the user's id"]`)
	want(t, db, `SELECT left(comment, 9) FROM duckdb_views() WHERE schema_name = 'okta' AND view_name = 'users'`, `["All users"]`)
	// Every column that the manifest describes is described.
	m := hosttest.Connector.Module(t)
	op, err := m.Operation("list_policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range op.Columns {
		comment, _ := json.Marshal(c.Description)
		if c.Description == "" {
			comment = []byte("null")
		}
		want(t, db, fmt.Sprintf("SELECT comment FROM duckdb_columns() WHERE schema_name = 'okta' AND table_name = 'policies' AND column_name = '%s'", c.Name), "["+string(comment)+"]")
	}
}

func TestQuery_JoinWithFactors_AsksForEachUser(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	factors := map[string]int{}
	for _, id := range org.UserIDs() {
		for _, f := range org.Factors(id) {
			factors[gjson.GetBytes(f, "factorType").Str]++
		}
	}
	var rows []string
	for _, kind := range slices.Sorted(maps.Keys(factors)) {
		rows = append(rows, fmt.Sprintf("[%q,%d]", kind, factors[kind]))
	}
	if len(rows) < 3 {
		t.Fatalf("the org has factors %v", factors)
	}
	// As a lateral join, with the factors as rows.
	want(t, db, `SELECT f->>'factorType' AS kind, count(*)
		FROM okta.users u, LATERAL (SELECT unnest(connector_scalar('okta', 'list_factors', json_object('user', u.id))::JSON[]) AS f)
		GROUP BY kind ORDER BY kind`, rows...)
	if n := org.Count("GET /api/v1/users/{userId}/factors"); n != len(org.UserIDs()) {
		t.Errorf("%d requests for the factors of %d users", n, len(org.UserIDs()))
	}
	// As a scalar: who has none?
	none := 0
	for _, id := range org.UserIDs() {
		if len(org.Factors(id)) == 0 {
			none++
		}
	}
	want(t, db, `SELECT count(*) FROM okta.users WHERE json_array_length(connector_scalar('okta', 'list_factors', json_object('user', id))) = 0`, fmt.Sprintf("[%d]", none))
}

func TestQuery_AggregateOverTheLog_Counts(t *testing.T) {
	db, org := demo(t, oktatest.Config{Events: 1500})
	type bucket struct{ hour, kind string }
	counts := map[bucket]int{}
	for e := range org.Events() {
		at, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(e, "published").Str)
		if err != nil {
			t.Fatal(err)
		}
		counts[bucket{at.UTC().Truncate(time.Hour).Format(time.RFC3339), gjson.GetBytes(e, "eventType").Str}]++
	}
	var rows []string
	for b, n := range counts {
		rows = append(rows, fmt.Sprintf("[%q,%q,%d]", b.hour, b.kind, n))
	}
	slices.Sort(rows)
	if len(rows) < 50 {
		t.Fatalf("%d rows are too few to tell anything", len(rows))
	}
	want(t, db, `SELECT date_trunc('hour', published) AS hour, event_type, count(*) FROM okta.system_log GROUP BY ALL ORDER BY ALL`, rows...)
}

func TestQuery_WithFilesAllowed_ReadsAndWritesThem(t *testing.T) {
	dir := t.TempDir()
	org := oktatest.New(oktatest.Config{})
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", org)}, AllowFiles: true})
	people := filepath.Join(dir, "people.csv")
	if err := os.WriteFile(people, []byte("email,team\nada.lovelace@example.com,Engines\nalan.turing@example.com,Codes\nnobody@example.com,None\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, db, `SELECT p.team, u.first_name FROM read_csv('`+people+`') p LEFT JOIN okta.users u ON u.login = p.email ORDER BY p.team`,
		`["Codes","Alan"]`, `["Engines","Ada"]`, `["None",null]`)
	for _, format := range []string{"parquet", "csv"} {
		file := filepath.Join(dir, "users."+format)
		ask(t, db, `COPY (SELECT id, login, created, status FROM okta.users) TO '`+file+`'`)
		want(t, db, `SELECT count(*), bool_and(f.login = u.login AND f.created = u.created AND f.status = u.status) FROM '`+file+`' f JOIN okta.users u USING (id)`,
			fmt.Sprintf("[%d,true]", len(org.UserIDs())))
	}
	ask(t, db, `COPY (FROM okta.groups) TO '`+filepath.Join(dir, "groups.parquet")+`'`)
	want(t, db, `SELECT typeof(created), typeof(users_count), count(*) FROM '`+filepath.Join(dir, "groups.parquet")+`' GROUP BY ALL`,
		fmt.Sprintf(`["TIMESTAMP WITH TIME ZONE","BIGINT",%d]`, len(org.Groups())))
}

func TestQuery_WithALimit_StopsPaging(t *testing.T) {
	db, org := demo(t, oktatest.Config{Users: 100_000, RateLimits: map[string]int{"*": -1}})
	for _, q := range []struct {
		query    string
		rows     int
		requests int
	}{
		{"SELECT * FROM okta.users LIMIT 10", 10, 1},
		{"SELECT login FROM connector_table('okta', 'list_users', '{}') LIMIT 10", 10, 1},
		{"SELECT login FROM okta.users LIMIT 200", 200, 1},
		{"SELECT login FROM okta.users LIMIT 201", 201, 2},
		{"SELECT login FROM okta.users LIMIT 10 OFFSET 195", 10, 2},
		{"SELECT login FROM connector_table('okta', 'list_users', JSON '{\"limit\":450}')", 450, 3},
		{"SELECT login FROM connector_table('okta', 'list_users', JSON '{\"page_size\":10}') LIMIT 10", 10, 1},
		{"SELECT connector_scalar('okta', 'lookup_user', json_object('user', id)) FROM okta.users LIMIT 3", 3, 1},
	} {
		before := org.Count("GET /api/v1/users")
		out := ask(t, db, q.query)
		if rows, requests := strings.Count(out, "\n")-1, org.Count("GET /api/v1/users")-before; rows != q.rows || requests != q.requests {
			t.Errorf("%s: %d rows with %d requests, want %d with %d", q.query, rows, requests, q.rows, q.requests)
		}
	}
	if n := org.Count("GET /api/v1/users/{id}"); n != 3 {
		t.Errorf("%d users were looked up for a LIMIT of 3", n)
	}
}

func TestTable_WithRelativeTimes_ReadsThatRange(t *testing.T) {
	db, _ := demo(t, oktatest.Config{Events: 50}) // within the last day
	want(t, db, `SELECT count(*) FROM connector_table('okta', 'bounded_system_log_range', '{"since":"-25h","until":"now"}')`, "[50]")
	want(t, db, `SELECT count(*) FROM connector_table('okta', 'bounded_system_log_range', '{"since":"2 weeks ago","until":"-13d"}')`, "[0]")
	want(t, db, `SELECT json_array_length(connector_scalar('okta', 'bounded_system_log_range', '{"since":"-25h","until":"now"}'))`, "[50]")
}

func TestQuery_OfSomeColumns_ReadsOnlyThese(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	plan := ask(t, db, "EXPLAIN SELECT count(*), max(last_login) FROM okta.users WHERE status = 'ACTIVE'")
	for _, column := range []string{"last_login", "status"} {
		if !strings.Contains(plan, column) {
			t.Errorf("%s is not in the plan:\n%s", column, plan)
		}
	}
	for _, column := range []string{"record", "first_name", "profile"} {
		if strings.Contains(plan, column) {
			t.Errorf("%s is in the plan:\n%s", column, plan)
		}
	}
	want(t, db, "SELECT count(*) FROM okta.groups", "[5]") // no column at all
}

func TestScalar_WithRepeatedInputs_AsksOnce(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	logins := `(SELECT ['ada.lovelace@example.com', 'alan.turing@example.com', 'nobody@example.com'][1 + i % 3] AS login FROM range(10000) t(i))`
	want(t, db, `SELECT login, count(*), any_value(u->'profile'->>'firstName') FROM
		(SELECT login, connector_scalar('okta', 'lookup_user', json_object('user', login)) AS u FROM `+logins+`) GROUP BY login ORDER BY login`,
		`["ada.lovelace@example.com",3334,"Ada"]`, `["alan.turing@example.com",3333,"Alan"]`, `["nobody@example.com",3333,null]`)
	if n := org.Count("GET /api/v1/users/{id}"); n != 3 {
		t.Errorf("%d requests for 3 different inputs", n)
	}
	// Written twice in one statement, it is asked once too; the next statement asks anew.
	org2 := org.Count("GET /api/v1/org")
	ask(t, db, `SELECT connector_scalar('okta', 'org_identity', '{}'), connector_scalar('okta', 'org_identity', '{}')`)
	if n := org.Count("GET /api/v1/org") - org2; n != 1 {
		t.Errorf("%d requests in one statement", n)
	}
	ask(t, db, `SELECT connector_scalar('okta', 'org_identity', '{}')`)
	if n := org.Count("GET /api/v1/org") - org2; n != 2 {
		t.Errorf("%d requests in two statements", n)
	}
}

func TestScalar_OfAnOperation_ReturnsItsOutput(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	ada, _ := org.User("ada.lovelace@example.com")
	if out := ask(t, db, `SELECT connector_scalar('okta', 'lookup_user', JSON '{"user":"ada.lovelace@example.com"}') AS u`); !strings.HasPrefix(out, "u JSON\n[{\"id\":\""+gjson.GetBytes(ada, "id").Str) {
		t.Error(out)
	}
	want(t, db, `SELECT connector_scalar('okta', 'lookup_user', json_object('user', 'nobody@example.com'))`, "[null]") // not there
	want(t, db, `SELECT connector_scalar('okta', 'lookup_user', NULL), connector_scalar(NULL, 'lookup_user', '{}')`, "[null,null]")
	want(t, db, `SELECT json_array_length(connector_scalar('okta', 'list_groups', JSON '{}')), connector_scalar('okta', 'list_groups', JSON '{"filter":"id eq \"00gabcdefgh123456789\""}')`, "[5,[]]")
	want(t, db, `SELECT connector_try('okta', 'list_factors', json_object('user', x)) IS NULL FROM (VALUES ('nobody@example.com'), ('ada.lovelace@example.com')) t(x) ORDER BY x`, "[false]", "[true]")
	want(t, db, `SELECT connector_try('okta', 'list_factors', json_object('user', 'nobody@example.com'))`, "[null]")
}

// Its argument may be a subquery, correlated or not.
func TestScalar_OfASubquery_TakesItsRows(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	ada, _ := org.User("ada.lovelace@example.com")
	alan, _ := org.User("alan.turing@example.com")
	ids := fmt.Sprintf("(VALUES (1, '%s'), (2, '%s'), (3, NULL)) t(n, id)", gjson.GetBytes(ada, "id").Str, gjson.GetBytes(alan, "id").Str)
	const name = "->'profile'->>'firstName'"
	want(t, db, `SELECT connector_scalar('okta', 'lookup_user', (SELECT json_object('user', u.id) FROM okta.users u WHERE u.id = t.id))`+name+` FROM `+ids+` ORDER BY n`,
		`["Ada"]`, `["Alan"]`, `[null]`)
	want(t, db, `SELECT (SELECT connector_scalar('okta', 'lookup_user', json_object('user', t.id))`+name+`) FROM `+ids+` WHERE id IS NOT NULL ORDER BY n`,
		`["Ada"]`, `["Alan"]`)
	want(t, db, `SELECT connector_scalar('okta', 'lookup_user', (SELECT json_object('user', id) FROM okta.users WHERE login = 'ada.lovelace@example.com'))`+name, `["Ada"]`)
	want(t, db, `SELECT count(*) FROM `+ids+` WHERE EXISTS (SELECT 1 FROM okta.users u WHERE connector_try('okta', 'lookup_user', json_object('user', t.id))->>'id' = u.id)`, "[2]")
}

// An answer is no part of a plan.
func TestScalar_OfAPreparedStatement_AsksAtEachRun(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	requests := 0
	for _, s := range []struct {
		statement string
		requests  int
	}{
		{"PREPARE p AS SELECT connector_scalar('okta', 'org_identity', '{}')->>'id'", 0},
		{"EXECUTE p", 1},
		{"EXECUTE p", 1},
		{"PREPARE q AS SELECT connector_scalar('okta', 'org_identity', '{}') IS NULL FROM okta.groups WHERE connector_scalar('okta', 'org_identity', '{}') IS NOT NULL", 0},
		{"EXECUTE q", 1},
		{"PREPARE r AS SELECT connector_scalar('okta', $1, '{}') IS NULL", 0},
		{"EXECUTE r('org_identity')", 1},
		{"EXPLAIN SELECT connector_scalar('okta', 'org_identity', '{}')", 0},
		{"EXPLAIN ANALYZE SELECT connector_scalar('okta', 'org_identity', '{}')", 1},
		{"DESCRIBE SELECT connector_scalar('okta', 'org_identity', '{}')", 0},
		{"CREATE VIEW v AS SELECT connector_scalar('okta', 'org_identity', '{}') AS o", 0},
		{"FROM v", 1},
		{"SELECT connector_try('okta', 'org_identity', '{}'), connector_scalar('okta', 'org_identity', '{}')", 1},
		{"PREPARE s AS SELECT connector_try('okta', 'org_identity', '{}')", 0},
		{"EXECUTE s", 1},
		{"FROM range(3) LIMIT length(connector_scalar('okta', 'org_identity', '{}'))", 1},
	} {
		ask(t, db, s.statement)
		if n := org.Count("GET /api/v1/org") - requests; n != s.requests {
			t.Errorf("%s: %d requests, want %d", s.statement, n, s.requests)
		}
		requests = org.Count("GET /api/v1/org")
	}
}

func TestQuery_WithAMistake_ExplainsIt(t *testing.T) {
	org := oktatest.New(oktatest.Config{Forbid: []string{"GET /api/v1/zones"}})
	noRead := hosttest.Serve(t, hosttest.Connector.Module(t), org, host.Config{Name: "no-read", Grants: []abi.Class{abi.Write}},
		host.ConnectOptions{Secrets: hosttest.Secret(org.Token())})
	dead := connected(t, "bad-token", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "SSWS wrong")
		org.ServeHTTP(w, r)
	}))
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", org), noRead, dead}})
	for _, e := range []struct {
		query, message string
		outcome        abi.Outcome
	}{
		{`FROM connector_table('okta', 'lookup_usr', '{}')`, `unknown operation "lookup_usr": did you mean lookup_user?`, abi.Invalid},
		{`FROM connector_table('okta', 'lookup_user', '{"usr":"x"}')`, `did you mean user?`, abi.Invalid},
		{`FROM connector_table('okta', 'lookup_user', JSON '{}')`, `missing property 'user'`, abi.Invalid},
		{`FROM connector_table('okta', 'bounded_system_log_range', '{"since":"soon","until":"now"}')`, `bounded_system_log_range: since: want a time such as 2026-01-02T03:04:05Z, `, ""},
		{`SELECT connector_scalar('okta', 'bounded_system_log_range', '{"since":"-1h","until":"soon"}')`, `bounded_system_log_range: until: want a time such as `, ""},
		{`FROM connector_table('okta', 'lookup_user', '{')`, `the input is not JSON: write it as JSON '{…}'`, ""},
		{`FROM connector_table('okta', 'lookup_user', NULL)`, `argument 3 is NULL`, ""},
		{`FROM connector_table('okta', 'deactivate_user', '{"user":"x"}')`, `deactivate_user is not on the sql surface`, abi.Invalid},
		{`FROM connector_table('okta', 'validate', '{}')`, `validate is not on the sql surface`, abi.Invalid},
		{`SELECT connector_scalar('okta', 'deactivate_user', '{"user":"x"}')`, `deactivate_user is not on the sql surface`, abi.Invalid},
		{`FROM connector_table('no-read', 'list_groups', '{}')`, `add read to its grants`, abi.Denied},
		{`SELECT connector_scalar('no-read', 'list_groups', '{}')`, `add read to its grants`, abi.Denied},
		{`FROM connector_table('nope', 'list_groups', '{}')`, `unknown connection "nope": the connection file has okta, no-read, bad-token`, ""},
		{`FROM connector_table('okta', 'list_factors', '{"user":"nobody@example.com"}')`, `Okta answered 404 E0000007: Not found: Resource not found: nobody@example.com (User)`, abi.NotFound},
		{`SELECT connector_scalar('okta', 'list_factors', '{"user":"nobody@example.com"}')`, `Okta answered 404 E0000007`, abi.NotFound},
		{`FROM okta.zones`, `E0000006`, abi.Rejected},
		{`FROM "bad-token".users`, `E0000011`, abi.Rejected},
		{`FROM connector_table('okta', 'list_users', '{"filter":"nonsense"}')`, `400`, abi.Rejected},
		{`SELECT count(*) FROM okta.users, okta.zones`, `E0000006`, abi.Rejected},
		{`FROM okta.userz`, `Did you mean "users"?`, ""},
		{`SELEC 1`, `syntax error at or near "SELEC"`, ""},
	} {
		before := org.Writes()
		_, err := try(t.Context(), db, e.query)
		var failed *sql.Error
		var outcome host.OutcomeError
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, e.message) || failed.Statement != e.query {
			t.Errorf("%s\n got %v\nwant %s", e.query, err, e.message)
		}
		if errors.As(err, &outcome); outcome.Outcome != e.outcome {
			t.Errorf("%s: outcome %q, want %q", e.query, outcome.Outcome, e.outcome)
		}
		if strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: several lines: %q", e.query, err)
		}
		if org.Writes() != before {
			t.Errorf("%s wrote", e.query)
		}
	}
	want(t, db, "SELECT 1", "[1]") // and goes on
	var script []string
	err := db.Run(t.Context(), "SELECT 1; FROM nope; SELECT 2", func(r *sql.Result) error {
		script = append(script, r.Statement)
		return nil
	})
	if err == nil || !reflect.DeepEqual(script, []string{"SELECT 1"}) {
		t.Errorf("a script went on behind its first error: %v, %v", script, err)
	}
}

func TestQuery_Cancelled_StopsItsRequests(t *testing.T) {
	for _, query := range []string{
		"SELECT count(*) FROM okta.users",
		"CREATE TABLE t AS FROM okta.users",
		"SELECT connector_scalar('okta', 'lookup_user', json_object('user', i::VARCHAR)) FROM range(1000) t(i)",
		"SELECT count(*) FROM (FROM okta.users UNION ALL FROM okta.users)",
	} {
		t.Run(query, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var requests, ended atomic.Int32
			db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				cancel()
				<-r.Context().Done() // no answer ever comes
				ended.Add(1)
			}))}})
			_, err := try(ctx, db, query)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			for deadline := time.Now().Add(time.Minute); ended.Load() < requests.Load(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d of %d requests ended", ended.Load(), requests.Load())
				}
			}
			if n := requests.Load(); n > 8 {
				t.Errorf("%d requests left", n)
			}
			want(t, db, "SELECT 1", "[1]") // the next statement is not stopped
		})
	}
}

func TestOpen_WithSeveralConnections_HasASchemaForEach(t *testing.T) {
	one, two := oktatest.New(oktatest.Config{Seed: 1}), oktatest.New(oktatest.Config{Seed: 2, Groups: 9})
	eu, us := connected(t, "okta-eu", one), connected(t, "okta.us", two)
	db := open(t, sql.Config{Connections: []*host.Connection{eu, us}})
	want(t, db, `SELECT (SELECT count(*) FROM "okta-eu".groups), (SELECT count(*) FROM "okta.us".groups)`, "[5,9]")
	want(t, db, `SELECT count(*) FROM connector_table('okta.us', 'list_groups', '{}')`, "[9]")
	want(t, db, `SELECT json_array_length(connector_scalar('okta-eu', 'list_groups', '{}'))`, "[5]")
	for _, q := range []string{"FROM okta.groups", "FROM connector_table('okta', 'list_groups', '{}')"} {
		if _, err := try(t.Context(), db, q); err == nil {
			t.Errorf("%s: a kind with two connections names neither", q)
		} else if strings.Contains(q, "connector_table") && !strings.Contains(err.Error(), `"okta" is a kind with several connections, name one of okta-eu, okta.us`) {
			t.Error(err)
		}
	}
	// A kind with one connection names it.
	alone := open(t, sql.Config{Connections: []*host.Connection{us}})
	want(t, alone, `SELECT (SELECT count(*) FROM okta.groups), (SELECT count(*) FROM "okta.us".groups), (SELECT count(*) FROM connector_table('okta', 'list_groups', '{}'))`, "[9,9,9]")
	// Names that a query could not tell apart have no schema, and are said.
	var log bytes.Buffer
	odd := open(t, sql.Config{Connections: []*host.Connection{connected(t, "main", one), connected(t, "Org", one), connected(t, "org", two)},
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	want(t, odd, `SELECT count(*) FROM connector_table('main', 'list_groups', '{}')`, "[5]")
	want(t, odd, `SELECT (SELECT count(*) FROM org.groups), (SELECT count(*) FROM connector_table('org', 'list_groups', '{}'))`, "[5,9]")
	if !strings.Contains(log.String(), "connection=main") || !strings.Contains(log.String(), "connection=org") {
		t.Errorf("the log says %s", log.String())
	}
	if _, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{eu, eu}}); err == nil {
		t.Error("two connections of one name were taken")
	}
}

func TestOpen_WithADatabase_KeepsItsTables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "it's kept.duckdb")
	c := connected(t, "okta", oktatest.New(oktatest.Config{}))
	first, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{c}, Database: file})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, first, `CREATE TABLE locked AS SELECT id, login, record FROM okta.users WHERE status = 'LOCKED_OUT'; CREATE VIEW named AS SELECT name FROM okta.groups`)
	ask(t, first, `INSERT INTO locked FROM locked; USE memory; CREATE TABLE gone AS SELECT 1`)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, sql.Config{Connections: []*host.Connection{c}, Database: file})
	want(t, second, `SELECT count(*), count(DISTINCT login) FROM locked`, "[4,2]")
	want(t, second, `SELECT count(*) FROM named JOIN okta.groups USING (name)`, "[5]")
	want(t, second, `SELECT count(*) FROM duckdb_tables() WHERE table_name = 'gone'`, "[0]")
	// What this package makes is not in the file.
	want(t, second, `SELECT view_name FROM duckdb_views() WHERE database_name = 'results' AND NOT internal`, `["named"]`)
	if out := ask(t, second, "SHOW TABLES"); !strings.Contains(out, `["main","locked",null]`) || !strings.Contains(out, `["okta","users",`) {
		t.Error(out)
	}
	if _, err := sql.Open(t.Context(), sql.Config{Database: filepath.Join(t.TempDir(), "no", "such", "folder")}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("got %v", err)
	}
}

func TestRun_StatementsWithoutRows_Succeed(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	for _, s := range []struct {
		statement string
		changed   int64
	}{
		{"CREATE TABLE t AS SELECT id, name FROM okta.groups", 5},
		{"INSERT INTO t FROM t", 5},
		{"UPDATE t SET name = 'x' WHERE name = 'Everyone'", 2},
		{"DELETE FROM t WHERE name = 'x'", 2},
		{"DROP TABLE t", -1},
		{"BEGIN", -1},
		{"ROLLBACK", -1},
		{"SET VARIABLE x = 5", -1},
		{"CREATE MACRO twice(a) AS 2 * a", -1},
	} {
		err := db.Run(t.Context(), s.statement, func(r *sql.Result) error {
			if len(r.Columns) != 0 || r.Changed != s.changed {
				t.Errorf("%s: columns %v, changed %d, want %d", s.statement, r.Columns, r.Changed, s.changed)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", s.statement, err)
		}
	}
	want(t, db, "SELECT twice(getvariable('x'))", "[10]")
	want(t, db, "CREATE TABLE t(a INT, b JSON); INSERT INTO t VALUES (1, '[2]') RETURNING a, b", "[1,[2]]")
}

func TestRun_StatementRunAgain_AsksAgain(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	want(t, db, "PREPARE p AS SELECT count(*) FROM okta.groups; EXECUTE p; EXECUTE p", "[5]")
	if n := org.Count("GET /api/v1/groups"); n != 2 {
		t.Errorf("%d requests for two runs", n)
	}
	want(t, db, "PREPARE q AS SELECT name FROM okta.groups WHERE name = $1; EXECUTE q('Everyone')", `["Everyone"]`)
	want(t, db, `WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM r, (SELECT count(*) AS c FROM okta.groups) WHERE n < 3 AND c = 5) SELECT count(*) FROM r`, "[4]")
	want(t, db, "SELECT count(*) FROM okta.groups a, okta.groups b", "[25]")
	want(t, db, "WITH g AS (FROM okta.groups) SELECT (SELECT count(*) FROM g), (SELECT max(name) FROM g) = (SELECT max(name) FROM okta.groups)", "[5,true]")
}

func TestQuery_OfEachType_ReturnsItsValues(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	for expression, row := range map[string]string{
		"1::TINYINT, 2::UINTEGER, 3::BIGINT":                               `[1,2,3]`,
		"170141183460469231731687303715884105727::HUGEINT":                 `[170141183460469231731687303715884105727]`,
		"18446744073709551615::UBIGINT, sum(1)":                            `[18446744073709551615,1]`,
		"1.50::DECIMAL(5,2), 1.5::FLOAT, 1e300::DOUBLE":                    `[1.50,1.5,1e+300]`,
		"'nan'::DOUBLE, '-inf'::FLOAT":                                     `["NaN","-Inf"]`,
		"DATE '2026-01-02', TIME '10:20:30', TIMESTAMP '2026-01-02 10:00'": `["2026-01-02","10:20:30","2026-01-02 10:00:00"]`,
		"TIMESTAMPTZ '2026-01-02 10:00:00.123456+02'":                      `["2026-01-02T08:00:00.123456Z"]`,
		"INTERVAL 1 DAY, UUID '00000000-0000-0000-0000-00000000000a'":      `["1 day","00000000-0000-0000-0000-00000000000a"]`,
		`'\x00\xff'::BLOB, 'x'::ENUM('x','y'), '101'::BIT`:                 `["\\x00\\xFF","x","101"]`,
		"[1, NULL], {'b': 1, 'a': [DATE '2026-01-02']}, MAP {'k': 1}":      `[[1,null],{"b":1,"a":["2026-01-02"]},{"k":1}]`,
		`JSON '{"b": 1.10, "a": 12345678901234567890}'`:                    `[{"b":1.10,"a":12345678901234567890}]`,
		"json_array(1, NULL)":                                              `[[1,null]]`,
		"NULL, true, 'text'":                                               `[null,true,"text"]`,
		"1 AS a, 2 AS a, JSON '3' AS a -- and a comment":                   `[1,2,3]`,
	} {
		want(t, db, "SELECT "+expression, row)
	}
	// The order of a query is kept where its values are read in another form.
	want(t, db, "SELECT i, JSON '[]' FROM range(5) t(i) ORDER BY i DESC LIMIT 3", "[4,[]]", "[3,[]]", "[2,[]]")
	out := ask(t, db, "SELECT count(*) AS n, max(created) AS newest, any_value(record) AS r, any_value(name) AS name, avg(1) AS mean, true AS b FROM okta.groups")
	if columns, _, _ := strings.Cut(out, "\n"); columns != "n BIGINT, newest TIMESTAMPTZ, r JSON, name VARCHAR, mean DOUBLE, b BOOLEAN" {
		t.Error(columns)
	}
}

func TestComplete_OfPrefixes_SuggestsNames(t *testing.T) {
	db, _ := demo(t, oktatest.Config{})
	for text, completed := range map[string]string{
		"FROM okta.us":                           "FROM okta.users",
		"SELECT login FROM okta.users WHERE cre": "SELECT login FROM okta.users WHERE created",
		"SELECT * FROM connector_t":              "SELECT * FROM connector_table",
		"SELECT a, connector_s":                  "SELECT a, connector_scalar",
		"SEL":                                    "SELECT",
	} {
		var all []string
		for _, c := range db.Complete(t.Context(), text) {
			all = append(all, text[:c.From]+strings.TrimSpace(c.Text))
		}
		if !slices.Contains(all, completed) {
			t.Errorf("%s goes on as %q", text, all)
		}
	}
	if c := db.Complete(t.Context(), "'"); len(c) > 0 && c[0].From > 1 {
		t.Errorf("%v", c)
	}
}

// A table has no place for an operation's warnings, so they are logged.
func TestQuery_WithWarnings_LogsThem(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	var log bytes.Buffer
	c := hosttest.Serve(t, hosttest.Connector.Module(t), org, host.Config{Name: "okta"},
		host.ConnectOptions{Secrets: hosttest.Secret(org.Token()), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	db := open(t, sql.Config{Connections: []*host.Connection{c}})
	ask(t, db, `SELECT count(*) FROM connector_table('okta', 'bounded_system_log_range', json_object('since', strftime(now() - INTERVAL 100 DAY, '%Y-%m-%dT%H:%M:%SZ'), 'until', strftime(now(), '%Y-%m-%dT%H:%M:%SZ')))`)
	if !strings.Contains(log.String(), "operation=bounded_system_log_range") || !strings.Contains(log.String(), "90 days") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestQuery_ManyAtOnce_Succeed is for the race detector: DuckDB calls on its own threads.
func TestQuery_ManyAtOnce_Succeed(t *testing.T) {
	db, org := demo(t, oktatest.Config{RateLimits: map[string]int{"*": -1}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if out, err := try(t.Context(), db, "SELECT count(*) FROM (SELECT id FROM okta.users UNION ALL SELECT id FROM okta.groups UNION ALL SELECT id FROM okta.zones)"); err != nil || !strings.Contains(out, "[") {
				t.Error(out, err)
			}
			db.Complete(t.Context(), "FROM okta.us")
		})
	}
	all.Wait()
	// More rows than one thread gets: several ask for the same users at the same time.
	before := org.Count("GET /api/v1/users/{id}")
	want(t, db, `CREATE TABLE many AS SELECT i FROM range(250000) t(i);
		SELECT count(*) FROM many WHERE (connector_scalar('okta', 'lookup_user', json_object('user', CASE i % 2 WHEN 0 THEN 'ada.lovelace@example.com' ELSE 'alan.turing@example.com' END))->'profile'->>'firstName') = 'Ada'`,
		"[125000]")
	if n := org.Count("GET /api/v1/users/{id}") - before; n != 2 {
		t.Errorf("%d requests for 2 users", n)
	}
}

// TestSystemLogView_WithoutABound_SaysThatItReadsAll: a statement that limits the time, or stops early, gets no message.
func TestSystemLogView_WithoutABound_SaysThatItReadsAll(t *testing.T) {
	var said []string
	s := &served{status: 200, body: []byte("[]")}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", s)}, Warn: func(_, warning string) { said = append(said, warning) }})
	for _, c := range []struct {
		statement string
		lines     int
	}{
		{"SELECT count(*) FROM okta.groups", 0},
		{"SELECT 'bounded_system_log_range'", 0},
		{"SELECT count(*) FROM okta.System_Log WHERE published > now() - INTERVAL 30 DAY", 0},
		{"SELECT * FROM okta.system_log LIMIT 3", 0},
		{"SELECT * FROM okta.system_log ORDER BY published DESC LIMIT 3", 0},
		{"SELECT count(*) FROM okta.system_log", 1},
		{"SELECT count(*) FROM okta.system_log WHERE published < now() OR event_type = 'x'", 1},
	} {
		said = nil
		if err := db.Run(t.Context(), c.statement, func(r *sql.Result) error {
			for range r.Rows() {
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(strings.Join(said, " "), "reads all of the last 90 days"); n != c.lines {
			t.Errorf("%s: said %d times, want %d", c.statement, n, c.lines)
		}
	}
}
