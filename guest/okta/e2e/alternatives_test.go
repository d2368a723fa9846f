package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// TestColumn_SeveralPaths_TheFirstWithAValueCounts uses names of application users, which have another path in OpenID
// Connect apps.
func TestColumn_SeveralPaths_TheFirstWithAValueCounts(t *testing.T) {
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `[{"id":"1","profile":{"firstName":"Ada","lastName":"L"}},{"id":"2","profile":{"given_name":"Bo","family_name":"M"}},
			{"id":"3","profile":{"given_name":null,"firstName":"Cy","family_name":"N","lastName":"ignored"}},{"id":"4","profile":{"given_name":null}},{"id":"5"}]`)
	}), abi.Read)
	for _, columns := range [][]string{{"first_name", "last_name", "id"}, {"id", "first_name", "record", "last_name"}} {
		rows, err := c.Table(context.Background(), "list_application_users", []byte(`{"application":"0oa1"}`), host.TableOptions{Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for row, err := range rows.All() {
			if err != nil {
				t.Fatal(err)
			}
			if len(row.Values) != len(columns) {
				t.Fatalf("%d values, want %d", len(row.Values), len(columns))
			}
			named := map[string]any{}
			for i, name := range columns {
				named[name] = row.Values[i]
			}
			got += fmt.Sprint(named["id"], named["first_name"], named["last_name"], " ")
		}
		if want := "1AdaL 2BoM 3CyN 4<nil> <nil> 5<nil> <nil> "; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
