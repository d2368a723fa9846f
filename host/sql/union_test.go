//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/sql"
)

func TestAllOrgs_OfSeveralConnections_IsTheirUnion(t *testing.T) {
	one, two := &counted{Handler: full(300)}, &counted{Handler: full(400)}
	db := open(t, sql.Config{Connections: []*host.Connection{depotAt(t, "one", one), depotAt(t, "two-2", two)}})
	want(t, db, `SELECT connection, count(*) FROM all_orgs.items GROUP BY 1 ORDER BY 1`, `["one",300]`, `["two-2",400]`)
	one.take()
	two.take()
	want(t, db, `SELECT connection, sku FROM all_orgs.items WHERE sku = 'drill-7' ORDER BY 1`,
		`["one","drill-7"]`, `["two-2","drill-7"]`)
	if a, b := one.take(), two.take(); len(a) != 1 || len(b) != 1 {
		t.Errorf("requests of an item by its SKU: %s and %s", a, b)
	}
	want(t, db, `SELECT sku FROM all_orgs.items WHERE sku = 'drill-7' AND connection = 'one'`, `["drill-7"]`)
	if a, b := one.take(), two.take(); len(a) != 1 || len(b) != 0 {
		t.Errorf("requests of one connection: %s and %s", a, b)
	}
	if out := ask(t, db, "DESCRIBE all_orgs.items"); !strings.Contains(out, "the connection that the row is of") {
		t.Error(out)
	}
	wantRefusals(t, db, map[string][]string{
		"FROM items":                           {"items is ambiguous"},
		"CREATE TABLE all_orgs.mine AS FROM 1": nil,
		"CREATE OR REPLACE VIEW all_orgs.items AS SELECT 1 AS x": {"the schemas of connections cannot be changed"},
	})
}

// meeting is a depot whose first request of a list waits for that of the other depots.
type meeting struct {
	http.Handler
	once sync.Once
	all  *sync.WaitGroup
}

func (m *meeting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/items" {
		m.once.Do(m.all.Done)
		m.all.Wait()
	}
	m.Handler.ServeHTTP(w, r)
}

// TestAllOrgs_OfSeveralConnections_AreReadInParallel ends only if both depots are asked at the same time.
func TestAllOrgs_OfSeveralConnections_AreReadInParallel(t *testing.T) {
	var all sync.WaitGroup
	all.Add(2)
	depot := full(300)
	db := open(t, sql.Config{Connections: []*host.Connection{depotAt(t, "one", &meeting{Handler: depot, all: &all}), depotAt(t, "two", &meeting{Handler: depot, all: &all})},
		Limits: sql.Limits{Time: 30 * time.Second}})
	want(t, db, `SELECT count(*) FROM all_orgs.items`, `[600]`)
	if out := ask(t, db, `SELECT connection, sku FROM all_orgs.items`); strings.Count(out, "\n") != 601 {
		t.Errorf("%d lines", strings.Count(out, "\n"))
	}
}

func TestAllOrgs_WithoutOneOfThem_SaysWhy(t *testing.T) {
	depot := full(5)
	a := depotAt(t, "a", depot)
	db := open(t, sql.Config{Connections: []*host.Connection{a}, LeftOut: []sql.LeftOut{{Config: host.Config{Name: "b", Kind: "depot"}, Reason: errors.New("no token")}}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.items": {"all_orgs cannot be read, since b is left out: no token"}})
	locked := hosttest.Serve(t, invented.Connector.Module(t), depot, host.Config{Name: "c", Grants: []abi.Class{abi.Write}}, host.ConnectOptions{})
	db = open(t, sql.Config{Connections: []*host.Connection{a, locked}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.items": {`all_orgs cannot be read: connection "c" does not grant read`}})
	db = open(t, sql.Config{Connections: []*host.Connection{a}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.items": {"does not exist"}})
}
