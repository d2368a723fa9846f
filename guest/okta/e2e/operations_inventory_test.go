package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// exported is the result of an export.
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

func TestInventory_OfAnOrg_ExportsEverythingOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{Users: 450})
	all, next := export(t, w, `{"kinds":["users","groups","group_members","oauth_clients"]}`)
	if next != "" || all.Partial || len(all.Skipped) != 0 {
		t.Errorf("next %q, skipped %+v", next, all.Skipped)
	}
	have, kinds := map[string]bool{}, map[string]int{}
	for _, r := range all.Records {
		if have[r.Kind+":"+r.ID] {
			t.Errorf("%s %s is listed twice", r.Kind, r.ID)
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
	// SQL reads row by row, with a new call for each page.
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

func TestInventory_LastingError_IsPartial(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	few, next := export(t, w, `{"kinds":["users","groups"],"limit_per_kind":2}`)
	if len(few.Records) != 4 || next != "" {
		t.Errorf("%+v %q", few, next)
	}
	w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Method: "GET", Path: "/api/v1/groups", Status: 500, Times: 9}) // a lasting error, in smaller pages too
	part, _ := export(t, w, `{"kinds":["users","groups"]}`)
	if !part.Partial || len(part.Records) != 50 {
		t.Errorf("%d records, partial %v", len(part.Records), part.Partial)
	}
}

// TestInventory_CutAtEachRequest_ResumesCompletely cuts the export of a whole org at each request, by a web page
// instead of a response, and resumes from the cursor. Each record must come once.
func TestInventory_CutAtEachRequest_ResumesCompletely(t *testing.T) {
	t.Parallel()
	if hosttest.Raced {
		t.Skip("calls are sequential, so there is no race to find")
	}
	org := oktatest.New(oktatest.Config{Users: 4, Groups: 3, Devices: 2, AuthorizationServers: 2, OAuthClients: 2, Events: -1, MaxPageSize: 1,
		PublicURL: "https://example.okta.com", RateLimits: map[string]int{"*": -1}})
	var requests, cutAt atomic.Int64
	inner := withToken(org)
	w := world{bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == cutAt.Load() {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
			return
		}
		inner.ServeHTTP(w, r)
	})), org}
	run := func(cut int64) (lines []string, calls int) {
		requests.Store(0)
		cutAt.Store(cut)
		for cursor := ""; ; {
			input := `{}`
			if cursor != "" {
				input = `{"cursor":"` + cursor + `"}`
			}
			calls++
			res := w.try("inventory_export", input)
			if res.Outcome == abi.Unavailable && cursor == "" { // nothing was read yet
				continue
			}
			if res.Outcome != abi.Succeeded {
				t.Fatalf("cut at request %d: %s %+v", cut, res.Outcome, res.Error)
			}
			for _, r := range listed(t, res) {
				lines = append(lines, string(r))
			}
			if cursor = res.NextCursor; cursor == "" {
				all := gjson.ParseBytes(res.Output)
				lines = append(lines, all.Get("skipped").Raw+all.Get("vanished").Raw+all.Get("missing").Raw+all.Get("partial").Raw)
				return lines, calls
			}
		}
	}
	want, _ := run(0)
	last := requests.Load()
	kinds := map[string]bool{}
	for _, line := range want {
		kinds[gjson.Get(line, "kind").Str] = true
	}
	if len(kinds) != 13 || last < int64(len(want)) { // 12, and the line with what was omitted
		t.Fatalf("%d records of %d kinds by %d requests", len(want), len(kinds), last)
	}
	for cut := int64(1); cut <= last; cut++ {
		if got, calls := run(cut); !slices.Equal(got, want) || calls != 2 {
			t.Fatalf("cut at request %d of %d: %d lines of %d in %d calls", cut, last, len(got), len(want), calls)
		}
	}
	t.Logf("%d records in %d requests", len(want), last)
}

// TestInventory_EachGap_IsNamed makes lists fail by token, by org and by network.
func TestInventory_EachGap_IsNamed(t *testing.T) {
	t.Run("a kind that the token may not read is skipped", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Forbid: []string{"GET /api/v1/apps", "GET /api/v1/policies", "GET /api/v1/groups/{groupId}/users"}})
		e, next := export(t, w, `{}`)
		var skipped []string
		for _, s := range e.Skipped {
			skipped = append(skipped, s.Kind+" "+s.Code)
			if s.Reason == "" || s.Type != "" { // the kind once, not each type
				t.Errorf("%+v", s)
			}
		}
		// Members are read for each group. If the first group may not be read, that is a gap, not a missing kind.
		if want := []string{"applications forbidden", "application_users forbidden", "policies forbidden"}; !slices.Equal(skipped, want) || !e.Partial || next != "" {
			t.Errorf("%q, partial %v, want %q", skipped, e.Partial, want)
		}
	})
	t.Run("a kind that the org does not have is skipped", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Engine: "v1", NoAPIAccessManagement: true})
		e, _ := export(t, w, `{}`)
		skipped := map[string]bool{}
		for _, s := range e.Skipped {
			skipped[s.Kind] = true
		}
		if !skipped["devices"] || !skipped["authenticators"] || !skipped["authorization_servers"] || skipped["users"] || !e.Partial { // kinds are missing for any reason
			t.Errorf("%+v, partial %v", e.Skipped, e.Partial)
		}
	})
	t.Run("a group that is deleted meanwhile is counted", func(t *testing.T) {
		org := oktatest.New(oktatest.Config{})
		inner := withToken(org)
		w := world{bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, id, ok := strings.Cut(r.URL.Path, "/api/v1/groups/"); ok && strings.HasPrefix(id, gjson.GetBytes(org.Groups()[2], "id").Str) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, missingBody("UserGroup"))
				return
			}
			inner.ServeHTTP(w, r)
		})), org}
		res := w.do(t, abi.Succeeded, "inventory_export", `{"kinds":["group_members"]}`)
		if get(t, res.Output, "vanished", "group_members") != "1" || get(t, res.Output, "partial") != "false" {
			t.Errorf("%.300s", res.Output)
		}
	})
}
