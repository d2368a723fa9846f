package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/oktatest"
)

// exported is what an export answers.
type exported struct {
	Records []struct {
		Kind, ID, Parent string
		Record           json.RawMessage
	}
	Skipped []struct{ Kind, Type, Code, Reason string }
	Partial bool
}

func export(t *testing.T, w world, input string) (exported, string) {
	t.Helper()
	res := w.do(t, abi.Succeeded, "inventory_export", input)
	var e exported
	if err := json.Unmarshal(res.Output, &e); err != nil {
		t.Fatal(err)
	}
	return e, res.NextCursor
}

func TestInventoryExport(t *testing.T) {
	w := newWorld(t, oktatest.Config{Users: 450})
	all, next := export(t, w, `{"kinds":["users","groups","group_members","oauth_clients"]}`)
	if next != "" || all.Partial || len(all.Skipped) != 0 {
		t.Errorf("next %q, skipped %+v", next, all.Skipped)
	}
	have, kinds := map[string]bool{}, map[string]int{}
	for _, r := range all.Records {
		if have[r.Kind+":"+r.ID] {
			t.Errorf("%s %s comes twice", r.Kind, r.ID)
		}
		have[r.Kind+":"+r.ID] = true
		kinds[r.Kind]++
		if (r.Kind == "group_members") != (r.Parent != "") || r.Parent != "" && !strings.HasPrefix(r.ID, r.Parent+"/") {
			t.Errorf("%+v", r)
		}
	}
	if kinds["users"] != 450 || kinds["groups"] != len(w.org.Groups()) || kinds["oauth_clients"] != len(w.org.Clients()) || kinds["group_members"] < 450 {
		t.Errorf("%v", kinds)
	}
	// Row by row through SQL's way, which makes a fresh call of each page.
	rows, err := w.Table(context.Background(), "inventory_export", json.RawMessage(`{"kinds":["users","groups","group_members","oauth_clients"]}`),
		host.TableOptions{Columns: []string{"kind", "id", "object"}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if key := fmt.Sprint(row.Values[0], ":", row.Values[1]); !have[strings.ReplaceAll(key, " ", "")] || row.Values[2] == nil {
			t.Fatalf("%v", row.Values)
		}
		n++
	}
	if n != len(all.Records) {
		t.Errorf("%d rows, %d records", n, len(all.Records))
	}
}

func TestInventoryIsBoundedAndNamesWhatItLeavesOut(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	few, next := export(t, w, `{"kinds":["users","groups"],"limit_per_kind":2}`)
	if len(few.Records) != 4 || next != "" {
		t.Errorf("%+v %q", few, next)
	}
	w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Method: "GET", Path: "/api/v1/groups", Status: 500, Times: 1})
	part, _ := export(t, w, `{"kinds":["users","groups"]}`)
	if !part.Partial || len(part.Records) != 50 {
		t.Errorf("%d records, partial %v", len(part.Records), part.Partial)
	}
}
