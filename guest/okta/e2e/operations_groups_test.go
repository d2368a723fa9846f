package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
)

// groupOf returns the id of a seeded group by type and name; "" means any name.
func (w world) groupOf(t *testing.T, typ, name string) string {
	t.Helper()
	for _, g := range w.org.Groups() {
		if get(t, g, "type") == typ && (name == "" || get(t, g, "profile", "name") == name) {
			return get(t, g, "id")
		}
	}
	t.Fatalf("no %s is named %q", typ, name)
	return ""
}

func TestLookupGroup_ByIDAndName_ReadsTheGroup(t *testing.T) {
	w := newWorld(t, oktatest.Config{Groups: 300})
	byName := w.do(t, abi.Succeeded, "lookup_group", `{"group":"Engineering"}`)
	byID := w.do(t, abi.Succeeded, "lookup_group", `{"group":"`+get(t, byName.Output, "id")+`"}`)
	if get(t, byID.Output, "profile", "name") != "Engineering" {
		t.Errorf("%s", byID.Output)
	}
	// More names begin with "Team 29" than fit into a page of q.
	for _, name := range []string{"Équipe Ventes", "Team 29", "Team 299"} {
		if res := w.do(t, abi.Succeeded, "lookup_group", `{"group":"`+name+`"}`); get(t, res.Output, "profile", "name") != name {
			t.Errorf("%s: %s", name, res.Output)
		}
	}
	w.do(t, abi.NotFound, "lookup_group", `{"group":"engineering"}`)
	w.do(t, abi.NotFound, "lookup_group", `{"group":"00gnosuchgroup000000"}`)
	w.do(t, abi.Invalid, "lookup_group", `{"group":""}`)
}

func TestListAndSearchGroups_EachQuery_FindsTheRightGroups(t *testing.T) {
	w := newWorld(t, oktatest.Config{Groups: 450})
	ids := func(op, input string) (ids []string) {
		for cursor := ""; ; {
			in := input
			if cursor != "" {
				in = strings.Replace(input, "{", `{"cursor":"`+cursor+`",`, 1)
			}
			res := w.do(t, abi.Succeeded, op, in)
			var list struct{ Records []struct{ ID string } }
			if err := json.Unmarshal(res.Output, &list); err != nil {
				t.Fatal(err)
			}
			for _, g := range list.Records {
				ids = append(ids, g.ID)
			}
			if cursor = res.NextCursor; cursor == "" {
				return ids
			}
		}
	}
	var want []string
	for _, g := range w.org.Groups() {
		want = append(want, get(t, g, "id"))
	}
	for _, got := range [][]string{ids("list_groups", `{"limit":123}`), ids("search_groups", `{"search":"id pr","limit":77,"page_size":50}`)} {
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%d groups of %d", len(got), len(want))
		}
	}
	if got := ids("list_groups", `{"filter":"type eq \"BUILT_IN\""}`); len(got) != 1 {
		t.Errorf("%d built-in groups", len(got))
	}
	if got := ids("list_groups", `{"q":"Eng"}`); len(got) != 1 {
		t.Errorf("%d groups begin with Eng", len(got))
	}
	w.do(t, abi.Rejected, "search_groups", `{"search":"nonsense"}`)
	w.do(t, abi.Invalid, "list_groups", `{"q":"x","filter":"type eq \"BUILT_IN\""}`)
	w.do(t, abi.Invalid, "search_groups", `{"search":"id pr","sort_order":"desc"}`)
}

func TestGroup_CreatedUpdatedDeleted_ChangesOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	made := w.do(t, abi.Succeeded, "create_group", `{"name":"Night Shift","description":"On call"}`)
	id := get(t, made.Output, "id")
	writes := w.org.Writes()
	taken := w.do(t, abi.Rejected, "create_group", `{"name":"Night Shift"}`)
	if taken.Error.Code != "name_taken" || get(t, taken.Output, "existing_id") != id || w.org.Writes() != writes {
		t.Errorf("%+v %s", taken.Error, taken.Output)
	}
	if res := w.do(t, abi.Invalid, "create_group", `{"name":"x","profile":{"name":"y"}}`); !strings.Contains(res.Error.Message, "profile.name: not allowed here") {
		t.Errorf("%s", res.Error.Message)
	}

	first := w.twice(t, "update_group", `{"group":"Night Shift","description":"From 22 to 6"}`)
	if get(t, first.Output, "before", "profile", "description") != "On call" || get(t, first.Output, "after", "profile", "name") != "Night Shift" {
		t.Errorf("%s", first.Output)
	}
	w.twice(t, "update_group", `{"group":"`+id+`","name":"Late Shift"}`)
	w.do(t, abi.Rejected, "update_group", `{"group":"`+id+`","name":"Engineering"}`)
	w.do(t, abi.NotFound, "update_group", `{"group":"Night Shift","description":"x"}`)
	w.do(t, abi.Invalid, "update_group", `{"group":"`+id+`"}`)
	for _, typ := range []string{"APP_GROUP", "BUILT_IN"} {
		w.do(t, abi.Rejected, "update_group", `{"group":"`+w.groupOf(t, typ, "")+`","description":"x"}`)
	}
	w.do(t, abi.Rejected, "delete_group", `{"group":"Everyone"}`)

	gone := w.twice(t, "delete_group", `{"group":"`+id+`"}`)
	if get(t, gone.Output, "before", "profile", "name") != "Late Shift" || !strings.HasSuffix(string(gone.Output), `"after":null}`) {
		t.Errorf("%s", gone.Output)
	}
	w.do(t, abi.NotFound, "delete_group", `{"group":"Late Shift"}`)
}

func TestGroupMembers_AddedAndRemoved_ChangeOnce(t *testing.T) {
	var okta hosttest.Clock
	okta.Set(stillAt())
	w := newWorld(t, oktatest.Config{Now: okta.Now})
	const in = `{"group":"Équipe Ventes","user":"ada.lovelace@example.com"}`
	w.do(t, abi.Unchanged, "remove_group_member", in)
	for _, op := range []string{"add_group_member", "remove_group_member"} {
		effects := w.org.Effects()
		if res := w.do(t, abi.Succeeded, op, in); w.org.Effects() != effects+1 || len(res.Meta.Warnings) > 0 {
			t.Errorf("%s: %d effects, %q", op, w.org.Effects()-effects, res.Meta.Warnings)
		}
		// The list may lag behind for a while, so the change is sent again until then.
		writes := w.org.Writes()
		if res := w.do(t, abi.Succeeded, op, in); w.org.Effects() != effects+1 || w.org.Writes() != writes+1 || len(res.Meta.Warnings) != 1 {
			t.Errorf("%s immediately: %d effects of %d writes, %q", op, w.org.Effects()-effects, w.org.Writes()-writes, res.Meta.Warnings)
		}
		okta.Set(okta.Now().Add(6 * time.Minute))
		if w.do(t, abi.Unchanged, op, in); w.org.Writes() != writes+1 {
			t.Errorf("%s later: %d writes", op, w.org.Writes()-writes)
		}
	}
	for _, op := range []string{"add_group_member", "remove_group_member"} {
		w.do(t, abi.NotFound, op, `{"group":"No such group","user":"ada.lovelace@example.com"}`)
		w.do(t, abi.NotFound, op, `{"group":"Équipe Ventes","user":"nobody@example.com"}`)
		w.do(t, abi.Rejected, op, `{"group":"Everyone","user":"ada.lovelace@example.com"}`)
		w.do(t, abi.Rejected, op, `{"group":"Contractors","user":"ada.lovelace@example.com"}`)
		w.do(t, abi.Rejected, op, `{"group":"Équipe Ventes","user":"ada.lovelace"}`)
	}
}

// lagging is an org whose lists of a user's groups are those of an earlier time.
type lagging struct {
	http.Handler
	lists map[string]*httptest.ResponseRecorder
}

func (l *lagging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := l.lists[r.URL.Path]
	if list == nil {
		l.Handler.ServeHTTP(w, r)
		return
	}
	for name, values := range list.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(list.Code)
	_, _ = w.Write(list.Body.Bytes())
}

// TestGroupMembers_ListLagsBehind_AreSent: Okta's list of a user's groups does not show a recent change yet.
func TestGroupMembers_ListLagsBehind_AreSent(t *testing.T) {
	for op, before := range map[string]string{"remove_group_member": "add_group_member", "add_group_member": "remove_group_member"} {
		t.Run(op, func(t *testing.T) {
			org := oktatest.New(oktatest.Config{})
			slow := &lagging{Handler: withToken(org), lists: map[string]*httptest.ResponseRecorder{}}
			w := world{bound(t, slow, abi.Classes()...), org}
			group, user := w.groupOf(t, "OKTA_GROUP", "Engineering"), w.fill(t, "<user ada>") // a member
			in := `{"group":"` + group + `","user":"` + user + `"}`
			if before == "add_group_member" {
				w.do(t, abi.Succeeded, op, in)
			}
			path := "/api/v1/users/" + user + "/groups"
			list := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Authorization", "SSWS "+hosttest.Token)
			slow.ServeHTTP(list, r)
			w.do(t, abi.Succeeded, before, in)
			slow.lists[path] = list
			effects := org.Effects()
			res := w.do(t, abi.Succeeded, op, in)
			if member := slices.Contains(org.Members(group), user); member != (op == "add_group_member") || org.Effects() != effects+1 || len(res.Meta.Warnings) != 1 {
				t.Errorf("member %v, %d effects, %q", member, org.Effects()-effects, res.Meta.Warnings)
			}
		})
	}
}

// TestWrites_ForbiddenEndpoint_AreRejected forbids each endpoint that decides about a write.
func TestWrites_ForbiddenEndpoint_AreRejected(t *testing.T) {
	for _, c := range []struct{ op, input, endpoint string }{
		{"org_identity", `{}`, "GET /api/v1/org"},
		{"bounded_system_log_range", `{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`, "GET /api/v1/logs"},
		{"lookup_user", `{"user":"ada.lovelace@example.com"}`, "GET /api/v1/users/{id}"},
		{"list_users", `{}`, "GET /api/v1/users"},
		{"search_users", `{"search":"id pr"}`, "GET /api/v1/users"},
		{"create_user", `{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y"}}`, "POST /api/v1/users"},
		{"update_user", `{"user":"ada.lovelace@example.com","profile":{"title":"x"}}`, "POST /api/v1/users/{id}"},
		{"deactivate_user", `{"user":"ada.lovelace@example.com"}`, "POST /api/v1/users/{id}/lifecycle/deactivate"},
		{"reactivate_user", `{"user":"kofi.lindqvist4@example.com"}`, "POST /api/v1/users/{id}/lifecycle/activate"},
		{"delete_user", `{"user":"ada.lovelace@example.com"}`, "DELETE /api/v1/users/{id}"},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspend"}`, "POST /api/v1/users/{id}/lifecycle/suspend"},
		{"lookup_group", `{"group":"Engineering"}`, "GET /api/v1/groups"},
		{"list_groups", `{}`, "GET /api/v1/groups"},
		{"search_groups", `{"search":"id pr"}`, "GET /api/v1/groups"},
		{"create_group", `{"name":"x"}`, "POST /api/v1/groups"},
		{"update_group", `{"group":"Engineering","description":"x"}`, "PUT /api/v1/groups/{groupId}"},
		{"delete_group", `{"group":"Engineering"}`, "DELETE /api/v1/groups/{groupId}"},
		{"add_group_member", `{"group":"Équipe Ventes","user":"ada.lovelace@example.com"}`, "PUT /api/v1/groups/{groupId}/users/{userId}"},
		{"remove_group_member", `{"group":"Engineering","user":"ada.lovelace@example.com"}`, "DELETE /api/v1/groups/{groupId}/users/{userId}"},
	} {
		t.Run(c.op, func(t *testing.T) {
			w := newWorld(t, oktatest.Config{Forbid: []string{c.endpoint}})
			want := 1
			if strings.HasPrefix(c.endpoint, "GET ") { // a read is repeated: Okta also refuses temporarily
				want = 3
			}
			if res := w.do(t, abi.Rejected, c.op, c.input); res.Error.Code != "forbidden" || w.org.Count(c.endpoint) != want {
				t.Errorf("%+v after %d requests", res.Error, w.org.Count(c.endpoint))
			}
		})
	}
}

// TestGroupWrite_LostResponse_IsSettled is TestWrite_LostResponse_IsSettledByReadingBack for groups.
func TestGroupWrite_LostResponse_IsSettled(t *testing.T) {
	for _, op := range []struct{ name, input, method, path string }{
		{"create_group", `{"name":"Night Shift"}`, "POST", "/api/v1/groups"},
		{"update_group", `{"group":"Engineering","description":"x"}`, "PUT", "/api/v1/groups/{groupId}"},
		{"delete_group", `{"group":"Engineering"}`, "DELETE", "/api/v1/groups/{groupId}"},
		{"add_group_member", `{"group":"Équipe Ventes","user":"ada.lovelace@example.com"}`, "PUT", "/api/v1/groups/{groupId}/users/{userId}"},
		{"remove_group_member", `{"group":"Engineering","user":"ada.lovelace@example.com"}`, "DELETE", "/api/v1/groups/{groupId}/users/{userId}"},
	} {
		for kind, want := range map[oktatest.FaultKind]abi.Outcome{oktatest.ResetBefore: abi.Unavailable, oktatest.ResetAfter: abi.Succeeded} {
			t.Run(op.name+" "+string(want), func(t *testing.T) {
				t.Parallel() // most of the time is waiting
				org := oktatest.New(oktatest.Config{})
				c := bound(t, withToken(org), abi.Classes()...)
				org.Inject(oktatest.Fault{Kind: kind, Method: op.method, Path: op.path, Times: 1})
				res, _ := c.Invoke(context.Background(), op.name, json.RawMessage(op.input))
				if res.Outcome != want || !res.Meta.Reconciled || org.Count(op.method+" "+op.path) != 1 {
					t.Errorf("%s %+v, reconciled %v, want %s", res.Outcome, res.Error, res.Meta.Reconciled, want)
				}
			})
		}
	}
}
