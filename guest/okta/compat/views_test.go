//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package compat_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sql"
)

// TestViews_QueriesOfTheirPage_Run runs the queries of docs/views.md.
func TestViews_QueriesOfTheirPage_Run(t *testing.T) {
	document, err := os.ReadFile("../../../docs/views.md")
	if err != nil {
		t.Fatal(err)
	}
	requests := &counted{Handler: oktatest.New(oktatest.Config{RateLimits: map[string]int{"*": -1}})}
	db := open(t, connected(t, "okta", requests))
	_, found, err := rows(t, db, `SELECT view_name FROM duckdb_views() WHERE schema_name = 'okta'`)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, row := range found {
		missing[row[0].(string)] = true
	}
	section := regexp.MustCompile("(?s)\n## (\\w+)\n.*?```sql\n(.*?)```")
	for _, m := range section.FindAllStringSubmatch(string(document), -1) {
		if !missing[m[1]] {
			t.Errorf("there is no view %s", m[1])
		}
		delete(missing, m[1])
		statements := sql.Statements(m[2])
		if len(statements) < 3 {
			t.Errorf("%s has %d queries", m[1], len(statements))
		}
		for _, statement := range statements {
			requests.take()
			if _, found, err := rows(t, db, statement); err != nil {
				t.Errorf("%s: %s\n%v", m[1], statement, err)
			} else {
				t.Logf("%-22s %4d rows, %3d requests: %s", m[1], len(found), len(requests.take()), strings.TrimPrefix(strings.SplitN(statement, "\n", 2)[0], "-- "))
			}
		}
	}
	for view := range missing {
		t.Errorf("docs/views.md lacks the view %s", view)
	}
}
