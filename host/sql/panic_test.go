//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// What panics under a call of DuckDB's, on a thread of DuckDB's, ends a statement and not the
// process. The connection's parts are taken away under it, so that every use of it panics.
func TestQuery_WhenCodePanics_IsAnError(t *testing.T) {
	c := reflect.ValueOf(connected(t, "okta", oktatest.New(oktatest.Config{}))).Elem()
	broken := reflect.New(c.Type())
	broken.Elem().Set(c)
	db := open(t, sql.Config{Connections: []*host.Connection{broken.Interface().(*host.Connection)}})
	ask(t, db, "PREPARE bound AS SELECT id FROM okta.groups; PREPARE counted AS SELECT count(*) FROM okta.groups")
	broken.Elem().SetZero()
	for _, statement := range []string{
		"FROM connector_table('okta', 'list_groups', '{}')", // bind
		"EXECUTE bound",   // fill
		"EXECUTE counted", // fill, without a column
		"SELECT connector_scalar('okta', 'list_groups', '{}')",
		"SELECT connector_scalar('okta', 'lookup_user', json_object('user', i::VARCHAR)) FROM range(20) t(i)",
	} {
		_, err := try(t.Context(), db, statement)
		var failed *sql.Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, "this is a fault of wasm-runner's") || !strings.Contains(failed.Message, "nil pointer") {
			t.Errorf("%s: got %v", statement, err)
		}
		if failed != nil && failed.Cause == nil {
			t.Errorf("%s: the error has no cause", statement)
		}
		want(t, db, "SELECT 1", "[1]") // and goes on
	}
	want(t, db, "SELECT connector_try('okta', 'list_groups', '{}')", "[null]")
}
