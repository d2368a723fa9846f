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
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

func TestAllOrgs_OfSeveralConnections_IsTheirUnion(t *testing.T) {
	one, two := &counted{Handler: oktatest.New(oktatest.Config{Seed: 1, Users: 300})}, &counted{Handler: oktatest.New(oktatest.Config{Seed: 2, Users: 400})}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "one", one), connected(t, "two-2", two)}})
	want(t, db, `SELECT connection, count(*) FROM all_orgs.users GROUP BY 1 ORDER BY 1`, `["one",300]`, `["two-2",400]`)
	one.take()
	two.take()
	want(t, db, `SELECT connection, login FROM all_orgs.users WHERE login = 'ada.lovelace@example.com' ORDER BY 1`,
		`["one","ada.lovelace@example.com"]`, `["two-2","ada.lovelace@example.com"]`)
	if a, b := one.take(), two.take(); len(a) != 1 || len(b) != 1 {
		t.Errorf("requests of a user by login: %s and %s", a, b)
	}
	want(t, db, `SELECT login FROM all_orgs.users WHERE login = 'ada.lovelace@example.com' AND connection = 'one'`, `["ada.lovelace@example.com"]`)
	if a, b := one.take(), two.take(); len(a) != 1 || len(b) != 0 {
		t.Errorf("requests of one connection: %s and %s", a, b)
	}
	if out := ask(t, db, "DESCRIBE all_orgs.groups"); !strings.Contains(out, "the connection that the row is of") {
		t.Error(out)
	}
	wantRefusals(t, db, map[string][]string{
		"FROM groups":                          {"groups is ambiguous"},
		"CREATE TABLE all_orgs.mine AS FROM 1": nil,
		"CREATE OR REPLACE VIEW all_orgs.users AS SELECT 1 AS x": {"the schemas of connections cannot be changed"},
	})
}

// meeting is an org whose first request of a user list waits for that of the other orgs.
type meeting struct {
	http.Handler
	once sync.Once
	all  *sync.WaitGroup
}

func (m *meeting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v1/users" {
		m.once.Do(m.all.Done)
		m.all.Wait()
	}
	m.Handler.ServeHTTP(w, r)
}

// TestAllOrgs_OfSeveralConnections_AreReadInParallel ends only if both orgs are asked at the same time.
func TestAllOrgs_OfSeveralConnections_AreReadInParallel(t *testing.T) {
	var all sync.WaitGroup
	all.Add(2)
	org := oktatest.New(oktatest.Config{Users: 300})
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "one", &meeting{Handler: org, all: &all}), connected(t, "two", &meeting{Handler: org, all: &all})},
		Limits: sql.Limits{Time: 30 * time.Second}})
	want(t, db, `SELECT count(*) FROM all_orgs.users`, `[600]`)
	if out := ask(t, db, `SELECT connection, login FROM all_orgs.users`); strings.Count(out, "\n") != 601 {
		t.Errorf("%d lines", strings.Count(out, "\n"))
	}
}

func TestAllOrgs_WithoutOneOfThem_SaysWhy(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	a := connected(t, "a", org)
	db := open(t, sql.Config{Connections: []*host.Connection{a}, LeftOut: []sql.LeftOut{{Config: host.Config{Name: "b", Kind: "okta"}, Reason: errors.New("no token")}}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.users": {"all_orgs cannot be read, since b is left out: no token"}})
	locked := hosttest.Serve(t, hosttest.Connector.Module(t), org, host.Config{Name: "c", Grants: []abi.Class{abi.Write}}, host.ConnectOptions{Secrets: hosttest.Secret(org.Token())})
	db = open(t, sql.Config{Connections: []*host.Connection{a, locked}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.users": {`all_orgs cannot be read: connection "c" does not grant read`}})
	db = open(t, sql.Config{Connections: []*host.Connection{a}})
	wantRefusals(t, db, map[string][]string{"FROM all_orgs.users": {"does not exist"}})
}
