package oktatest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// groupID returns the id of the seeded group with a name.
func (h *harness) groupID(name string) string {
	h.Helper()
	for _, g := range h.org.Groups() {
		if gjson.GetBytes(g, "profile.name").Str == name {
			return gjson.GetBytes(g, "id").Str
		}
	}
	h.Fatalf("no group is named %s", name)
	return ""
}

// refused checks a refusal: its status, its code, the end of its summary, and that nothing was changed.
func (h *harness) refused(method, target, body string, status int, code, summary string) {
	h.Helper()
	events, effects := h.org.EventCount(), h.org.Effects()
	r := h.send(method, target, body)
	h.want(r, status, code)
	if !strings.HasSuffix(r.get("errorSummary").Str, summary) {
		h.Errorf("%s %s: summary %q, want %q at its end", method, target, r.get("errorSummary").Str, summary)
	}
	same(h.T, target+": events", h.org.EventCount(), events)
	same(h.T, target+": effects", h.org.Effects(), effects)
}

// changes checks the status of a write and its events, and that it counts as an effect if it has events.
func (h *harness) changes(method, target, body string, status int, events ...string) reply {
	h.Helper()
	count, effects := h.org.EventCount(), h.org.Effects()
	r := h.send(method, target, body)
	h.want(r, status, "")
	same(h.T, method+" "+target+": events", h.events(count), events)
	if len(events) > 0 {
		effects++
		checkTransaction(h.T, h, count, r)
	}
	same(h.T, method+" "+target+": effects", h.org.Effects(), effects)
	return r
}

func TestGroup_CreatedReplacedAndDeleted_HasEvents(t *testing.T) {
	h := newHarness(t, oktatest.Config{GroupAttributes: []string{"costCenter"}})
	const groups = "/api/v1/groups"
	r := h.changes("POST", groups, `{"profile":{"name":"Night Shift","description":"Up late","costCenter":"7"}}`, 200, "group.lifecycle.create")
	same(t, "type", r.get("type").Str, "OKTA_GROUP")
	same(t, "custom attribute", r.get("profile.costCenter").Str, "7")
	path := groups + "/" + r.get("id").Str
	same(t, "read back", h.get(path).body, r.body)
	same(t, "without description", h.changes("POST", groups, `{"profile":{"name":"Day Shift"}}`, 200, "group.lifecycle.create").get("profile.description").Raw, "null")

	for _, c := range []struct{ body, code, summary, cause string }{
		{`{"profile":{"name":"night shift"}}`, "E0000001", "name", "name: An object with this field already exists in the current organization"},
		{`{"profile":{"name":"Everyone"}}`, "E0000001", "name", "name: An object with this field already exists in the current organization"},
		{`{"profile":{"description":"nameless"}}`, "E0000001", "name", "name: The field cannot be left blank"},
		{`{"profile":{"name":"X","colour":"red"}}`, "E0000001", "profile", "Property name 'colour' is not defined in profile"},
	} {
		h.refused("POST", groups, c.body, 400, c.code, c.summary)
		same(t, c.body, h.post(groups, c.body).strings("errorCauses.#.errorSummary"), []string{c.cause})
	}
	h.refused("PUT", path, `{"profile":{"name":"Day Shift"}}`, 400, "E0000001", "name")
	h.refused("PUT", groups+"/00gnowhere", `{"profile":{"name":"x"}}`, 404, "E0000007", "00gnowhere (UserGroup)")

	h.clock.advance(time.Minute)
	r = h.changes("PUT", path, `{"profile":{"name":"Late Shift"}}`, 200, "group.profile.update")
	same(t, "omitted attributes", r.get("profile").Raw, `{"name":"Late Shift","description":null}`)
	if r.get("lastUpdated").Str <= r.get("created").Str {
		t.Error("lastUpdated did not change")
	}
	h.clock.advance(time.Minute)
	same(t, "the same again", h.changes("PUT", path, `{"profile":{"name":"Late Shift"}}`, 200).body, r.body)

	h.changes("DELETE", path, "", 204, "group.lifecycle.delete")
	h.refused("DELETE", path, "", 404, "E0000007", "(UserGroup)")
	h.want(h.get(path), 404, "E0000007")
	h.changes("POST", groups, `{"profile":{"name":"Late Shift"}}`, 200, "group.lifecycle.create")
}

func TestGroup_MalformedBody_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, body := range []string{`{"profile":`, `[]`, `{"profile":"x"}`} {
		r := send(h.org, h.org, "POST", "/api/v1/groups", body)
		h.want(r, 400, "E0000003")
	}
}

func TestGroup_NotManagedByOkta_IsNotChanged(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	user := h.withStatus("ACTIVE")
	everyone, imported := "/api/v1/groups/"+h.groupID("Everyone"), "/api/v1/groups/"+h.groupID("Contractors")
	for _, method := range []string{"PUT", "DELETE"} {
		h.refused(method, everyone+"/users/"+user, "", 501, "E0000060", "Unsupported operation.")
		h.refused(method, imported+"/users/"+user, "", 403, "E0000006", "requested action")
	}
	h.refused("PUT", everyone, `{"profile":{"name":"All"}}`, 501, "E0000060", "")
	h.refused("PUT", imported, `{"profile":{"name":"All"}}`, 403, "E0000006", "")
	h.refused("DELETE", everyone, "", 501, "E0000060", "")
	h.refused("POST", "/api/v1/users", `{"groupIds":["`+h.groupID("Contractors")+`"],`+newUser("c@example.com", "")[1:], 403, "E0000006", "")
	h.changes("DELETE", imported, "", 204, "group.lifecycle.delete")
}

func TestMembers_AddedAndRemoved_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	group := h.groupID("Engineering")
	path := "/api/v1/groups/" + group
	var user string
	for _, id := range h.org.UserIDs() {
		if h.status(id) == "ACTIVE" && !slices.Contains(h.org.Members(group), id) {
			user = id
		}
	}
	joined := func() bool {
		listed := slices.Contains(h.get(path+"/users").strings("#.id"), user)
		same(t, "Members", slices.Contains(h.org.Members(group), user), listed)
		same(t, "the user's own list", slices.Contains(h.get("/api/v1/users/"+user+"/groups").strings("#.id"), group), listed)
		return listed
	}
	member := path + "/users/" + user
	before := h.get(path).get("lastMembershipUpdated").Str
	h.changes("PUT", member, "", 204, "group.user_membership.add")
	same(t, "joined", joined(), true)
	if h.get(path).get("lastMembershipUpdated").Str <= before {
		t.Error("lastMembershipUpdated did not change")
	}
	h.changes("PUT", member, "", 204)
	h.changes("DELETE", member, "", 204, "group.user_membership.remove")
	same(t, "joined", joined(), false)
	h.changes("DELETE", member, "", 204)

	h.refused("PUT", "/api/v1/groups/00gnowhere/users/"+user, "", 404, "E0000007", "00gnowhere (UserGroup)")
	h.refused("DELETE", "/api/v1/groups/00gnowhere/users/"+user, "", 404, "E0000007", "00gnowhere (UserGroup)")
	h.refused("PUT", path+"/users/nobody", "", 404, "E0000007", "nobody (User)")
	h.refused("DELETE", path+"/users/nobody", "", 404, "E0000007", "nobody (User)")
	h.refused("PUT", path+"/users/ada.lovelace@example.com", "", 404, "E0000007", "(User)")
	h.refused("PUT", path+"/users/"+h.withStatus("DEPROVISIONED"), "", 404, "E0000007", "(User)")
}

func TestMembership_DeactivatedUser_IsKept(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	group := h.groupID("IT Operations")
	user := h.org.Members(group)[0]
	groups := func() []string { return h.get("/api/v1/users/" + user + "/groups").strings("#.id") }
	h.want(h.post("/api/v1/users/"+user+"/lifecycle/deactivate", ""), 200, "")
	same(t, "still theirs", slices.Contains(groups(), group), true)
	same(t, "listed among the members", slices.Contains(h.org.Members(group), user), false)

	same(t, "roles of the group", len(h.get("/api/v1/users/"+user+"/roles").strings("#.id")), 1)
	h.want(h.send("DELETE", "/api/v1/groups/"+group, ""), 204, "")
	same(t, "still theirs", slices.Contains(groups(), group), false)
	same(t, "roles of the group", len(h.get("/api/v1/users/"+user+"/roles").strings("#.id")), 0)
	h.want(h.get("/api/v1/groups/"+group+"/roles"), 404, "E0000007")
}

func TestGroups_WithStats_HaveCounts(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.get("/api/v1/groups?expand=stats&limit=3")
	for i, id := range r.strings("#.id") {
		stats := r.get("@this").Array()[i].Get("_embedded.stats")
		same(t, id, stats.Get("usersCount").Int(), len(h.org.Members(id)))
		same(t, id, stats.Get("hasAdminPrivlege").Bool(), id == h.groupID("IT Operations"))
	}
	if next := h.get(r.next()); !next.get("0._embedded.stats").Exists() {
		t.Error("the next page has no stats")
	}
	same(t, "without expand", h.get("/api/v1/groups").get("0._embedded").Exists(), false)
}

func TestListGroups_GroupDeletedBetweenPages_SkipsNone(t *testing.T) {
	h := newHarness(t, oktatest.Config{Groups: 9})
	first := h.get("/api/v1/groups?limit=3")
	h.want(h.send("DELETE", "/api/v1/groups/"+first.strings("#.id")[1], ""), 204, "")
	same(t, "the next page", h.get(first.next()).strings("#.profile.name"), "[Équipe Ventes Contractors Team 5]")
}

func TestGroupSearch_AfterAChange_LagsBehind(t *testing.T) {
	h := newHarness(t, oktatest.Config{SearchDelay: time.Second})
	search := func() []string {
		return h.get("/api/v1/groups?search=" + url.QueryEscape(`profile.name sw "zeta"`)).strings("#.profile.name")
	}
	h.clock.advance(time.Minute)
	path := "/api/v1/groups/" + h.post("/api/v1/groups", `{"profile":{"name":"Zeta"}}`).get("id").Str
	same(t, "right after the creation", len(search()), 0)
	same(t, "q", h.get("/api/v1/groups?q=zeta").strings("#.profile.name"), "[Zeta]")
	h.clock.advance(time.Second)
	same(t, "a second after the creation", search(), "[Zeta]")
	h.send("PUT", path, `{"profile":{"name":"Zeta Prime"}}`)
	same(t, "right after the change", search(), "[Zeta]")
	h.clock.advance(time.Second)
	same(t, "a second after the change", search(), "[Zeta Prime]")
	h.send("DELETE", path, "")
	same(t, "right after the deletion", search(), "[Zeta Prime]")
	same(t, "read by id", h.get(path).Code, 404)
	h.clock.advance(time.Second)
	same(t, "a second after the deletion", len(search()), 0)
}

func TestSearch_OperatorCo_IsLimited(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	same(t, "co on a name", h.get("/api/v1/groups?search="+url.QueryEscape(`profile.name co "gineer"`)).strings("#.profile.name"), "[Engineering]")
	h.want(h.get("/api/v1/groups?search="+url.QueryEscape(`type co "OKTA"`)), 400, "E0000031")
	h.want(h.get("/api/v1/groups?search="+url.QueryEscape(`id pr`)+"&sortBy=id&sortOrder=up"), 400, "E0000001")
	h.want(h.get("/api/v1/groups?after=nonsense"), 400, "E0000001")
	h.want(h.get("/api/v1/users?search="+url.QueryEscape(`profile.department co "ale"`)), 400, "E0000031")
	same(t, "filter respects case", len(h.get("/api/v1/users?filter="+url.QueryEscape(`profile.login eq "ADA.Lovelace@example.com"`)).strings("#.id")), 0)
}

func TestApplicationGroups_OfAnInactiveApplication_AreRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	var lunch string
	for _, a := range h.org.Applications() {
		if gjson.GetBytes(a, "status").Str == "INACTIVE" {
			lunch = "/api/v1/apps/" + gjson.GetBytes(a, "id").Str
		}
	}
	h.want(h.send("PUT", lunch+"/groups/"+engineering, `{}`), 404, "E0000007")
	h.want(h.send("DELETE", lunch+"/groups/"+engineering, ""), 404, "E0000007")
}

func TestWrites_AgainstOktasDocument_AreRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	app := "/api/v1/apps/" + gjson.GetBytes(h.org.Applications()[0], "id").Str
	ada := h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	h.want(h.post("/api/v1/users", newUser("løve.åse@example.com", "")), 200, "")
	for _, c := range []struct{ method, target, body string }{
		{"POST", "/api/v1/groups", `{"profile":{"name":5}}`},
		{"PUT", "/api/v1/groups/" + engineering, `{"profile":{"name":"x","description":{}}}`},
		{"PUT", app + "/groups/" + engineering, `{"priority":"1"}`},
		{"PUT", app + "/groups/" + engineering, `{"priority":101}`},
		{"PUT", app + "/groups/" + engineering, `{"priority":1.5}`},
		{"PUT", app + "/groups/" + engineering, `{"profile":"x"}`},
		{"POST", app + "/users", `{"scope":"USER"}`},
		{"POST", app + "/users", `{"id":"` + ada + `","scope":"EVERYBODY"}`},
		{"POST", "/api/v1/users", newUser("LØVE.Ase@example.com", "")}, // differs by case and a diacritical mark
		{"POST", "/api/v1/users/" + ada + "/lifecycle/reset_password", ""},
	} {
		before := h.org.Effects()
		if r := h.send(c.method, c.target, c.body); r.Code != 400 || h.org.Effects() != before {
			t.Errorf("%s %s %s: %d %.200s", c.method, c.target, c.body, r.Code, r.body)
		}
	}
}
