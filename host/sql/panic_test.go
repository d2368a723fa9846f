//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// What panics under a call of DuckDB's, on a thread of DuckDB's, ends a statement and not the
// process. The connection's parts are taken away under it, so that every use of it panics.
func TestQuery_WhenCodePanics_IsAnError(t *testing.T) {
	connection, _ := warehouse(t)
	c := reflect.ValueOf(connection).Elem()
	broken := reflect.New(c.Type())
	broken.Elem().Set(c)
	db := open(t, sql.Config{Connections: []*host.Connection{broken.Interface().(*host.Connection)}})
	ask(t, db, "PREPARE bound AS SELECT sku FROM depot.items; PREPARE counted AS SELECT count(*) FROM depot.items")
	broken.Elem().SetZero()
	for _, statement := range []string{
		"FROM connector_table('depot', 'list_items', '{}')", // bind
		"EXECUTE bound",   // fill
		"EXECUTE counted", // fill, without a column
		"SELECT connector_scalar('depot', 'list_items', '{}')",
		"SELECT connector_scalar('depot', 'get_item', json_object('sku', i::VARCHAR)) FROM range(20) t(i)",
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
	want(t, db, "SELECT connector_try('depot', 'list_items', '{}')", "[null]")
}
