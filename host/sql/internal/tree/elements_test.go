package tree_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sql/internal/tree"
)

var elements = map[string]bool{"f": true}

// call is the tree of a query with one call of f.
func call(at int, alias, names string) any {
	var parsed any
	dec := json.NewDecoder(strings.NewReader(fmt.Sprintf(`{"from_table":{"type":"TABLE_FUNCTION","alias":%q,"column_name_alias":[%s],"function":{"function_name":"f","query_location":%d}}}`, alias, names, at)))
	dec.UseNumber()
	if err := dec.Decode(&parsed); err != nil {
		panic(err)
	}
	return parsed
}

func TestNameElements_OfACallWithAnAlias_NamesItsColumn(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT r FROM t, f(x) AS r":                             "SELECT r FROM t, f(x) AS r(r)",
		"SELECT r FROM t, f(x) r WHERE true":                     "SELECT r FROM t, f(x) r(r) WHERE true",
		"SELECT r FROM t, f ( g(')', x) /* ) */ ) as\n r -- end": "SELECT r FROM t, f ( g(')', x) /* ) */ ) as\n r(r) -- end",
		`SELECT r FROM t, f(x) AS "r"`:                           `SELECT r FROM t, f(x) AS "r"("r")`,
		"SELECT r FROM t, f(x) WITH ORDINALITY AS r":             "SELECT r FROM t, f(x) WITH ORDINALITY AS r",
		"SELECT r FROM t, f(x":                                   "SELECT r FROM t, f(x",
	} {
		if got := tree.NameElements(query, call(17, "r", ""), elements); got != want {
			t.Errorf("%s became %s, want %s", query, got, want)
		}
	}
	const query = "SELECT v FROM t, f(x) AS r(v)"
	for _, parsed := range []any{nil, call(17, "r", `"v"`), call(17, "", ""), call(-1, "r", ""), call(1000, "r", "")} {
		if got := tree.NameElements(query, parsed, elements); got != query {
			t.Errorf("%v: %s", parsed, got)
		}
	}
}

func FuzzNameElements(f *testing.F) {
	f.Add("SELECT r FROM t, f(x) AS r", 17, "r")
	f.Add("f(')\"'/*", 0, "")
	f.Fuzz(func(t *testing.T, query string, at int, alias string) {
		got := tree.NameElements(query, call(at, alias, ""), elements)
		if len(got) < len(query) || got != query && len(got) > 2*len(query)+2 {
			t.Errorf("%q became %q", query, got)
		}
	})
}
