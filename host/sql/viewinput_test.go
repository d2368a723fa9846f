//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"encoding/json"
	"testing"

	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

// TestViews_WithInputAndTimes_AskForBoth adds a view of failures to the connector's.
func TestViews_WithInputAndTimes_AskForBoth(t *testing.T) {
	manifest, err := sjson.SetRawBytes(okta.Manifest(), "views.-1", json.RawMessage(`{"name":"failures","operation":"bounded_system_log_range",
		"input":{"filter":"outcome.result eq \"FAILURE\""},"times":{"since":-86400,"until":0}}`))
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(oktatest.Config{})
	c := hosttest.Serve(t, hosttest.Package("./guest", manifest, host.LoadOptions{}).Load(t), org, host.Config{Name: "okta"}, host.ConnectOptions{Secrets: hosttest.Secret(org.Token())})
	db := open(t, sql.Config{Connections: []*host.Connection{c}})
	want(t, db, `SELECT count(*) > 0, bool_and(outcome_result = 'FAILURE') FROM okta.failures`, `[true,true]`)
	want(t, db, `SELECT count(DISTINCT outcome_result) > 1 FROM okta.system_log`, `[true]`)
}
