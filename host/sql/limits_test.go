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

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

func TestQuery_OverALimit_Fails(t *testing.T) {
	c, depot := warehouse(t)
	db := open(t, sql.Config{Connections: []*host.Connection{c}, Limits: sql.Limits{Pages: 5, Memory: 64 << 20}})
	for _, query := range []string{
		"SELECT connector_scalar('depot', 'get_item', json_object('sku', i::VARCHAR)) FROM range(100) t(i)",
		"SELECT connector_try('depot', 'get_item', json_object('sku', i::VARCHAR)) FROM range(100) t(i)",
		"SELECT count(*) FROM connector_table('depot', 'list_items', JSON '{\"page_size\":1}'), connector_table('depot', 'list_items', JSON '{\"page_size\":2}')",
	} {
		_, err := try(t.Context(), db, query)
		var failed *sql.Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, "it read 5 pages and objects") {
			t.Errorf("%s: got %v", query, err)
		}
	}
	if n := depot.Requests(); n > 3*5 {
		t.Errorf("%d requests by three statements of 5 pages", n)
	}
	if _, err := try(t.Context(), db, "CREATE TABLE t AS SELECT repeat(i::VARCHAR, 100) || random() FROM range(3000000) t(i)"); err == nil || !strings.Contains(err.Error(), "Out of Memory") ||
		!strings.HasSuffix(err.Error(), ": DuckDB may use 64 MiB: give it more with --max-memory") || strings.Contains(err.Error(), "SET ") {
		t.Errorf("got %v", err)
	}
	want(t, db, "SELECT current_setting('memory_limit')", `["64.0 MiB"]`)
	vast := open(t, sql.Config{Limits: sql.Limits{Memory: 1 << 60}})
	if out := ask(t, vast, "SELECT current_setting('memory_limit')"); strings.Contains(out, "PiB") || strings.Contains(out, "EiB") {
		t.Errorf("the limit is %s, more than any machine has", out)
	}
	want(t, db, "SELECT count(*) FROM depot.items", "[5]") // each statement has its own

	stuck := depotAt(t, "stuck", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	slow := open(t, sql.Config{Connections: []*host.Connection{stuck}, Limits: sql.Limits{Time: 50 * time.Millisecond}})
	for _, query := range []string{"SELECT connector_scalar('stuck', 'get_item', '{\"sku\":\"x\"}')", "SELECT connector_try('stuck', 'get_item', '{\"sku\":\"x\"}')", "FROM connector_table('stuck', 'list_items', '{}')"} {
		if _, err := try(t.Context(), slow, query); err == nil || !strings.Contains(err.Error(), "it ran for 50ms") {
			t.Errorf("%s: got %v", query, err)
		}
	}
}

// What a statement keeps of its answers is bounded, and the last used stay.
func TestQuery_OfManyPages_KeepsFewResponses(t *testing.T) {
	var requests atomic.Int32
	padding := strings.Repeat("x", 2<<20)
	db := open(t, sql.Config{Connections: []*host.Connection{depotAt(t, "depot", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"sku":%q,"label":%q}`, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], padding)
	}))}})
	// 40 answers of 2 MiB, in chunks of one row each, and then the first and the last of them again.
	one := "(connector_scalar('depot', 'get_item', json_object('sku', 'u' || %s))->>'sku')"
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
	want(t, db, "SELECT count(*) FILTER (left(connector_scalar('depot', 'get_item', json_object('sku', 'u' || (i % 2)))::VARCHAR, 11) = '{\"sku\":\"u' || (i % 2) || '\"') FROM range(2048) t(i)", "[2048]")
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests for 2 items", n)
	}
}
