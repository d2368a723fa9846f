package depot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connectortest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/hosttest/invented/withsdk/depot"
)

var built = invented.WithSDK(depot.Connector().Manifest())

// stocked returns a depot of n items.
func stocked(n int) *invented.Depot {
	d := &invented.Depot{}
	for i := range n {
		d.Put(fmt.Sprintf("drill-%d", i+1), "AB"[i%2:i%2+1])
	}
	return d
}

func TestConnector_Kit(t *testing.T) {
	connectortest.Kit{Connector: depot.Connector(), Module: built, Service: func() http.Handler { return stocked(6) }, Writes: []string{"move_item"}}.Run(t)
}

func connect(t *testing.T, d *invented.Depot) *host.Connection {
	t.Helper()
	return hosttest.Serve(t, built.Module(t), d, host.Config{Grants: abi.Classes()}, host.ConnectOptions{Sleep: hosttest.ShortSleep})
}

// TestList_OnEachSurface_HasEveryRecordOnce has a list for each way of paging.
func TestList_OnEachSurface_HasEveryRecordOnce(t *testing.T) {
	for n := range 6 {
		c := connect(t, stocked(n))
		for op, column := range map[string]string{"list_items": "sku", "list_stock": "sku", "list_boxes": "sku"} {
			var want, rows []string
			for i := range n {
				want = append(want, fmt.Sprintf("drill-%d", i+1))
			}
			table, err := c.Table(t.Context(), op, json.RawMessage(`{"page_size":2}`), host.TableOptions{Columns: []string{column}})
			if err != nil {
				t.Fatal(err)
			}
			for row, err := range table.All() {
				if err != nil {
					t.Fatalf("%s: %v", op, err)
				}
				rows = append(rows, fmt.Sprint(row.Values[0]))
			}
			if !slices.Equal(rows, want) {
				t.Errorf("%s of %d as a table: %q", op, n, rows)
			}
			res, err := c.Invoke(t.Context(), op, json.RawMessage(`{"page_size":2}`))
			if err != nil || strings.Count(string(res.Output), `"drill-`) != n || res.NextCursor != "" {
				t.Errorf("%s of %d: %s %v", op, n, res.Output, err)
			}
		}
	}
}

// TestSource_ThatGrows_EmitsEachRecordOnce has a custom source, and one that follows an offset.
func TestSource_ThatGrows_EmitsEachRecordOnce(t *testing.T) {
	for _, op := range []string{"poll_movements", "list_stock"} {
		d := stocked(0)
		c := connect(t, d)
		var keys []string
		var checkpoint json.RawMessage
		for n := range 7 {
			for rec, err := range c.Source(t.Context(), host.SourceOptions{Operation: op, Config: json.RawMessage(`{"page_size":2}`), Checkpoint: checkpoint}) {
				if err != nil {
					t.Fatal(err)
				}
				if keys = append(keys, rec.Key); rec.Checkpoint != nil {
					checkpoint = rec.Checkpoint
				}
			}
			if len(keys) != n {
				t.Fatalf("%s: %q after %d", op, keys, n)
			}
			d.Put(fmt.Sprintf("drill-%d", n+1), "A")
		}
		if want := []string{"1", "2", "3", "4", "5", "6"}; !slices.Equal(keys, want) {
			t.Errorf("%s: %q, want %q", op, keys, want)
		}
	}
}

func TestWrite_InTheDepotsWay_EndsInOneOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		op, input string
		lose      invented.Lost
		want      abi.Outcome
		shelf     string
	}{
		"a move":                         {"move_item", `{"sku":"drill-1","shelf":"C"}`, invented.None, abi.Succeeded, "C"},
		"a move to its own shelf":        {"move_item", `{"sku":"drill-1","shelf":"A"}`, invented.None, abi.Unchanged, "A"},
		"a move of a missing item":       {"move_item", `{"sku":"drill-9","shelf":"A"}`, invented.None, abi.NotFound, "A"},
		"a removal":                      {"scrap_item", `{"sku":"drill-1"}`, invented.None, abi.Succeeded, ""},
		"a removal whose answer is lost": {"scrap_item", `{"sku":"drill-1"}`, invented.AfterWrite, abi.Succeeded, ""},
		"a removal that is lost":         {"scrap_item", `{"sku":"drill-1"}`, invented.BeforeWrite, abi.Unavailable, "A"},
	} {
		t.Run(name, func(t *testing.T) {
			d := stocked(1)
			d.Lose = c.lose
			res, _ := connect(t, d).Invoke(t.Context(), c.op, json.RawMessage(c.input))
			if res.Outcome != c.want || d.Shelf("drill-1") != c.shelf {
				t.Errorf("%s %+v, the item is on %q, want %s and %q", res.Outcome, res.Error, d.Shelf("drill-1"), c.want, c.shelf)
			}
		})
	}
}
