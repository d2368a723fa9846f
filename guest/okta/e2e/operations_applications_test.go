package e2e_test

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestApplications_InASimulatedOrg_AreReadCompletely(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	all := listed(t, w.do(t, abi.Succeeded, "list_applications", `{"page_size":2}`))
	if len(all) != len(w.org.Applications()) {
		t.Fatalf("%d applications of %d", len(all), len(w.org.Applications()))
	}
	app := get(t, all[0], "id")
	if res := w.do(t, abi.Succeeded, "lookup_application", `{"application":"`+app+`"}`); get(t, res.Output, "label") != get(t, all[0], "label") {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.NotFound, "lookup_application", `{"application":"0oanosuchapp00000000"}`)
	w.do(t, abi.NotFound, "list_application_users", `{"application":"0oanosuchapp00000000"}`)
	w.do(t, abi.Rejected, "list_applications", `{"filter":"nonsense"}`)

	// Okta's next link loses expand; the cursor keeps it.
	users := listed(t, w.do(t, abi.Succeeded, "list_application_users", `{"application":"`+app+`","expand":"user","page_size":2}`))
	if len(users) < 5 {
		t.Fatalf("%d users", len(users))
	}
	for _, u := range users {
		if get(t, u, "_embedded", "user", "id") != get(t, u, "id") {
			t.Errorf("%s", u)
		}
	}
	var group string
	for _, u := range users {
		if get(t, u, "scope") == "GROUP" {
			group = get(t, u, "id")
		}
	}
	if group == "" {
		t.Fatal("no user has the application through a group")
	}
	if res := w.do(t, abi.Rejected, "unassign_application_user", `{"application":"`+app+`","user":"`+group+`"}`); res.Error.Code != "assigned_through_group" || !strings.Contains(res.Error.Message, "Engineering") {
		t.Errorf("%+v", res.Error)
	}
}

func TestApplicationAssignments_MadeAndRemoved_KeepOtherValues(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	app := get(t, w.org.Applications()[2], "id")
	ada := `{"application":"` + app + `","user":"ada.lovelace@example.com"`
	if res := w.twice(t, "assign_application_user", ada+`}`); !strings.Contains(string(res.Output), `"before":null`) || get(t, res.Output, "after", "scope") != "USER" {
		t.Errorf("%s", res.Output)
	}
	w.twice(t, "assign_application_user", ada+`,"profile":{"role":"editor","seat":"gold"}}`)
	// Okta replaces the profile, so attributes that are not named are written too, and null clears one.
	if res := w.twice(t, "assign_application_user", ada+`,"profile":{"role":"reader"}}`); get(t, res.Output, "after", "profile", "role") != "reader" || get(t, res.Output, "after", "profile", "seat") != "gold" {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.Unchanged, "assign_application_user", ada+`,"profile":{"role":"reader","floor":null}}`)
	if res := w.twice(t, "assign_application_user", ada+`,"profile":{"seat":null}}`); get(t, res.Output, "after", "profile", "role") != "reader" || get(t, res.Output, "after", "profile", "seat") == "gold" || len(res.Meta.Warnings) > 0 {
		t.Errorf("%s %q", res.Output, res.Meta.Warnings)
	}
	w.do(t, abi.NotFound, "assign_application_user", `{"application":"0oanosuchapp00000000","user":"ada.lovelace@example.com"}`)
	w.do(t, abi.NotFound, "assign_application_user", `{"application":"`+app+`","user":"nobody@example.com"}`)
	w.twice(t, "unassign_application_user", ada+`}`)
	w.do(t, abi.NotFound, "unassign_application_user", `{"application":"0oanosuchapp00000000","user":"ada.lovelace@example.com"}`)

	var group string
	for _, g := range w.org.Groups() {
		if get(t, g, "profile", "name") == "Engineering" {
			group = get(t, g, "id")
		}
	}
	assignment := `{"application":"` + app + `","group":"` + group + `"`
	w.twice(t, "assign_application_group", assignment+`,"priority":3,"profile":{"role":"reader"}}`)
	// Another priority keeps the profile, which an empty body would clear.
	if res := w.twice(t, "assign_application_group", assignment+`,"priority":5}`); get(t, res.Output, "before", "priority") != "3" || get(t, res.Output, "after", "profile", "role") != "reader" {
		t.Errorf("%s", res.Output)
	}
	// Another profile keeps the priority and the other attributes.
	if res := w.twice(t, "assign_application_group", assignment+`,"profile":{"seat":"gold"}}`); get(t, res.Output, "after", "priority") != "5" || get(t, res.Output, "after", "profile", "role") != "reader" ||
		get(t, res.Output, "after", "profile", "seat") != "gold" || len(res.Meta.Warnings) > 0 {
		t.Errorf("%s %q", res.Output, res.Meta.Warnings)
	}
	w.do(t, abi.NotFound, "assign_application_group", `{"application":"`+app+`","group":"00gnosuchgroup000000"}`)
	w.twice(t, "unassign_application_group", assignment+`}`)
	w.do(t, abi.NotFound, "unassign_application_group", `{"application":"0oanosuchapp00000000","group":"`+group+`"}`)
	w.do(t, abi.NotFound, "unassign_application_group", `{"application":"`+app+`","group":"00gnosuchgroup000000"}`) // differs from not assigned
	w.do(t, abi.NotFound, "unassign_application_user", `{"application":"`+app+`","user":"00unosuchuser0000000"}`)
	w.twice(t, "assign_application_group", `{"application":"`+app+`","group":"Engineering"}`)
	w.do(t, abi.NotFound, "assign_application_group", `{"application":"`+app+`","group":"No such group"}`)

	// A user who also has it through a group keeps it.
	member := w.org.Members(group)[0]
	both := `{"application":"` + app + `","user":"` + member + `"}`
	w.do(t, abi.Unchanged, "assign_application_user", both) // the assignment through the group is kept
	w.do(t, abi.Succeeded, "assign_application_user", strings.Replace(both, "}", `,"scope":"USER"}`, 1))
	res := w.do(t, abi.Succeeded, "unassign_application_user", both)
	if get(t, res.Output, "after", "scope") != "GROUP" || len(res.Meta.Warnings) != 1 || !strings.Contains(res.Meta.Warnings[0], `group "Engineering" (`+group+`)`) {
		t.Errorf("%s %q", res.Output, res.Meta.Warnings)
	}
	w.do(t, abi.Invalid, "assign_application_group", assignment+`,"priority":-1}`)
}

func TestPolicies_InASimulatedOrg_AreReadAndChanged(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	res := w.do(t, abi.Succeeded, "list_policies", `{}`)
	if len(listed(t, res)) != len(w.org.Policies()) {
		t.Fatalf("%d policies of %d: %s", len(listed(t, res)), len(w.org.Policies()), res.Output)
	}
	if get(t, res.Output, "skipped") == "" || len(res.Meta.Warnings) == 0 {
		t.Errorf("types that the org does not have are not named: %.300s %v", res.Output, res.Meta.Warnings)
	}
	password := listed(t, w.do(t, abi.Succeeded, "list_policies", `{"type":"PASSWORD"}`))
	if len(password) != 1 {
		t.Fatalf("%d password policies", len(password))
	}
	policy := `"policy":"` + get(t, password[0], "id") + `"`
	if res := w.do(t, abi.Succeeded, "get_policy", `{`+policy+`,"include_rules":true}`); !strings.Contains(get(t, res.Output, "rules"), "Default Rule") {
		t.Errorf("%s", res.Output)
	}
	w.do(t, abi.NotFound, "get_policy", `{"policy":"00pnosuchpolicy00000"}`)
	w.twice(t, "update_policy", `{`+policy+`,"patch":{"settings":{"password":{"complexity":{"minLength":14}}}}}`)
	after := w.do(t, abi.Succeeded, "get_policy", `{`+policy+`}`)
	if get(t, after.Output, "settings", "password", "complexity", "minLength") != "14" || get(t, after.Output, "settings", "password", "age", "historyCount") != "4" {
		t.Errorf("the rest of the policy changed: %s", after.Output)
	}
	w.do(t, abi.Invalid, "update_policy", `{`+policy+`,"patch":{"id":"x"}}`)
	w.do(t, abi.NotFound, "update_policy", `{"policy":"00pnosuchpolicy00000","patch":{"description":"x"}}`)
	w.do(t, abi.Rejected, "update_policy", `{`+policy+`,"patch":{"name":"Mine"}}`)
}

func TestZones_InASimulatedOrg_AreReadAndChanged(t *testing.T) {
	w := newWorld(t, oktatest.Config{})
	all := listed(t, w.do(t, abi.Succeeded, "list_zones", `{}`))
	if len(all) != len(w.org.Zones()) {
		t.Fatalf("%d zones", len(all))
	}
	ids := map[string]string{}
	for _, z := range all {
		ids[get(t, z, "name")] = get(t, z, "id")
	}
	if n := len(listed(t, w.do(t, abi.Succeeded, "list_zones", `{"filter":"usage eq \"BLOCKLIST\""}`))); n != 2 {
		t.Errorf("%d blocklists", n)
	}
	w.do(t, abi.NotFound, "get_zone", `{"zone":"nzonosuchzone0000000"}`)
	blocked := `{"zone":"` + ids["BlockedIpZone"] + `"`
	// Okta stores a single address as a range; adding it again is not a change.
	w.twice(t, "update_zone", blocked+`,"add_gateways":["192.0.2.7","203.0.113.0/24"]}`)
	if res := w.do(t, abi.Succeeded, "get_zone", blocked+`}`); !strings.Contains(get(t, res.Output, "gateways"), "192.0.2.7-192.0.2.7") {
		t.Errorf("%s", res.Output)
	}
	w.twice(t, "update_zone", blocked+`,"remove_gateways":["192.0.2.7"]}`)
	w.twice(t, "update_zone", `{"zone":"`+ids["DefaultExemptIpZone"]+`","add_gateways":["198.51.100.7"]}`)
	w.twice(t, "update_zone", `{"zone":"`+ids["Offices"]+`","patch":{"name":"Offices and homes"}}`)
	effects := w.org.Effects()
	for _, input := range []string{`,"add_gateways":["300.1.2.3"]}`, `,"add_gateways":["10.0.0.0/40"]}`, `,"add_gateways":["10.0.0.9-10.0.0.1"]}`, `}`} {
		w.do(t, abi.Invalid, "update_zone", blocked+input)
	}
	w.do(t, abi.Rejected, "update_zone", `{"zone":"`+ids["Anonymizers"]+`","add_gateways":["192.0.2.7"]}`)
	// A block for all addresses, or an exemption of all, is a mistake unless it is confirmed.
	for _, c := range []struct{ zone, change, code string }{
		{"BlockedIpZone", `"add_gateways":["0.0.0.0/0"]`, "locks_out"},
		{"Anonymizers", `"patch":{"proxyType":"Any"}`, "locks_out"},
		{"Anonymizers", `"patch":{"proxyType":null,"locations":[{"country":"US"}]}`, "locks_out"},
		{"Anonymizers", `"patch":{"proxyType":null}`, "locks_out"},
		{"DefaultExemptIpZone", `"add_gateways":["0.0.0.0/0"]`, "exempts"},
	} {
		if res := w.do(t, abi.Rejected, "update_zone", `{"zone":"`+ids[c.zone]+`",`+c.change+`}`); res.Error.Code != c.code || res.Error.Retryable {
			t.Errorf("%s: %+v", c.zone, res.Error)
		}
	}
	w.do(t, abi.NotFound, "update_zone", `{"zone":"nzonosuchzone0000000","add_gateways":["192.0.2.7"]}`)
	if w.org.Effects() != effects {
		t.Error("something changed")
	}
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"`+ids["Anonymizers"]+`","patch":{"locations":[{"country":"US"}]}}`) // users of Tor there
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"`+ids["Anonymizers"]+`","patch":{"proxyType":"Any"},"allow_wide":true}`)
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"`+ids["Anonymizers"]+`","patch":{"name":"Proxies"}}`) // a rename keeps the wide block
}
