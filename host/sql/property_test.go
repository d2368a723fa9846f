//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sql"
)

// TestPushdown_OfAnyStatement_ChangesNoRow runs generated statements twice: over the views, whose conditions reach the
// org, and over tables with all rows, whose conditions do not. The rows must be equal. The views may take at most the requests of
// reading all, and nothing but reads is sent.
func TestPushdown_OfAnyStatement_ChangesNoRow(t *testing.T) {
	for seed := range uint64(propertyOrgs) {
		t.Run(fmt.Sprint("org ", seed+1), func(t *testing.T) {
			p := newProperty(t, seed+1)
			statements := propertyStatements
			if testing.Short() {
				statements = 20
			}
			for range statements {
				if p.check(t); t.Failed() {
					return
				}
			}
			t.Logf("%d requests instead of %d", p.asked, p.most)
			if !testing.Short() && p.asked*10 > p.most*9 {
				t.Errorf("%d requests, and all rows would take %d: nothing is pushed", p.asked, p.most)
			}
		})
	}
}

// property generates statements over an org.
type property struct {
	*rand.Rand
	db       *sql.DB
	requests *counted
	columns  map[string][]generated // by view
	pages    map[string]int         // requests of a whole view
	asked    int
	most     int
}

// generated is a column, and literals that its values have or nearly have.
type generated struct {
	name, typ string
	literals  []string
}

// propertyViews are the views of statements, by the letter that stands for each.
var propertyViews = map[string]string{"U": "users", "G": "groups", "L": "system_log", "F": "user_factors"}

func newProperty(t *testing.T, seed uint64) *property {
	p := &property{Rand: rand.New(rand.NewPCG(seed, 17)), columns: map[string][]generated{}, pages: map[string]int{}}
	db, requests, org := countedOrg(t, oktatest.Config{Seed: int64(seed), Users: 60, Groups: 12, Events: 120, EventDays: 30, MaxPageSize: 15,
		RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}})
	p.db, p.requests = db, requests
	for i, profile := range []string{
		`{"login":"Odd@example.com","email":"ODD@example.com","firstName":"İ","lastName":"o'Neill \"x\"","department":"a\\b"}`,
		`{"login":"odd2@example.com","email":"odd@example.com","firstName":"  space ","lastName":"😀 face","department":"100% _ sure"}`,
		`{"login":"odd3@example.com","email":"odd3@example.com","firstName":"null","lastName":"NULL","title":"or 1 eq 1"}`,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://org.test/api/v1/users?activate=false", strings.NewReader(`{"profile":`+profile+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "SSWS "+org.Token())
		r.Header.Set("Content-Type", "application/json")
		w := &recorder{header: http.Header{}}
		if org.ServeHTTP(w, r); w.status != 0 && w.status != http.StatusOK {
			t.Fatalf("user %d: %d", i, w.status)
		}
	}
	org.AppendEvent(json.RawMessage(fmt.Sprintf(`{"uuid":"odd-1","published":%q,"eventType":"Odd.TYPE","severity":null,"outcome":null,"actor":{"id":"x\"y"}}`,
		time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z"))))
	for _, view := range propertyViews {
		requests.take()
		ask(t, db, "CREATE TABLE base_"+view+" AS FROM okta."+view)
		p.pages[view] = len(requests.take())
		p.learn(t, view)
	}
	return p
}

// recorder keeps the status of a response.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

// learn reads what literals to compare each column of a view with.
func (p *property) learn(t *testing.T, view string) {
	if err := p.db.Run(t.Context(), "FROM base_"+view, func(r *sql.Result) error {
		var all [][]any
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			all = append(all, slices.Clone(row))
		}
		for i, c := range r.Columns {
			g := generated{name: c.Name, typ: string(c.Type)}
			for range 12 {
				switch v := all[p.IntN(len(all))][i].(type) {
				case string:
					g.literals = append(g.literals, quoted(v), quoted(p.near(v)))
				case bool:
					g.literals = append(g.literals, fmt.Sprint(v))
				case time.Time:
					g.literals = append(g.literals, p.moment(v))
				}
			}
			if g.literals != nil && c.Name != "self_link" {
				p.columns[view] = append(p.columns[view], g)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// near changes a text a little.
func (p *property) near(s string) string {
	switch p.IntN(6) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	case 2:
		return s + " "
	case 3:
		return ""
	case 4:
		return s + `"`
	}
	return s[:len(s)/2]
}

// moment writes a time in one of the ways of SQL, or one near to it.
func (p *property) moment(at time.Time) string {
	at = at.Add(time.Duration(p.IntN(3)-1) * []time.Duration{time.Microsecond, time.Millisecond, time.Hour}[p.IntN(3)])
	switch p.IntN(5) {
	case 0:
		return "TIMESTAMPTZ '" + at.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02 15:04:05.999999-07:00") + "'"
	case 1:
		return "TIMESTAMP '" + at.UTC().Format("2006-01-02 15:04:05.999999") + "'"
	case 2:
		return "DATE '" + at.UTC().Format("2006-01-02") + "'"
	case 3:
		return fmt.Sprintf("(date_trunc('hour', now()) - INTERVAL %d MINUTE)", int(time.Since(at).Minutes()))
	}
	return "TIMESTAMPTZ '" + at.UTC().Format("2006-01-02 15:04:05.999999+00") + "'"
}

func pick[T any](p *property, all ...T) T { return all[p.IntN(len(all))] }

// condition writes a condition on the columns of a view, under an alias.
func (p *property) condition(view, alias string, depth int) string {
	if depth > 0 && p.IntN(3) > 0 {
		left, right := p.condition(view, alias, depth-1), p.condition(view, alias, depth-1)
		switch p.IntN(7) {
		case 0:
			return "NOT (" + left + ")"
		case 1:
			return "coalesce(" + left + ", false)"
		case 2, 3:
			return "(" + left + " OR " + right + ")"
		}
		return "(" + left + " AND " + right + ")"
	}
	c := pick(p, p.columns[view]...)
	name, literal := alias+"."+c.name, func() string { return pick(p, c.literals...) }
	switch p.IntN(12) {
	case 0:
		return name + " IS NULL"
	case 1:
		return name + " IS NOT NULL"
	case 2:
		return name + " <> " + literal()
	}
	switch c.typ {
	case "BOOLEAN":
		return pick(p, name, "NOT "+name, name+" = "+literal())
	case "TIMESTAMPTZ":
		switch p.IntN(4) {
		case 0:
			return name + " BETWEEN " + literal() + " AND " + literal()
		case 1:
			return literal() + pick(p, " < ", " >= ") + name
		}
		return name + pick(p, " < ", " <= ", " > ", " >= ", " = ") + literal()
	}
	text := literal()
	switch p.IntN(12) {
	case 0, 1:
		var all []string
		for range p.IntN(9) + 1 {
			all = append(all, literal())
		}
		return name + pick(p, " IN (", " IN (NULL, ", " NOT IN (") + strings.Join(all, ", ") + ")"
	case 2, 3:
		return name + pick(p, " LIKE ", " LIKE ", " ILIKE ") + quoted(strings.Trim(text, "'")[:min(3, len(strings.Trim(text, "'")))]+pick(p, "%", "%", "_%", ""))
	case 4:
		return "starts_with(" + name + ", " + text + ")"
	case 5:
		return "lower(" + name + ") = " + text
	case 6:
		return name + pick(p, " < ", " >= ") + text
	case 7:
		return name + " = " + text + " COLLATE NOCASE"
	case 8:
		return name + " = (SELECT " + text + ")"
	}
	return name + " = " + text
}

// statement writes a statement over U, G and L.
func (p *property) statement() string {
	if p.IntN(4) == 0 {
		return p.join()
	}
	letter := pick(p, "U", "U", "L", "G", "F")
	view := propertyViews[letter]
	cond := func(alias string) string { return p.condition(view, alias, 2) }
	id := map[string]string{"U": "id", "G": "id", "F": "id", "L": "uuid"}[letter]
	c, d := pick(p, p.columns[view]...), pick(p, p.columns[view]...)
	switch p.IntN(16) {
	case 0:
		return fmt.Sprintf("SELECT a.%s, b.%s FROM %s a JOIN %s b ON a.%s = b.%s AND %s WHERE %s", id, id, letter, letter, c.name, c.name, cond("a"), cond("b"))
	case 1:
		return fmt.Sprintf("SELECT a.%s, b.%s FROM %s a %s JOIN %s b ON a.%s = b.%s AND %s AND %s WHERE %s", id, id, letter, pick(p, "LEFT", "RIGHT", "FULL"), letter, id, id, cond("a"), cond("b"), cond(pick(p, "a", "b")))
	case 2:
		return fmt.Sprintf("WITH x AS %s (SELECT * FROM %s a WHERE %s) SELECT a.%s FROM x a, x b WHERE a.%s = b.%s AND %s", pick(p, "", "MATERIALIZED", "NOT MATERIALIZED"), letter, cond("a"), id, id, id, cond("b"))
	case 3: // names that mean another column
		return fmt.Sprintf("SELECT a.* FROM (SELECT %s AS %s, %s AS %s FROM %s) a WHERE a.%s IS NOT NULL AND a.%s = %s", c.name, d.name, d.name, c.name, letter, c.name, d.name, pick(p, c.literals...))
	case 4:
		return fmt.Sprintf("SELECT a.%s FROM %s a WHERE a.%s %s (SELECT b.%s FROM %s b WHERE %s) AND %s", id, letter, id, pick(p, "IN", "NOT IN"), id, letter, cond("b"), cond("a"))
	case 5:
		return fmt.Sprintf("SELECT a.%s, z.%s FROM %s a, LATERAL (SELECT * FROM %s b WHERE b.%s = a.%s AND %s) z WHERE %s", id, c.name, letter, letter, id, id, cond("b"), cond("a"))
	case 6:
		return fmt.Sprintf("SELECT * FROM (SELECT %s, %s FROM %s a WHERE %s %s SELECT %s, %s FROM %s b WHERE %s) a WHERE a.%s IS NOT NULL", id, c.name, letter, cond("a"), pick(p, "UNION ALL", "UNION", "EXCEPT", "INTERSECT"), id, c.name, letter, cond("b"), c.name)
	case 7:
		return fmt.Sprintf("SELECT %s, count(*) FROM %s a WHERE %s GROUP BY 1 HAVING %s IS NOT NULL AND %s = %s", c.name, letter, cond("a"), c.name, c.name, pick(p, c.literals...))
	case 8:
		return fmt.Sprintf("SELECT a.%s FROM %s a WHERE %s (SELECT 1 FROM %s b WHERE b.%s = a.%s AND %s)", id, letter, pick(p, "EXISTS", "NOT EXISTS"), letter, c.name, c.name, cond("b"))
	case 9:
		return fmt.Sprintf("SELECT a.%s FROM %s a WHERE %s QUALIFY row_number() OVER (PARTITION BY a.%s ORDER BY a.%s) = 1", id, letter, cond("a"), c.name, id)
	case 10: // views on views
		return fmt.Sprintf("CREATE OR REPLACE TEMP VIEW v1 AS SELECT *, %s AS other FROM %s; CREATE OR REPLACE TEMP VIEW v2 AS SELECT * FROM v1 a WHERE %s; SELECT a.%s, a.other FROM v2 a WHERE %s", c.name, letter, cond("a"), id, cond("a"))
	case 11: // parameters
		return fmt.Sprintf("PREPARE q AS SELECT a.%s FROM %s a WHERE a.%s = $1 AND %s; EXECUTE q(%s)", id, letter, c.name, cond("a"), pick(p, c.literals...))
	case 12: // an order
		n := p.IntN(20) + 1
		return fmt.Sprintf("SELECT published FROM L a WHERE %s ORDER BY published %s LIMIT %d OFFSET %d", p.condition("system_log", "a", 2), pick(p, "ASC", "DESC", ""), n, p.IntN(3))
	case 13: // an order by a name that means another column
		return "SELECT uuid AS published, event_type FROM L a WHERE " + p.condition("system_log", "a", 1) + " ORDER BY published DESC LIMIT 7"
	}
	return fmt.Sprintf("SELECT a.%s FROM %s a WHERE %s", pick(p, id, "*"), letter, cond("a"))
}

// join writes a statement over two views, of which one may need only the rows that match the other.
func (p *property) join() string {
	one, key := pick(p, "L", "F"), "a.actor_id"
	if one == "F" {
		key = "a.user_id"
	}
	left, right := p.condition(propertyViews[one], "a", 1), p.condition("users", "b", 1)
	equal := pick(p, key+" = b.id", "b.id = "+key, key+" = b.id AND "+right, key+" = b.id OR "+right, key+" IS NOT DISTINCT FROM b.id")
	switch p.IntN(9) {
	case 6:
		return fmt.Sprintf("SELECT a.* FROM %s a WHERE %s = (SELECT id FROM U b WHERE b.login = %s) AND %s", one, key, pick(p, p.literals("users", "login")...), left)
	case 0:
		return fmt.Sprintf("SELECT a.*, b.id FROM %s a, U b WHERE %s AND %s AND %s", one, equal, left, right)
	case 1:
		return fmt.Sprintf("SELECT a.* FROM %s a WHERE %s %s (SELECT %s FROM U b WHERE %s) AND %s", one, key, pick(p, "IN", "NOT IN"), pick(p, "b.id", "id"), right, left)
	case 2:
		return fmt.Sprintf("SELECT b.id FROM U b WHERE %s (SELECT 1 FROM %s a WHERE %s AND %s) AND %s", pick(p, "EXISTS", "NOT EXISTS"), one, equal, left, right)
	case 3:
		return fmt.Sprintf("SELECT a.*, c.id FROM U b %s JOIN (SELECT * FROM %s a WHERE %s) a ON %s %s JOIN G c ON c.name = b.department WHERE %s", pick(p, "LEFT", "INNER"), one, left, equal, pick(p, "LEFT", "FULL"), right)
	case 4: // names that mean another column
		return fmt.Sprintf("SELECT a.*, b.x FROM %s a JOIN (SELECT login AS id, id AS login, status AS x FROM U b WHERE %s) b ON %s = %s", one, right, key, pick(p, "b.id", "b.login"))
	case 5:
		return fmt.Sprintf("SELECT a.*, b.id FROM %s a %s JOIN U b ON %s LIMIT 100000", one, pick(p, "LEFT", "RIGHT", "FULL"), equal)
	}
	tables := pick(p, [2]string{one + " a", "U b"}, [2]string{"U b", one + " a"})
	return fmt.Sprintf("SELECT a.*, b.id FROM %s %s JOIN %s ON %s AND %s WHERE %s", tables[0], pick(p, "INNER", "LEFT", "RIGHT", "FULL"), tables[1], equal, pick(p, left, right), pick(p, left, right))
}

// literals returns those of a column.
func (p *property) literals(view, column string) []string {
	i := slices.IndexFunc(p.columns[view], func(c generated) bool { return c.name == column })
	return p.columns[view][i].literals
}

// over writes a statement over views or tables.
func over(statement, prefix string) string {
	for letter, view := range propertyViews {
		for _, before := range []string{"FROM ", "JOIN "} {
			for _, after := range []string{" ", ")", ";"} {
				statement = strings.ReplaceAll(statement, before+letter+after, before+prefix+view+after)
			}
		}
	}
	return statement
}

// check runs one statement.
func (p *property) check(t *testing.T) {
	statement := p.statement()
	limit := 0
	for letter, view := range propertyViews {
		for _, form := range []string{"FROM " + letter + " ", "FROM " + letter + ")", "FROM " + letter + ";", "JOIN " + letter + " "} {
			limit += p.pages[view] * strings.Count(statement, form)
		}
	}
	if strings.Contains(statement, "AS NOT MATERIALIZED") { // it is read for each of its uses
		limit *= 2
	}
	p.most += limit
	p.requests.take()
	got, err := try(t.Context(), p.db, over(statement, "okta."))
	asked := p.requests.take()
	for range 3 { // a request of the statement before, which a LIMIT had ended, may have arrived late
		if len(asked) <= limit {
			break
		}
		for len(p.requests.take()) > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		got, err = try(t.Context(), p.db, over(statement, "okta."))
		asked = p.requests.take()
	}
	want, wantErr := try(t.Context(), p.db, over(statement, "base_"))
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%s\nviews: %v\ntables: %v", statement, err, wantErr)
	}
	if sorted(got) != sorted(want) {
		t.Errorf("%s\n%s\n%d requests:\n%s", statement, cmp.Diff(strings.Split(sorted(want), "\n"), strings.Split(sorted(got), "\n")), len(asked), strings.Join(asked, "\n"))
	}
	for _, request := range asked {
		if !strings.HasPrefix(request, "GET ") {
			t.Errorf("%s: sent %s", statement, request)
		}
	}
	if p.asked += len(asked); len(asked) > limit {
		t.Errorf("%s\n%d requests, and all rows take %d:\n%s", statement, len(asked), limit, strings.Join(asked, "\n"))
	}
}

func sorted(out string) string {
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
