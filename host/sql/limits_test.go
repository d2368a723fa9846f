//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

func TestQuery_OverALimit_Fails(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	c := connected(t, "okta", org)
	db := open(t, sql.Config{Connections: []*host.Connection{c}, Limits: sql.Limits{Pages: 5, Memory: 64 << 20}})
	for _, query := range []string{
		"SELECT connector_scalar('okta', 'lookup_user', json_object('user', i::VARCHAR)) FROM range(100) t(i)",
		"SELECT connector_try('okta', 'lookup_user', json_object('user', i::VARCHAR)) FROM range(100) t(i)",
		"SELECT count(*) FROM connector_table('okta', 'list_users', JSON '{\"page_size\":1}')",
	} {
		_, err := try(t.Context(), db, query)
		var failed *sql.Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, "it read 5 pages and objects") {
			t.Errorf("%s: got %v", query, err)
		}
	}
	if n := org.Count("GET /api/v1/users") + org.Count("GET /api/v1/users/{id}"); n > 3*5 {
		t.Errorf("%d requests by three statements of 5 pages", n)
	}
	if _, err := try(t.Context(), db, "CREATE TABLE t AS SELECT repeat(i::VARCHAR, 100) || random() FROM range(3000000) t(i)"); err == nil || !strings.Contains(err.Error(), "Out of Memory") {
		t.Errorf("got %v", err)
	}
	want(t, db, "SELECT current_setting('memory_limit')", `["64.0 MiB"]`)
	vast := open(t, sql.Config{Limits: sql.Limits{Memory: 1 << 60}})
	if out := ask(t, vast, "SELECT current_setting('memory_limit')"); strings.Contains(out, "PiB") || strings.Contains(out, "EiB") {
		t.Errorf("the limit is %s, more than any machine has", out)
	}
	want(t, db, "SELECT count(*) FROM okta.groups", "[5]") // each statement has its own

	stuck := connected(t, "stuck", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	slow := open(t, sql.Config{Connections: []*host.Connection{stuck}, Limits: sql.Limits{Time: 50 * time.Millisecond}})
	for _, query := range []string{"SELECT connector_scalar('stuck', 'org_identity', '{}')", "SELECT connector_try('stuck', 'org_identity', '{}')", "FROM connector_table('stuck', 'list_groups', '{}')"} {
		if _, err := try(t.Context(), slow, query); err == nil || !strings.Contains(err.Error(), "it ran for 50ms") {
			t.Errorf("%s: got %v", query, err)
		}
	}
}

// What a statement keeps of its answers is bounded, and the last used stay.
func TestQuery_OfManyPages_KeepsFewResponses(t *testing.T) {
	var requests atomic.Int32
	padding := strings.Repeat("x", 2<<20)
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,"profile":{"x":%q}}`, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], padding)
	}))}})
	// 40 answers of 2 MiB, in chunks of one row each, and then the first and the last of them again.
	one := "(connector_scalar('okta', 'lookup_user', json_object('user', 'u' || %s))->>'id')"
	var columns []string
	for i := range 40 {
		columns = append(columns, fmt.Sprintf(one, fmt.Sprint(i)))
	}
	columns = append(columns, fmt.Sprintf(one, "39"), fmt.Sprintf(one, "0"))
	ask(t, db, "SELECT "+strings.Join(columns, ", "))
	if n := requests.Load(); n != 41 {
		t.Errorf("%d requests for 40 answers of which some 31 are kept", n)
	}
	// One answer for many rows is given to DuckDB once: 2,048 of them would be 4 GiB.
	requests.Store(0)
	want(t, db, "SELECT count(*) FILTER (left(connector_scalar('okta', 'lookup_user', json_object('user', 'u' || (i % 2)))::VARCHAR, 10) = '{\"id\":\"u' || (i % 2) || '\"') FROM range(2048) t(i)", "[2048]")
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests for 2 users", n)
	}
}
