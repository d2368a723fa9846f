//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// question is a question of docs/sql.md, and the requests that a client makes which is written for it alone.
type question struct {
	name, statement string
	// least counts rows in the tables people, log, apps, admins, signon (policies) and circles (groups), which have all of the org's. 0 is least requests as it is.
	least string
}

// questions are those of docs/sql.md. A list of users has 200 a page, one of events 1,000 and one of an application's users 500.
var questions = []question{
	{"A user by login", `SELECT id, status FROM okta.users WHERE login = 'ada.lovelace@example.com'`, `1`},
	{"A user by e-mail", `SELECT login FROM okta.users WHERE email = 'ada.lovelace@example.com'`, `1`},
	{"A user by id", `SELECT login FROM okta.users WHERE id = getvariable('ada')`, `1`},
	{"Who is locked out?", `SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'`, `(SELECT pages(count(*), 200) FROM people WHERE status = 'LOCKED_OUT')`},
	{"Who changed since yesterday?", `SELECT login FROM okta.users WHERE last_updated > now() - INTERVAL 1 DAY`, `(SELECT pages(count(*), 200) FROM people WHERE last_updated > now() - INTERVAL 1 DAY)`},
	{"Who did not sign in for 90 days?", `SELECT login FROM okta.users WHERE last_login < now() - INTERVAL 90 DAY OR last_login IS NULL`, `(SELECT pages(count(*), 200) FROM people)`},
	{"Who works in a department?", `SELECT login FROM okta.users WHERE department = 'Engineering' AND status = 'ACTIVE'`, `(SELECT pages(count(*), 200) FROM people WHERE department = 'Engineering' AND status = 'ACTIVE')`},
	{"Whose last name begins with Li?", `SELECT login FROM okta.users WHERE last_name LIKE 'Li%'`, `(SELECT pages(count(*), 200) FROM people WHERE last_name LIKE 'Li%')`},
	{"Who left this month?", `SELECT login FROM okta.users WHERE status = 'DEPROVISIONED' AND status_changed >= date_trunc('month', now())`, `(SELECT pages(count(*), 200) FROM people WHERE status = 'DEPROVISIONED' AND status_changed >= date_trunc('month', now()))`},
	{"Which locked-out users have no factor?", `SELECT u.login FROM okta.users u LEFT JOIN okta.user_factors f ON f.user_id = u.id WHERE u.status = 'LOCKED_OUT' AND f.id IS NULL`, `(SELECT pages(count(*), 200) + count(*) FROM people WHERE status = 'LOCKED_OUT')`},
	{"Who can use an application?", `SELECT u.user_name, u.scope FROM okta.applications a JOIN okta.application_users u ON u.application_id = a.id WHERE a.label = getvariable('label')`, `(SELECT pages(count(*), 200) + 1 FROM apps)`},
	{"Which applications have no users?", `SELECT a.label FROM okta.applications a LEFT JOIN okta.application_users u ON u.application_id = a.id WHERE u.id IS NULL`, `(SELECT pages(count(*), 200) + count(*) FROM apps)`},
	{"Who is in a group?", `SELECT m.login FROM okta.groups g JOIN okta.group_members m ON m.group_id = g.id WHERE g.name = 'Engineering'`, `(SELECT 1 + pages(users_count, 200) FROM circles WHERE name = 'Engineering')`},
	{"Which groups has a user?", `SELECT g.name FROM okta.users u JOIN okta.user_groups g ON g.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'`, `2`},
	{"Which applications has a user?", `SELECT p.label, p.scope FROM okta.users u JOIN okta.user_applications p ON p.user_id = u.id WHERE u.login = 'ada.lovelace@example.com'`, `2`},
	{"Which groups have an application?", `SELECT g.group_name FROM okta.applications a JOIN okta.application_groups g ON g.application_id = a.id WHERE a.label = getvariable('label')`, `(SELECT pages(count(*), 200) + 1 FROM apps)`},
	{"Which groups make administrators?", `SELECT g.name, r.label FROM okta.groups g JOIN okta.group_roles r ON r.group_id = g.id`, `(SELECT pages(count(*), 200) + count(*) FROM circles)`},
	{"Who is an administrator, and by which role?", `SELECT u.login, r.label, r.assignment_type FROM okta.administrators a JOIN okta.users u ON u.id = a.id JOIN okta.user_roles r ON r.user_id = a.id`, `(SELECT pages(count(*), 100) + least(pages(count(*), 200), (SELECT pages(count(*), 200) FROM people)) + count(*) FROM admins)`},
	{"Which sign-on rules ask for no second factor?", `SELECT r.name FROM okta.policies p JOIN okta.policy_rules r ON r.policy_id = p.id WHERE p.type = 'OKTA_SIGN_ON' AND (r.actions->'signon'->>'requireFactor') = 'false'`, `(SELECT 1 + count(*) FROM signon)`},
	{"Which API token was used longest ago?", `SELECT name, user_id, expires_at FROM okta.api_tokens ORDER BY expires_at`, `1`},
	{"Whose API tokens expire soon?", `SELECT u.login, u.status, t.name FROM okta.api_tokens t JOIN okta.users u ON u.id = t.user_id WHERE t.expires_at < now() + INTERVAL 14 DAY`, `2`},
	{"From where did sign-ins fail in the last hour?", `SELECT client_ip, count(*) FROM okta.system_log WHERE event_type = 'user.session.start' AND outcome_result = 'FAILURE' AND published > now() - INTERVAL 1 HOUR GROUP BY 1`, `1`},
	{"What did one account do in 30 days?", `SELECT published, event_type FROM okta.system_log WHERE actor_id = getvariable('actor') AND published > now() - INTERVAL 30 DAY`, `(SELECT pages(count(*), 1000) FROM log WHERE actor_id = getvariable('actor'))`},
	{"What did a user do, by login?", `SELECT l.published, l.event_type FROM okta.users u JOIN okta.system_log l ON l.actor_id = u.id WHERE u.login = 'ada.lovelace@example.com'`, `2`},
	{"What was done to one user in a day?", `SELECT event_type FROM okta.system_log WHERE published > now() - INTERVAL 1 DAY AND target::VARCHAR LIKE '%' || getvariable('ada') || '%'`, `(SELECT pages(count(*), 1000) FROM log WHERE published > now() - INTERVAL 1 DAY)`},
	{"The first and last event of a session", `SELECT min(published), max(published) FROM okta.system_log WHERE session_id = getvariable('session')`, `(SELECT pages(count(*), 1000) FROM log WHERE session_id = getvariable('session'))`},
	{"The last 10 events", `SELECT published, event_type FROM okta.system_log ORDER BY published DESC LIMIT 10`, `1`},
	{"The last 5 failures", `SELECT published, actor_alternate_id FROM okta.system_log WHERE outcome_result = 'FAILURE' ORDER BY published DESC LIMIT 5`, `1`},
	{"Events by type and hour of 3 days", `SELECT event_type, date_trunc('hour', published), count(*) FROM okta.system_log WHERE published > now() - INTERVAL 3 DAY GROUP BY ALL`, `(SELECT pages(count(*), 1000) FROM log WHERE published > now() - INTERVAL 3 DAY)`},
	{"Countries that are new this week", `SELECT client_country FROM okta.system_log GROUP BY 1 HAVING min(published) > now() - INTERVAL 7 DAY`, `(SELECT pages(count(*), 1000) FROM log)`},
	{"A user in every org", `SELECT connection, status FROM all_orgs.users WHERE login = 'ada.lovelace@example.com'`, `3`},
	{"Locked-out users of every org", `SELECT connection, count(*) FROM all_orgs.users WHERE status = 'LOCKED_OUT' GROUP BY 1`, `3 * (SELECT pages(count(*), 200) FROM people WHERE status = 'LOCKED_OUT')`},
	{"Failures of the last hour in every org", `SELECT connection, count(*) FROM all_orgs.system_log WHERE outcome_result = 'FAILURE' AND published > now() - INTERVAL 1 HOUR GROUP BY 1`, `3`},
}

// TestQuestions_OfTheDocument_MakeFewRequests compares each question with a client that is written for it, and wants it in
// docs/sql.md.
func TestQuestions_OfTheDocument_MakeFewRequests(t *testing.T) {
	users, events := 3_000, 20_000
	if testing.Short() {
		users, events = 700, 3_000
	}
	document, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	requests := &counted{Handler: oktatest.New(oktatest.Config{Users: users, Groups: 20, Events: events, EventDays: 60, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}})}
	all := []*host.Connection{connected(t, "okta", requests)}
	db := open(t, sql.Config{Connections: all})
	three := open(t, sql.Config{Connections: append(all, connected(t, "second", requests), connected(t, "third", requests))})
	ask(t, db, `CREATE TABLE people AS FROM okta.users; CREATE TABLE log AS FROM okta.system_log; CREATE TABLE apps AS FROM okta.applications;
		CREATE TABLE admins AS FROM okta.administrators; CREATE TABLE signon AS FROM okta.policies WHERE type = 'OKTA_SIGN_ON'; CREATE TABLE circles AS FROM connector_table('okta', 'list_groups', '{"expand":"stats"}');
		CREATE MACRO pages(n, size) AS greatest(1, ceil(n / size))::INT;
		SET VARIABLE ada = (SELECT id FROM people WHERE login = 'ada.lovelace@example.com');
		SET VARIABLE label = (SELECT label FROM apps ORDER BY id LIMIT 1);
		SET VARIABLE actor = (SELECT actor_id FROM log ORDER BY uuid LIMIT 1);
		SET VARIABLE session = (SELECT session_id FROM log WHERE session_id IS NOT NULL ORDER BY uuid LIMIT 1)`)
	total, limit := 0, 0
	for _, q := range questions {
		if !strings.Contains(string(document), q.name) || !strings.Contains(string(document), q.statement) {
			t.Errorf("docs/sql.md lacks the question %q with %s", q.name, q.statement)
		}
		_, text, _ := strings.Cut(ask(t, db, "SELECT "+q.least), "\n")
		least, err := strconv.Atoi(strings.Trim(text, "[]\n"))
		if err != nil {
			t.Fatal(q.name, text)
		}
		requests.take()
		if strings.Contains(q.statement, "all_orgs") {
			ask(t, three, q.statement)
		} else {
			ask(t, db, q.statement)
		}
		asked := requests.take()
		t.Logf("%-50s %4d requests, at least %4d", q.name, len(asked), least)
		if total, limit = total+len(asked), limit+least; len(asked)*10 > least*11 {
			t.Errorf("%s: %d requests, and a client that is written for it makes %d: %s", q.name, len(asked), least, strings.Join(asked[:min(len(asked), 5)], " "))
		}
	}
	t.Logf("%d requests, at least %d", total, limit)
}
