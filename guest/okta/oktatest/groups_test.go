package oktatest_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestGroups_EachQuery_FindsTheRightOnes(t *testing.T) {
	h := newHarness(t, oktatest.Config{Groups: 9})
	var want []string
	for _, g := range h.org.Groups() {
		want = append(want, gjson.GetBytes(g, "id").Str)
	}
	got, pages := h.pages("/api/v1/groups?limit=4", "#.id")
	same(t, "groups", got, want)
	same(t, "pages", pages, 3)
	for _, c := range []struct{ query, want string }{
		{"q=eng", "[Engineering]"},
		{"q=ÉQUIPE", "[Équipe Ventes]"},
		{"filter=" + url.QueryEscape(`type eq "BUILT_IN"`), "[Everyone]"},
		{"search=" + url.QueryEscape(`profile.name eq "engineering"`), "[Engineering]"},
		{"search=" + url.QueryEscape(`type eq "APP_GROUP"`), "[Contractors]"},
		{"search=" + url.QueryEscape(`profile.name sw "team"`) + "&sortBy=profile.name&sortOrder=desc", "[Team 8 Team 7 Team 6 Team 5]"},
	} {
		r := h.get("/api/v1/groups?" + c.query)
		same(t, c.query, r.strings("#.profile.name"), c.want)
		if c.query[0] == 'q' && r.Header().Get("Link") != "" {
			t.Errorf("%s: a link on a single page", c.query)
		}
	}
	h.want(h.get("/api/v1/groups?filter="+url.QueryEscape(`profile.name eq "x"`)), 400, "E0000031")
	h.want(h.get("/api/v1/groups?search=x&filter=y"), 400, "E0000033")
	h.want(h.get("/api/v1/groups/"+want[0]), 200, "")
	h.want(h.get("/api/v1/groups/00gnowhere"), 404, "E0000007")
}

func TestMembership_OfUsersAndGroups_Agrees(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 30})
	var live []string
	for _, id := range h.org.UserIDs() {
		if h.status(id) != "DEPROVISIONED" {
			live = append(live, id)
		}
	}
	ids := h.get("/api/v1/groups").strings("#.id")
	everyone, _ := h.pages("/api/v1/groups/"+ids[0]+"/users?limit=7", "#.id")
	same(t, "Everyone", everyone, live)
	for _, group := range ids {
		members, _ := h.pages("/api/v1/groups/"+group+"/users?limit=2", "#.id")
		for _, id := range members {
			if !slices.Contains(h.get("/api/v1/users/"+id+"/groups").strings("#.id"), group) {
				t.Errorf("%s is a member of %s, but does not list it", id, group)
			}
		}
	}
	h.want(h.get("/api/v1/groups/00gnowhere/users"), 404, "E0000007")
	h.want(h.get("/api/v1/users/nobody/groups"), 404, "E0000007")
}

func TestDeleteUser_Member_LeavesTheGroups(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	group := h.get("/api/v1/groups").strings("#.id")[2]
	id := h.post("/api/v1/users", `{"groupIds":["`+group+`"],`+newUser("m@example.com", "")[1:]).get("id").Str
	members := func() []string { return h.get("/api/v1/groups/" + group + "/users").strings("#.id") }
	if !slices.Contains(members(), id) {
		t.Fatal("not a member after the creation")
	}
	h.send("DELETE", "/api/v1/users/"+id, "")
	h.send("DELETE", "/api/v1/users/"+id, "")
	if slices.Contains(members(), id) {
		t.Error("still a member after the deletion")
	}
}
