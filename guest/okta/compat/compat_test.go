//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package compat_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/compat"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/observed"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks all requests to and responses of simulated orgs against Okta's OpenAPI document.
func TestMain(m *testing.M) {
	sql.RunChildIfAsked()
	os.Exit(orgs.Main(m))
}

// counted counts the requests to an org.
type counted struct {
	http.Handler
	mu       sync.Mutex
	requests []string
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests = append(c.requests, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r)
}

// take returns the requests since the last call.
func (c *counted) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.requests
	c.requests = nil
	return all
}

func connected(t *testing.T, name string, h http.Handler) *host.Connection {
	t.Helper()
	return hosttest.Serve(t, hosttest.Connector.Module(t), h, host.Config{Name: name}, host.ConnectOptions{Secrets: hosttest.Secret(oktatest.DefaultToken)})
}

func open(t *testing.T, connections ...*host.Connection) *sql.DB {
	t.Helper()
	db, err := sql.Open(t.Context(), sql.Config{Connections: connections,
		Schemas: []sql.Schema{{Name: "steampipe", Kind: "okta", Statements: compat.Steampipe(), Elements: compat.Elements()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// rows returns the rows of a statement, with their columns.
func rows(t *testing.T, db *sql.DB, statement string) (columns []string, all [][]any, err error) {
	t.Helper()
	err = db.Run(t.Context(), statement, func(r *sql.Result) error {
		columns, all = nil, nil
		for _, c := range r.Columns {
			columns = append(columns, c.Name+":"+string(c.Type))
		}
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			all = append(all, append([]any(nil), row...))
		}
		return nil
	})
	return columns, all, err
}

// question is a question of testdata/questions.sql.
type question struct {
	table, text, statement string
	mayBeNone              bool
}

func questions(t *testing.T) (all []question) {
	t.Helper()
	f, err := os.Open("testdata/questions.sql")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	comment := regexp.MustCompile(`^-- (okta_\w+): (.*)$`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := comment.FindStringSubmatch(lines.Text()); m != nil {
			all = append(all, question{table: m[1], text: m[2], mayBeNone: strings.HasSuffix(m[2], "(may be none)")})
		} else if line := lines.Text(); line != "" && !strings.HasPrefix(line, "--") {
			all[len(all)-1].statement = line
		}
	}
	return all
}

// ids are queries for the ids that questions name.
var ids = map[string]string{
	"appuser":       `SELECT id FROM okta_app_assigned_user ORDER BY id LIMIT 1`,
	"appgroup":      `SELECT id FROM okta_app_assigned_group ORDER BY id LIMIT 1`,
	"authenticator": `SELECT id FROM okta_authenticator LIMIT 1`,
	"device":        `SELECT id FROM okta_device LIMIT 1`,
	"factoruser":    `SELECT user_id FROM okta_factor ORDER BY id LIMIT 1`,
	"factor":        `SELECT id FROM okta_factor ORDER BY id LIMIT 1`,
	"domain":        `SELECT domain FROM okta_user LIMIT 1`,
	"rulegroup":     `SELECT jsonb_array_elements_text(actions -> 'assignUserToGroups' -> 'groupIds') FROM okta_group_rule ORDER BY id LIMIT 1`,
}

// addGroupRule gives the org a rule.
func addGroupRule(t *testing.T, db *sql.DB, org http.Handler) {
	t.Helper()
	_, found, err := rows(t, db, `SELECT id FROM okta_group WHERE type = 'OKTA_GROUP' ORDER BY id LIMIT 1`)
	if err != nil || len(found) == 0 {
		t.Fatal(err, found)
	}
	body := `{"type":"group_rule","name":"Engineers","conditions":{"expression":{"type":"urn:okta:expression:1.0","value":"user.department==\"Engineering\""}},` +
		`"actions":{"assignUserToGroups":{"groupIds":["` + found[0][0].(string) + `"]}}}`
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/groups/rules", strings.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+oktatest.DefaultToken)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if org.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		t.Fatalf("a rule: %d %s", answer.Code, answer.Body)
	}
}

// TestSteampipe_QuestionsOfItsDocumentation_Answer runs what people copy from there.
func TestSteampipe_QuestionsOfItsDocumentation_Answer(t *testing.T) {
	requests := &counted{Handler: oktatest.New(oktatest.Config{RateLimits: map[string]int{"*": -1}})}
	db := open(t, connected(t, "okta", requests))
	addGroupRule(t, db, requests)
	named := map[string]string{}
	for key, query := range ids {
		if _, found, err := rows(t, db, query); err == nil && len(found) > 0 {
			named["{"+key+"}"], _ = found[0][0].(string)
		} else {
			t.Errorf("%s: %v, %d rows", query, err, len(found))
		}
	}
	answered, total, all := 0, 0, questions(t)
	for _, q := range all {
		statement := q.statement
		for key, id := range named {
			statement = strings.ReplaceAll(statement, key, id)
		}
		requests.take()
		_, found, err := rows(t, db, statement)
		asked := requests.take()
		total += len(asked)
		switch {
		case err != nil:
			t.Errorf("%s: %s\n%s\n%v", q.table, q.text, statement, err)
		case len(found) == 0 && !q.mayBeNone:
			t.Errorf("%s: %s\n%s\nhas no row, with %s", q.table, q.text, statement, asked)
		default:
			answered++
			t.Logf("%-28s %4d rows, %4d requests: %s", q.table, len(found), len(asked), q.text)
		}
	}
	t.Logf("%d of %d questions answer, with %d requests", answered, len(all), total)
}

// TestSteampipe_Tables_HaveItsColumns compares the views with the list of its tables.
func TestSteampipe_Tables_HaveItsColumns(t *testing.T) {
	db := open(t, connected(t, "okta", oktatest.New(oktatest.Config{})))
	types := map[string]string{"STRING": "VARCHAR", "TIMESTAMP": "TIMESTAMPTZ", "INT": "BIGINT", "BOOL": "BOOLEAN", "JSON": "JSON"}
	shared := map[string]string{}
	for line := range strings.Lines(string(observed.File(t, "steampipe-tables.tsv"))) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(fields) != 3 {
			continue
		}
		table, columns := fields[0], fields[2]
		if columns == "" { // the columns of another one
			columns = shared["okta_password_policy"]
		}
		shared[table] = columns
	}
	for table, columns := range shared {
		if columns == "" {
			columns = shared["okta_password_policy"]
		}
		has, _, err := rows(t, db, "SELECT * FROM "+table+" LIMIT 0")
		if err != nil {
			t.Error(err)
		}
		for _, column := range append(strings.Fields(columns), "title:STRING", "domain:STRING") {
			name, kind, _ := strings.Cut(column, ":")
			if !slices.Contains(has, name+":"+types[kind]) {
				t.Errorf("%s has no column %s of type %s: it has %s", table, name, types[kind], has)
			}
		}
	}
}

// TestSteampipe_Conditions_ReachOkta counts the requests of queries that select one object.
func TestSteampipe_Conditions_ReachOkta(t *testing.T) {
	requests := &counted{Handler: oktatest.New(oktatest.Config{Users: 450, Groups: 250, RateLimits: map[string]int{"*": -1}})}
	db := open(t, connected(t, "okta", requests))
	id := func(table string) string {
		_, found, err := rows(t, db, "SELECT id FROM "+table+" ORDER BY id LIMIT 1")
		if err != nil || len(found) == 0 {
			t.Fatal(err, found)
		}
		return found[0][0].(string)
	}
	const none = 100 // added where an org need not have a row
	for statement, most := range map[string]int{
		"SELECT login FROM okta_user WHERE id = '" + id("okta_user") + "'":                                                                          1,
		"SELECT user_groups, assigned_roles FROM okta_user WHERE id = '" + id("okta_user") + "'":                                                    3,
		"SELECT id FROM okta_user WHERE login = 'ada.lovelace@example.com'":                                                                         1,
		"SELECT id FROM okta_user WHERE email = 'ada.lovelace@example.com'":                                                                         1,
		"SELECT id FROM steampipe.okta_user WHERE status = 'LOCKED_OUT'":                                                                            1,
		"SELECT id FROM okta_user WHERE last_updated > now() - interval '1 days' AND status = 'ACTIVE'":                                             none + 1,
		`SELECT id, filter FROM okta_user WHERE filter = 'profile.login eq "ada.lovelace@example.com"'`:                                             1,
		"SELECT name FROM okta_group WHERE id = '" + id("okta_group") + "'":                                                                         1,
		"SELECT label FROM okta_application WHERE id = '" + id("okta_application") + "'":                                                            1,
		"SELECT embedded FROM okta_device WHERE id = '" + id("okta_device") + "'":                                                                   1,
		"SELECT factor_type FROM okta_factor WHERE user_id = '" + id("okta_user") + "'":                                                             1,
		"SELECT user_name FROM okta_app_assigned_user WHERE app_id = '" + id("okta_application") + "'":                                              none + 1,
		"SELECT u.user_name FROM okta_application a JOIN okta_app_assigned_user u ON u.app_id = a.id WHERE a.id = '" + id("okta_application") + "'": none + 2,
		"SELECT f.factor_type FROM okta_user u JOIN okta_factor f ON f.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'":                   2,
		"SELECT id FROM okta_user WHERE 1 = 1 AND profile ->> 'login' = 'ada.lovelace@example.com' AND NOT profile -> 'login' IS NULL":              3,
		"EXPLAIN SELECT rule FROM okta_signon_policy, jsonb_array_elements(rules) AS rule":                                                          0,
		"WITH u AS (SELECT * FROM okta_user) SELECT u.login FROM u WHERE u.login IN ('ada.lovelace@example.com', 'nobody')":                         1,
	} {
		requests.take()
		mayBeNone := most >= none
		most %= none
		_, found, err := rows(t, db, statement)
		if asked := requests.take(); err != nil || len(asked) > most || len(found) == 0 && !mayBeNone {
			t.Errorf("%s: %v, %d rows, %d requests: %s", statement, err, len(found), len(asked), asked)
		}
	}
	for statement, says := range map[string]string{
		`SELECT id FROM okta_user WHERE filter = 'status eq "ACTIVE"' OR status = 'STAGED'`: "filter is an input of list_users: compare it with = or IN",
		`SELECT id FROM okta_user WHERE filter LIKE 'status%'`:                              "filter is an input of list_users",
		`SELECT id FROM okta_user WHERE filter = 'no filter'`:                               "rejected",
		`CREATE OR REPLACE MACRO steampipe.jsonb_pretty(j) AS 'x'`:                          "the schemas of connections cannot be changed",
		`CREATE MACRO steampipe.mine(j) AS 'x'`:                                             "the schemas of connections cannot be changed",
		`DROP VIEW steampipe.okta_user`:                                                     "the schemas of connections cannot be changed",
		`CREATE MACRO "@>"(a, b) AS true`:                                                   "built-in function",
	} {
		if _, found, err := rows(t, db, statement); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %d rows", statement, err, len(found))
		}
	}
}

// TestSteampipe_OverSeveralOrgs_HasAllOfThem reads two orgs at a time.
func TestSteampipe_OverSeveralOrgs_HasAllOfThem(t *testing.T) {
	first, second := &counted{Handler: oktatest.New(oktatest.Config{})}, &counted{Handler: oktatest.New(oktatest.Config{Users: 60})}
	db := open(t, connected(t, "okta-one", first), connected(t, "okta_two", second))
	_, found, err := rows(t, db, `SELECT sp_connection_name, count(*), count(DISTINCT domain) FROM okta_user GROUP BY 1 ORDER BY 1`)
	if err != nil || len(found) != 2 || found[0][0] != "okta-one" || found[0][1] != int64(50) || found[1][1] != int64(60) || found[1][2] != int64(1) {
		t.Error(found, err)
	}
	first.take()
	second.take()
	if _, found, err = rows(t, db, `SELECT sp_connection_name, assigned_roles FROM okta_user WHERE login = 'ada.lovelace@example.com'`); err != nil || len(found) != 2 {
		t.Error(found, err)
	}
	if one, two := first.take(), second.take(); len(one) != 2 || len(two) != 2 {
		t.Error(one, two)
	}
}
