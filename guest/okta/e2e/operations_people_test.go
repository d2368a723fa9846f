package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// ids returns the ids of a list's records, sorted.
func (w world) ids(t *testing.T, op, input string) (all []string) {
	t.Helper()
	for _, r := range listed(t, w.do(t, abi.Succeeded, op, input)) {
		all = append(all, get(t, r, "id"))
	}
	slices.Sort(all)
	return all
}

// TestPeople_OverPages_AgreeWithTheOrg compares lists of people with what the org has, in pages of two.
func TestPeople_OverPages_AgreeWithTheOrg(t *testing.T) {
	w := newWorld(t, oktatest.Config{MaxPageSize: 2})
	users := w.org.UserIDs()
	w.do(t, abi.Succeeded, "assign_role", `{"user":"`+users[7]+`","type":"APP_ADMIN"}`)
	var admins []string
	groupsOf := map[string][]string{}
	for _, u := range users {
		if len(w.org.AssignedRoles(u)) > 0 {
			admins = append(admins, u)
		}
	}
	slices.Sort(admins)
	if got := w.ids(t, "list_administrators", `{}`); len(admins) < 3 || !slices.Equal(got, admins) {
		t.Errorf("administrators %q, want %q", got, admins)
	}
	for _, g := range w.org.Groups() {
		id := get(t, g, "id")
		want := slices.Sorted(slices.Values(w.org.Members(id)))
		for _, u := range want {
			groupsOf[u] = append(groupsOf[u], id)
		}
		if got := w.ids(t, "list_group_members", `{"group":"`+id+`"}`); !slices.Equal(got, want) {
			t.Errorf("members of %s %q, want %q", id, got, want)
		}
	}
	for u, want := range groupsOf {
		slices.Sort(want)
		if got := w.ids(t, "list_user_groups", `{"user":"`+u+`"}`); !slices.Equal(got, want) {
			t.Errorf("groups of %s %q, want %q", u, got, want)
		}
	}
	if got := w.ids(t, "list_resource_sets", `{}`); len(got) != 2 {
		t.Errorf("resource sets %q", got)
	}
}

// TestApplications_OfUsersAndGroups_AgreeWithTheirAssignments compares both directions.
func TestApplications_OfUsersAndGroups_AgreeWithTheirAssignments(t *testing.T) {
	w := newWorld(t, oktatest.Config{MaxPageSize: 2})
	app := func(i int) string { return get(t, w.org.Applications()[i], "id") }
	for _, group := range []string{"IT Operations", "Équipe Ventes", "Contractors"} {
		w.do(t, abi.Succeeded, "assign_application_group", `{"application":"`+app(0)+`","group":"`+group+`"}`)
	}
	w.do(t, abi.Succeeded, "assign_application_user", `{"application":"`+app(2)+`",`+ada+`}`)
	groups := listed(t, w.do(t, abi.Succeeded, "list_application_groups", `{"application":"`+app(0)+`","expand":"group"}`))
	var names []string
	for _, g := range groups { // also those on later pages, whose links lack the expand
		names = append(names, get(t, g, "_embedded", "group", "profile", "name"))
	}
	slices.Sort(names)
	if want := []string{"Contractors", "Engineering", "IT Operations", "Équipe Ventes"}; !slices.Equal(names, want) {
		t.Errorf("groups %q, want %q", names, want)
	}
	scopes := map[string]string{}
	for _, a := range listed(t, w.do(t, abi.Succeeded, "list_user_applications", `{`+ada+`}`)) {
		scopes[get(t, a, "id")] = get(t, a, "_embedded", "user", "scope")
	}
	if len(scopes) != 2 || scopes[app(0)] != "USER" || scopes[app(2)] != "USER" {
		t.Errorf("applications %v", scopes)
	}
	for _, a := range w.org.Applications() {
		for _, u := range listed(t, w.do(t, abi.Succeeded, "list_application_users", `{"application":"`+get(t, a, "id")+`"}`)) {
			if id := get(t, u, "id"); !slices.Contains(w.ids(t, "list_user_applications", `{"user":"`+id+`"}`), get(t, a, "id")) {
				t.Errorf("%s has %s, which is not among the user's applications", id, get(t, a, "id"))
			}
		}
	}
}

// TestRoleTargets_OfRevokedRole_AreGone: a later assignment has the same id, and no targets.
func TestRoleTargets_OfRevokedRole_AreGone(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	const role = `{"group":"IT Operations","role":"HELP_DESK_ADMIN"}`
	if got := w.ids(t, "list_role_targets", role); len(got) != 2 {
		t.Errorf("targets %q", got)
	}
	for _, op := range []string{"revoke_role", "assign_role"} {
		w.do(t, abi.Succeeded, op, `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`)
	}
	res := w.do(t, abi.Succeeded, "list_role_targets", role)
	if n := len(listed(t, res)); n != 0 || !slices.Contains(res.Meta.Warnings, "the role has no targets: it is for all groups") {
		t.Errorf("%d targets, warnings %q", n, res.Meta.Warnings)
	}
}

func TestUserSchema_OfAttributes_HasBaseAndCustom(t *testing.T) {
	w := newWorld(t, oktatest.Config{ProfileAttributes: []string{"badge", "level:integer", "site:Oslo|Lyon"}})
	res := w.do(t, abi.Succeeded, "get_user_schema", `{"type":"`+w.org.UserTypes()[1]+`"}`)
	var schema struct {
		Name        string
		Definitions map[string]struct {
			Properties map[string]struct {
				Type string
				Enum []string
			}
		}
	}
	if err := json.Unmarshal(res.Output, &schema); err != nil {
		t.Fatal(err)
	}
	custom, base := schema.Definitions["custom"].Properties, schema.Definitions["base"].Properties
	if schema.Name != "contractor" || len(custom) != 3 || custom["level"].Type != "integer" || len(custom["site"].Enum) != 2 || base["login"].Type != "string" {
		t.Errorf("%.500s", res.Output)
	}
}
