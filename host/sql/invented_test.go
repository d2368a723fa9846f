//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/sql"
)

// warehouse connects to a depot of five items, by the name depot.
func warehouse(t testing.TB) (*host.Connection, *invented.Depot) {
	t.Helper()
	d := full(5)
	return depotAt(t, "depot", d), d
}

// full returns a depot of n items, drill-1 and so on, on two shelves in turn.
func full(n int) *invented.Depot {
	d := &invented.Depot{}
	for i := range n {
		d.Put(fmt.Sprint("drill-", i+1), "AB"[i%2:i%2+1])
	}
	return d
}

// depotAt connects to a handler as to a depot.
func depotAt(t testing.TB, name string, h http.Handler) *host.Connection {
	t.Helper()
	return hosttest.Serve(t, invented.Connector.Module(t), h, host.Config{Name: name}, host.ConnectOptions{})
}

// TestTables_OfAnInventedKind reads a service with other habits through the functions and the view of its manifest.
func TestTables_OfAnInventedKind(t *testing.T) {
	depot := &invented.Depot{Now: func() time.Time { return time.Date(2026, 2, 1, 9, 30, 5, 0, time.UTC) }}
	for _, sku := range []string{"drill-1", "drill-2", "saw-1"} {
		depot.Put(sku, sku[:1])
	}
	c := hosttest.Serve(t, invented.Connector.Module(t), depot, host.Config{Name: "depot", Grants: abi.Classes()}, host.ConnectOptions{})
	db := open(t, sql.Config{Connections: []*host.Connection{c}})
	for query, rows := range map[string]string{
		`SELECT sku, changed FROM connector_table('depot', 'list_items', '{"shelf":"s"}')`:                  `["saw-1","2026-02-01T09:30:05Z"]`,
		`SELECT connector_scalar('depot', 'get_item', '{"sku":"saw-1"}')->'place'->>'shelf'`:                `["s"]`,
		`SELECT count(*), max(weight) FROM depot.items WHERE changed >= TIMESTAMPTZ '2026-02-01 09:30:05Z'`: `[3,1.75]`,
	} {
		want(t, db, query, rows)
	}
	if _, err := try(t.Context(), db, `FROM connector_table('depot', 'scrap_item', '{"sku":"saw-1"}')`); err == nil || depot.Writes() != 0 {
		t.Errorf("a destructive operation in SQL: %v, %d writes", err, depot.Writes())
	}
}

// TestViews_OfAnInventedKind_AskForWhatConditionsSay has the answers of the kind's manifest: an item by its key, a list by a value,
// a time in the service's format, and a request for each row of another view.
func TestViews_OfAnInventedKind_AskForWhatConditionsSay(t *testing.T) {
	at := time.Date(2026, 2, 1, 9, 30, 5, 0, time.UTC)
	d := &invented.Depot{Now: func() time.Time { return at }}
	for i := range 60 {
		d.Put(fmt.Sprint("drill-", i+1), "AB"[i%2:i%2+1])
		at = at.Add(time.Minute)
	}
	requests := &counted{Handler: d}
	db := open(t, sql.Config{Connections: []*host.Connection{depotAt(t, "depot", requests)}})
	requests.take()
	for _, c := range []struct {
		query, rows string
		asked       int
		part        string // each request has it
	}{
		{`SELECT count(*) FROM depot.items`, `[60]`, 3, "/v2/items?"},
		{`SELECT shelf FROM depot.items WHERE sku = 'drill-2'`, `["B"]`, 1, "/v2/items/drill-2?"},
		{`SELECT count(*) FROM depot.items WHERE sku IN ('drill-2', 'drill-4', 'saw-9')`, `[2]`, 3, "/v2/items/"},
		{`SELECT count(*) FROM depot.items WHERE shelf = 'A' AND sku <> 'drill-1'`, `[29]`, 2, "shelf=A"},
		{`SELECT count(*) FROM depot.movements WHERE moved >= TIMESTAMPTZ '2026-02-01 10:00:05Z' AND moved < TIMESTAMPTZ '2026-02-01 10:10:05Z'`, `[10]`, 1, "from=01.02.2026+10%3A00%3A05&to=01.02.2026+10%3A10%3A0"},
		{`SELECT item, no FROM depot.item_movements WHERE item = 'drill-3'`, `["drill-3",3]`, 1, "/v2/history?"},
		{`SELECT count(*) FROM depot.item_movements m JOIN depot.items i ON m.item = i.sku WHERE i.sku IN ('drill-1', 'drill-2')`, `[2]`, 4, "drill-"},
	} {
		want(t, db, c.query, c.rows)
		asked := requests.take()
		if len(asked) != c.asked {
			t.Errorf("%s: %d requests, want %d: %s", c.query, len(asked), c.asked, asked)
		}
		for _, uri := range asked {
			if !strings.Contains(uri, c.part) {
				t.Errorf("%s: sent %s, want %s", c.query, uri, c.part)
			}
		}
	}
}
