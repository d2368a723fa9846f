//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

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

func countedOrg(t testing.TB, config oktatest.Config) (*sql.DB, *counted, *oktatest.Org) {
	t.Helper()
	org := oktatest.New(config)
	c := &counted{Handler: org}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", c)}})
	c.take()
	return db, c, org
}

// TestPushdown_OfQuestions_MakesFewRequests has the questions of docs/sql.md, with the most requests that each may take.
func TestPushdown_OfQuestions_MakesFewRequests(t *testing.T) {
	db, requests, _ := countedOrg(t, oktatest.Config{Users: 450, Events: 1_500})
	for _, test := range []struct {
		name, statement, want string
		requests              int
	}{
		{"a user by login", `SELECT count(*) FROM okta.users WHERE login = 'ada.lovelace@example.com'`, `[1]`, 1},
		{"a user by id", `SELECT count(*) FROM okta.users WHERE id = getvariable('ada')`, `[1]`, 1},
		{"a user by id through a view", `SELECT count(*) FROM mine WHERE id = getvariable('ada') AND status = 'ACTIVE'`, `[1]`, 1},
		{"a user by e-mail", `SELECT count(*) FROM okta.users WHERE email = 'ada.lovelace@example.com'`, `[1]`, 1},
		{"two users", `SELECT count(*) FROM okta.users WHERE login IN ('ada.lovelace@example.com', 'alan.turing@example.com')`, `[2]`, 1},
		{"an unknown user", `SELECT count(*) FROM okta.users WHERE id = '00u000000000000000x'`, `[0]`, 1},
		{"changed in the future", `SELECT count(*) FROM okta.users WHERE last_updated > now() + INTERVAL 1 DAY`, `[0]`, 1},
		{"a prefix", `SELECT count(*) > 0 FROM okta.users WHERE login LIKE 'ada.lovelace%'`, `[true]`, 1},
		{"newest events", `SELECT count(*) FROM (SELECT * FROM okta.system_log ORDER BY published DESC LIMIT 10)`, `[10]`, 3},
		{"the newest events", `SELECT event_type IS NOT NULL FROM okta.system_log ORDER BY published DESC LIMIT 1`, `[true]`, 1},
		{"the newest events in another case", `SELECT event_type IS NOT NULL FROM OKTA.System_Log ORDER BY PUBLISHED DESC LIMIT 2`, `[true]
[true]`, 1},
		{"the oldest events in another case", `SELECT published > now() - INTERVAL 90 DAY FROM SYSTEM_LOG s ORDER BY S.Published LIMIT 1`, `[true]`, 1},
		{"a user by login in another case", `SELECT count(*) FROM Okta.USERS WHERE LOGIN = 'ada.lovelace@example.com'`, `[1]`, 1},
		{"a user by a quoted id in another case", `SELECT count(*) FROM okta."Users" u WHERE U."ID" = getvariable('ada')`, `[1]`, 1},
		{"factors in another case", `SELECT count(*) > 0 FROM okta.Users u JOIN OKTA.User_Factors F ON f.USER_ID = U.ID WHERE u.Login = 'ada.lovelace@example.com'`, `[true]`, 2},
		{"the newest failures", `SELECT l.outcome_result FROM okta.system_log l WHERE outcome_result = 'FAILURE' AND published > now() - INTERVAL 80 DAY ORDER BY l.published DESC LIMIT 1 OFFSET 3`, `["FAILURE"]`, 1},
		{"the oldest events", `SELECT published > now() - INTERVAL 90 DAY FROM system_log ORDER BY published LIMIT 1`, `[true]`, 1},
		{"any event", `SELECT published > now() - INTERVAL 90 DAY FROM system_log LIMIT 1`, `[true]`, 1},
		{"one type in the last minute", `SELECT count(*) FROM okta.system_log WHERE event_type = 'user.session.start' AND published > now() - INTERVAL 1 SECOND`, `[0]`, 1},
		{"a time that no event has", `SELECT count(*) FROM okta.system_log WHERE published BETWEEN '2001-01-01' AND '2001-01-02'`, `[0]`, 0},
		{"events of a user", `SELECT count(*) >= 0 FROM okta.system_log l JOIN okta.users u ON l.actor_id = u.id WHERE u.login = 'ada.lovelace@example.com'`, `[true]`, 2},
		{"events of a user, by a subquery", `SELECT count(*) >= 0 FROM okta.system_log WHERE actor_id IN (SELECT id FROM okta.users WHERE login = 'ada.lovelace@example.com')`, `[true]`, 2},
		{"events of a user, by a scalar subquery", `SELECT count(*) >= 0 FROM okta.system_log l WHERE (SELECT id FROM okta.users WHERE login = 'ada.lovelace@example.com') = l.actor_id`, `[true]`, 2},
		{"events of nobody", `SELECT count(*) FROM okta.system_log l, okta.users u WHERE l.actor_id = u.id AND u.login = 'nobody'`, `[0]`, 1},
		{"factors of a user", `SELECT count(*) > 0 FROM okta.user_factors WHERE user_id = getvariable('ada')`, `[true]`, 1},
		{"factors of a user by login", `SELECT count(*) > 0 FROM okta.users u JOIN okta.user_factors f ON f.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'`, `[true]`, 2},
		{"factors into a table", `CREATE OR REPLACE TABLE kept AS SELECT f.* FROM okta.users u JOIN okta.user_factors f ON f.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'; SELECT count(*) > 0 FROM kept`, `[true]`, 2},
		{"factors into the table", `INSERT INTO kept SELECT f.* FROM okta.users u JOIN okta.user_factors f ON f.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'; SELECT count(*) > 0 FROM kept`, `[true]`, 2},
		{"users without a factor", `SELECT count(*) < 20 FROM okta.users u LEFT JOIN okta.user_factors f ON f.user_id = u.id WHERE u.status = 'LOCKED_OUT' AND f.id IS NULL`, `[true]`, 25},
		{"factors of what is no id", `SELECT count(*) FROM okta.user_factors WHERE user_id = 'ada.lovelace@example.com'`, `[0]`, 0},
		{"factors of an unknown user", `SELECT count(*) FROM okta.user_factors WHERE user_id = '00u00000000000000000'`, `[0]`, 1},
		{"an application by id", `SELECT count(*) FROM okta.applications WHERE id = (SELECT min(id) FROM okta.applications)`, `[1]`, 2},
		{"applications by status", `SELECT count(*) FROM okta.applications WHERE status = 'INACTIVE'`, `[1]`, 1},
		{"an application by label", `SELECT count(*) FROM okta.applications WHERE label = 'Lunch' AND status = 'INACTIVE'`, `[1]`, 1},
		{"policies of a type", `SELECT count(*) FROM okta.policies WHERE type = 'PASSWORD'`, `[1]`, 1},
		{"policies of two types", `SELECT count(*) FROM okta.policies WHERE type IN ('PASSWORD', 'OKTA_SIGN_ON')`, `[3]`, 2},
		{"a policy by id", `SELECT count(*) FROM okta.policies WHERE id = getvariable('policy')`, `[1]`, 1},
		{"policies of an unknown type", `SELECT count(*) FROM okta.policies WHERE type = 'NO_SUCH_TYPE'`, `[0]`, 12},
		{"rules of a policy", `SELECT count(*) FROM okta.policy_rules WHERE policy_id = getvariable('policy')`, `[1]`, 1},
		{"rules of policies of a type", `SELECT count(*) FROM okta.policies p JOIN okta.policy_rules r ON r.policy_id = p.id WHERE p.type = 'PASSWORD'`, `[1]`, 2},
		{"applications of access policies", `SELECT count(*) FROM okta.policies p JOIN okta.policy_mappings m ON m.policy_id = p.id WHERE p.type = 'ACCESS_POLICY'`, `[3]`, 2},
		{"scopes of every server", `SELECT count(*) >= 3 FROM okta.scopes`, `[true]`, 4},
		{"claims of the default server", `SELECT count(*) > 0 FROM okta.claims WHERE authorization_server_id = 'default'`, `[true]`, 1},
		{"blocklists", `SELECT count(*) FROM okta.zones WHERE usage = 'BLOCKLIST' AND NOT system`, `[1]`, 1},
		{"identity providers of a type", `SELECT count(*) FROM okta.identity_providers WHERE type = 'OIDC'`, `[1]`, 2},
		{"trusted origins by origin", `SELECT count(*) FROM okta.trusted_origins WHERE origin = 'https://intranet.example.com'`, `[1]`, 1},
		{"log streams by status", `SELECT count(*) FROM okta.log_streams WHERE status = 'ACTIVE'`, `[1]`, 1},
		{"log streams by status and type", `SELECT count(*) FROM okta.log_streams WHERE status = 'INACTIVE' AND type = 'splunk_cloud_logstreaming'`, `[1]`, 1},
		{"log streams of either status", `SELECT count(*) FROM okta.log_streams WHERE status IN ('ACTIVE', 'INACTIVE')`, `[2]`, 2},
		{"log streams of a status or a type", `SELECT count(*) FROM okta.log_streams WHERE status = 'ACTIVE' OR type = 'splunk_cloud_logstreaming'`, `[2]`, 1},
		{"log streams of many types", `SELECT count(*) FROM okta.log_streams WHERE type IN ('a', 'b', 'aws_eventbridge')`, `[1]`, 1},
		{"log streams of no type", `SELECT count(*) FROM okta.log_streams WHERE type = 'no "type"\'`, `[0]`, 1},
		{"event hooks", `SELECT count(*) FROM okta.event_hooks WHERE verification_status = 'UNVERIFIED'`, `[1]`, 1},
		{"behaviors", `SELECT count(*) FROM okta.behaviors WHERE created < now()`, `[3]`, 1},
		{"ThreatInsight's exempt zones", `SELECT count(*) FROM okta.threat_insight t JOIN okta.zones z ON t.exclude_zones->>0 = z.id`, `[1]`, 2},
		{"group rules", `SELECT count(*) FROM okta.group_rules`, `[0]`, 1},
		{"the org", `SELECT count(*) FROM okta.org WHERE id IS NOT NULL`, `[1]`, 2},
		{"what is not in a list", `SELECT count(*) FROM (SELECT id FROM okta.users WHERE title NOT IN ('') AND id = 'x' QUALIFY row_number() OVER (PARTITION BY status ORDER BY id) = 1)`, `[0]`, 1},
		{"a list", `SELECT count(*) FROM okta.users WHERE login IN ('a','b','c','d','e','f','g','h','i','j','k','alan.turing@example.com')`, `[1]`, 1},
		{"a list that is not known", `SELECT count(*) FROM okta.users WHERE login IN (SELECT 'nobody' || i FROM range(3) t(i)) OR login = 'x'`, `[0]`, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "a user by id" {
				if _, err := try(t.Context(), db, `SET VARIABLE ada = (SELECT id FROM okta.users WHERE login = 'ada.lovelace@example.com');
					SET VARIABLE policy = (SELECT id FROM okta.policies WHERE type = 'PASSWORD');
					CREATE VIEW mine AS SELECT * FROM okta.users`); err != nil {
					t.Fatal(err)
				}
			}
			requests.take()
			got, err := try(t.Context(), db, test.statement)
			if err != nil {
				t.Fatal(err)
			}
			if _, row, _ := strings.Cut(got, "\n"); strings.TrimSpace(row) != test.want {
				t.Errorf("rows: %s, want %s", row, test.want)
			}
			asked := requests.take()
			t.Log(strings.Join(asked, "\n"))
			if len(asked) > test.requests {
				t.Errorf("%d requests, want at most %d:\n%s", len(asked), test.requests, strings.Join(asked, "\n"))
			}
		})
	}
}

// TestPushdown_OfAPositionalJoin_LeavesNoRowOut: a row that is left out would move the others.
func TestPushdown_OfAPositionalJoin_LeavesNoRowOut(t *testing.T) {
	db, _, _ := countedOrg(t, oktatest.Config{Users: 40, Events: 300})
	ask(t, db, "CREATE TABLE log AS FROM okta.system_log; CREATE TABLE people AS FROM okta.users")
	for _, condition := range []string{"a.actor_id = b.id", "b.status = 'ACTIVE'", "a.actor_id = b.id AND b.status = 'ACTIVE'"} {
		views, tables := ask(t, db, "SELECT a.uuid, b.id FROM okta.users b POSITIONAL JOIN okta.system_log a WHERE "+condition), ask(t, db, "SELECT a.uuid, b.id FROM people b POSITIONAL JOIN log a WHERE "+condition)
		if views != tables {
			t.Errorf("%s: %s, want %s", condition, views, tables)
		}
	}
}

func TestExplain_OfViews_SaysWhatIsSent(t *testing.T) {
	db, requests, _ := countedOrg(t, oktatest.Config{})
	for statement, wants := range map[string][]string{
		"EXPLAIN SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'":                                               {`"okta.users","list_users {\"filter\":\"status eq \\\"LOCKED_OUT\\\"\"}\nat least 1 request"`},
		"EXPLAIN SELECT * FROM okta.system_log ORDER BY published DESC LIMIT 3":                                          {`\"sort_order\":\"DESCENDING\"`, "at least 1 request"},
		"EXPLAIN SELECT * FROM okta.system_log WHERE published < '2001-01-01'":                                           {"no request: no row can match"},
		"EXPLAIN SELECT * FROM okta.users u JOIN okta.user_factors f ON f.user_id = u.id WHERE u.login = 'x'":            {"list_factors for each id of users, or for those that a join needs", "profile.login eq"},
		"EXPLAIN SELECT * FROM okta.user_factors WHERE user_id IN ('00u00000000000000000', '00u00000000000000001', 'x')": {"list_factors for 2 values of user_id", "at least 2 requests"},
		"-- a comment\nEXPLAIN (FORMAT json) FROM okta.groups WHERE type = 'OKTA_GROUP'":                                 {`type eq`},
		"EXPLAIN SELECT 1": nil,
	} {
		out := ask(t, db, statement)
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %s lacks %s", statement, out, want)
			}
		}
	}
	if asked := requests.take(); len(asked) > 0 {
		t.Errorf("EXPLAIN sent %s", asked)
	}
	want(t, db, "EXPLAIN ANALYZE SELECT 1 WHERE false; SELECT 1", "[1]")
	ask(t, db, "EXPLAIN ANALYZE SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'")
	if asked := requests.take(); len(asked) != 1 {
		t.Errorf("EXPLAIN ANALYZE sent %s", asked)
	}
}

func TestStats_OfAStatement_CountsByOperation(t *testing.T) {
	org := oktatest.New(oktatest.Config{Users: 450})
	var got [][]sql.Count
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", org)}, Stats: func(_ string, counts []sql.Count) { got = append(got, counts) }})
	ask(t, db, "SELECT 1; SELECT count(*) FROM okta.users, (SELECT count(*) FROM okta.groups)")
	if len(got) != 2 || len(got[0]) != 0 || len(got[1]) != 2 || got[1][0] != (sql.Count{Operation: "list_groups", Requests: 1, Pages: 1, Rows: 5}) ||
		got[1][1] != (sql.Count{Operation: "list_users", Requests: 3, Pages: 3, Rows: 450}) {
		t.Errorf("%+v", got)
	}
}

// TestPushdown_OfARejectedFilter_ReadsTheWholeView: what a service does not take costs requests, and no rows.
func TestPushdown_OfARejectedFilter_ReadsTheWholeView(t *testing.T) {
	org := oktatest.New(oktatest.Config{Users: 300})
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filter := r.URL.Query().Get("filter"); strings.Contains(filter, "login") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errorCode":"E0000031","errorSummary":"Invalid search criteria.","errorCauses":[]}`))
			return
		}
		org.ServeHTTP(w, r)
	}))}})
	want(t, db, "SELECT login FROM okta.users WHERE login = 'ada.lovelace@example.com'", `["ada.lovelace@example.com"]`)
}
