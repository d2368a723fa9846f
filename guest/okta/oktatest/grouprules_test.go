package oktatest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

const (
	rules       = "/api/v1/groups/rules"
	engineering = "00gLFTnJJZSd570BcwkO"
	everyone    = "00gkAZ52GPvGDrxgcwkO"
	operations  = "00gywNmfSjI0s5CWcwkO" // has the role HELP_DESK_ADMIN
)

func ruleBody(name, expression, group string) string {
	quoted := strings.ReplaceAll(expression, `"`, `\"`)
	return `{"type":"group_rule","name":"` + name + `","conditions":{"expression":{"type":"urn:okta:expression:1.0","value":"` + quoted +
		`"},"people":{"users":{"exclude":[]}}},"actions":{"assignUserToGroups":{"groupIds":["` + group + `"]}}}`
}

// rule creates a rule and activates it.
func (h *harness) rule(expression, group string) string {
	h.Helper()
	r := h.post(rules, ruleBody("The rule", expression, group))
	h.want(r, 200, "")
	same(h.T, "a new rule", r.get("status").Str, "INACTIVE")
	id := r.get("id").Str
	h.want(h.post(rules+"/"+id+"/lifecycle/activate", ""), 204, "")
	return id
}

func TestGroupRule_Active_AssignsMembers(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	before := h.org.Members(engineering)
	id := h.rule(`user.department=="Legal"`, engineering)
	var want []string
	for _, u := range h.org.UserIDs() {
		user := gjson.ParseBytes(first(h.org.User(u)))
		legal := user.Get("profile.department").Str == "Legal" && user.Get("status").Str != "DEPROVISIONED"
		if legal || slices.Contains(before, u) {
			want = append(want, u)
		}
	}
	same(t, "members", h.org.Members(engineering), want)
	if len(want) == len(before) {
		t.Fatal("the rule adds no user")
	}
	// Rules also apply to new and changed users.
	mira := h.post("/api/v1/users", newUser("mira@example.com", `,"department":"Legal"`)).get("id").Str
	same(t, "a new user", slices.Contains(h.org.Members(engineering), mira), true)
	h.post("/api/v1/users/"+mira, `{"profile":{"department":"Sales"}}`)
	same(t, "a user who changed", slices.Contains(h.org.Members(engineering), mira), false)
	// A deactivated rule keeps its members.
	h.want(h.post(rules+"/"+id+"/lifecycle/deactivate", ""), 204, "")
	same(t, "after the deactivation", h.org.Members(engineering), want)
	same(t, "read", h.get(rules+"/"+id+"?expand=groupIdToGroupNameMap").get("_embedded.groupIdToGroupNameMap."+engineering).Str, "Engineering")
	h.want(h.send("DELETE", rules+"/"+id+"?removeUsers=true", ""), 202, "")
	same(t, "after removeUsers", h.org.Members(engineering), before)
	h.want(h.get(rules+"/"+id), 404, "E0000007")
}

func TestGroupRule_RemovedMember_IsExcluded(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	mira := h.post("/api/v1/users", newUser("mira@example.com", `,"department":"Legal"`)).get("id").Str
	id := h.rule(`user.department == "Legal" AND user.lastName != null`, engineering)
	member := "/api/v1/groups/" + engineering + "/users/" + mira
	before := h.org.EventCount()
	h.want(h.send("DELETE", member, ""), 204, "")
	same(t, "events", h.events(before), []string{"group.user_membership.rule.add_exclusion", "group.user_membership.remove"})
	same(t, "excluded", h.get(rules+"/"+id).strings("conditions.people.users.exclude"), []string{mira})
	h.post("/api/v1/users/"+mira, `{"profile":{"title":"x"}}`)
	same(t, "stays out", slices.Contains(h.org.Members(engineering), mira), false)
	// A rule does not apply to a member who was added by hand.
	h.want(h.send("PUT", member, ""), 204, "")
	h.want(h.send("DELETE", member, ""), 204, "")
	same(t, "excluded once", len(h.get(rules+"/"+id).strings("conditions.people.users.exclude")), 1)
}

func TestGroupRule_OfADeletedGroup_IsInvalid(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.rule(`user.department=="Legal"`, engineering)
	h.want(h.send("DELETE", "/api/v1/groups/"+engineering, ""), 204, "")
	r := h.get(rules + "/" + id)
	same(t, "status", r.get("status").Str+r.get("allGroupsValid").Raw, "INVALIDfalse")
	h.want(h.post(rules+"/"+id+"/lifecycle/activate", ""), 400, "E0000001")
	h.want(h.send("DELETE", rules+"/"+id, ""), 202, "")
}

func TestGroupRule_InvalidValue_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.rule(`user.department=="Legal"`, engineering)
	const expression = `user.department=="Sales"`
	for _, c := range []struct{ name, body string }{
		{"a name in use", ruleBody("The rule", expression, engineering)},
		{"no name", ruleBody("", expression, engineering)},
		{"a long name", ruleBody(strings.Repeat("x", 51), expression, engineering)},
		{"an unknown group", ruleBody("a", expression, "00gNone")},
		{"Everyone", ruleBody("a", expression, everyone)},
		{"a group with roles", ruleBody("a", expression, operations)},
		{"an unknown attribute", ruleBody("a", `user.shoeSize=="44"`, engineering)},
		{"an attribute of a profile", ruleBody("a", `profile.department=="Sales"`, engineering)},
		{"an operator at the end", ruleBody("a", expression+" AND", engineering)},
		{"no condition", ruleBody("a", `user.department`, engineering)},
		{"another type", strings.Replace(ruleBody("a", expression, engineering), "group_rule", "rule", 1)},
	} {
		if r := h.post(rules, c.body); r.Code != 400 || r.code() != "E0000001" {
			t.Errorf("%s: %d %.300s", c.name, r.Code, r.body)
		}
	}
	h.want(h.send("PUT", rules+"/"+id, ruleBody("b", expression, engineering)), 400, "E0000001") // the rule is active
	h.want(h.send("DELETE", rules+"/"+id, ""), 400, "E0000001")
	h.post(rules+"/"+id+"/lifecycle/deactivate", "")
	h.want(h.send("PUT", rules+"/"+id, ruleBody("b", expression, "00gBLrECxFjBwtQJcwkO")), 400, "E0000001") // another group
	r := h.send("PUT", rules+"/"+id, ruleBody("b", expression, engineering))
	h.want(r, 200, "")
	same(t, "replaced", r.get("name").Str+" "+r.get("conditions.expression.value").Str+" "+r.get("status").Str, `b `+expression+` INACTIVE`)
	h.want(h.get(rules+"/0prNone"), 404, "E0000007")
}

func TestGroupRules_Seeded_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{GroupRules: 3, Groups: 8})
	got, pages := h.pages(rules+"?limit=2", "#.id")
	same(t, "rules", len(got), 3)
	same(t, "pages", pages, 2)
	same(t, "found", len(h.get(rules+"?search=in+engin").strings("#.id")), 1)
	for _, r := range h.org.GroupRules() {
		if len(h.org.Members(gjson.GetBytes(r, "actions.assignUserToGroups.groupIds.0").Str)) == 0 {
			t.Errorf("the group of %s has no members", r)
		}
	}
}
