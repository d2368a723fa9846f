//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/oktatest"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sql"
)

// theModule is loaded once for all tests.
var theModule = sync.OnceValues(func() (*host.Module, error) {
	wasm, err := pack.Cached(context.Background())
	if err != nil {
		return nil, err
	}
	return host.Load(context.Background(), wasm, host.LoadOptions{})
})

type secret string

func (s secret) Resolve(context.Context, string) (secrets.Value, error) {
	return secrets.New(string(s)), nil
}

// connected connects the module to a server.
func connected(t testing.TB, name string, h http.Handler) *host.Connection {
	t.Helper()
	m, err := theModule()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	c, err := m.Connect(t.Context(), host.Config{Name: name, Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:X"},
		host.ConnectOptions{Secrets: secret(oktatest.DefaultToken)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close(context.Background())
		server.Close()
	})
	return c
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

func TestSpike(t *testing.T) {
	db, org := demo(t, oktatest.Config{})
	_ = org
	for _, q := range []string{
		`SELECT * FROM connector_table('okta', 'poll_system_log_page', JSON '{}') LIMIT 1`,
		`SELECT count(*) FROM connector_table('okta', 'poll_system_log_page', JSON '{}');`,
		`SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'`,
		`SHOW TABLES`, `DESCRIBE okta.users`, `DESCRIBE okta.system_log`,
		`SELECT count(*), min(published), max(published) FROM okta.system_log`,
		`SELECT event_type, date_trunc('hour', published) h, count(*) FROM okta.system_log GROUP BY ALL ORDER BY ALL LIMIT 5`,
		`SELECT u.login, json_array_length(connector_scalar('okta', 'list_factors', json_object('user', u.id))) FROM okta.users u ORDER BY 1 LIMIT 5`,
		`SELECT u.login, f.f->>'factorType' FROM okta.users u, LATERAL (SELECT unnest(connector_scalar('okta', 'list_factors', json_object('user', u.id))::JSON[]) AS f) f ORDER BY 1 LIMIT 5`,
		`SELECT connector_scalar('okta', 'lookup_user', json_object('user', x)) IS NULL FROM (VALUES ('ada.lovelace@example.com'), ('nobody@example.com'), (NULL)) t(x)`,
		`SELECT connector_scalar('okta', 'org_identity', '{}')`,
		`SELECT connector_scalar('okta', 'lookup_user', (SELECT json_object('user', t.x))) IS NULL FROM (VALUES ('ada.lovelace@example.com')) t(x)`,
		`SELECT TRY(connector_scalar('okta', 'list_factors', json_object('user', x))) FROM (VALUES ('nobody@example.com')) t(x)`,
		`SELECT * FROM connector_table('okta', 'lookup_user', {'user': 'x'})`,
		`SELECT * FROM connector_table('okta', 'lookup_user', JSON '{"usr":"x"}')`,
		`SELECT * FROM connector_table('okta', 'deactivate_user', JSON '{"user":"x"}')`,
		`SELECT * FROM connector_table('okta', 'nope', JSON '{"user":"x"}')`,
		`SELECT * FROM connector_table('nope', 'lookup_user', JSON '{"user":"x"}')`,
		`SELECT * FROM connector_table('okta', 'list_factors', JSON '{"user":"nobody@example.com"}')`,
		`SELECT 1::HUGEINT, 1.50::DECIMAL(5,2), [1,2], {'b':1,'a':2}, DATE '2020-01-01', TIMESTAMP '2020-01-01', UUID '00000000-0000-0000-0000-000000000001', 'a'::BLOB, 1::UBIGINT, INTERVAL 1 DAY, 'x'::ENUM('x'), MAP{'a':1}, 'nan'::DOUBLE, JSON '{"b": 1.10, "a":2}', NULL`,
		`PREPARE p AS SELECT count(*) FROM okta.groups; EXECUTE p; EXECUTE p`,
		`CREATE TABLE t AS SELECT * FROM okta.groups`, `INSERT INTO t FROM t`, `INSERT INTO t SELECT * FROM t LIMIT 1 RETURNING name, record`, `EXPLAIN SELECT login FROM okta.users`, `PIVOT okta.users ON status USING count(*)`, `SUMMARIZE okta.groups`,
		`LOAD httpfs`, `INSTALL httpfs`,
	} {
		start := time.Now()
		out, err := try(t.Context(), db, q)
		if len(out) > 1500 {
			out = out[:1500]
		}
		fmt.Printf("== %s (%v)\n%s%v\n", q, time.Since(start).Round(time.Millisecond), out, err)
	}
}
