//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"fmt"
	"net/http"
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
	d := &invented.Depot{}
	for i := range 5 {
		d.Put(fmt.Sprint("drill-", i+1), "AB"[i%2:i%2+1])
	}
	return depotAt(t, "depot", d), d
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
