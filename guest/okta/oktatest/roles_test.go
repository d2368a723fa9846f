package oktatest_test

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestRoles_OfEachPrincipal_AreAssignedAndRevoked(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	ada := "/api/v1/users/" + h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	group := "/api/v1/groups/" + gjson.GetBytes(h.org.Groups()[4], "id").Str // Ada is not in it
	client := "/oauth2/v1/clients/" + gjson.GetBytes(h.org.Clients()[1], "client_id").Str
	for path, c := range map[string]struct{ kind, event, repeated string }{
		ada:    {"USER", "user.account.privilege", "E0000090"},
		group:  {"GROUP", "group.privilege", "E0000263"},
		client: {"CLIENT", "app.oauth2.client.privilege", "E0000263"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			roles := path + "/roles"
			had := len(h.get(roles).strings("#.id"))
			r := h.post(roles, `{"type":"APP_ADMIN"}`)
			h.want(r, 201, "")
			same(t, "id", r.get("id").Str, "IFIFAX2BIRGUSTQ")
			same(t, "assignmentType", r.get("assignmentType").Str, c.kind)
			same(t, "event", h.events(h.org.EventCount() - 1)[0], c.event+".grant")
			checkTransaction(t, h, h.org.EventCount()-1, r)
			effects := h.org.Effects()
			h.want(h.post(roles, `{"type":"APP_ADMIN"}`), 409, c.repeated)
			same(t, "read", h.get(roles+"/IFIFAX2BIRGUSTQ").body, r.body)
			same(t, "listed", len(h.get(roles).strings("#.id")), had+1)

			h.want(h.send("DELETE", roles+"/IFIFAX2BIRGUSTQ", ""), 204, "")
			same(t, "event", h.events(h.org.EventCount() - 1)[0], c.event+".revoke")
			r = h.send("DELETE", roles+"/IFIFAX2BIRGUSTQ", "")
			h.want(r, 404, "E0000007")
			if !strings.HasSuffix(r.get("errorSummary").Str, "(RoleAssignment)") {
				t.Errorf("summary %q does not name the type", r.get("errorSummary").Str)
			}
			h.want(h.get(roles+"/IFIFAX2BIRGUSTQ"), 404, "E0000007")
			same(t, "effects", h.org.Effects(), effects+1)
			same(t, "id after assigning again", h.post(roles, `{"type":"APP_ADMIN"}`).get("id").Str, "IFIFAX2BIRGUSTQ")
		})
	}
}

func TestRoles_InvalidRequest_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const roles = "/api/v1/users/ada.lovelace@example.com/roles"
	h.want(h.post(roles, `{"type":"EMPEROR"}`), 400, "E0000001")
	h.want(h.post(roles, `{}`), 400, "E0000001")
	h.want(h.post(roles, `nonsense`), 400, "E0000003")
	h.want(h.post(roles+"?disableNotifications=perhaps", `{"type":"APP_ADMIN"}`), 400, "E0000001")
	h.want(h.post(roles+"?disableNotifications=true", `{"type":"APP_ADMIN"}`), 201, "")
	h.want(h.get("/api/v1/users/nobody/roles"), 404, "E0000007")
	h.want(h.get("/api/v1/groups/nowhere/roles"), 404, "E0000007")
	h.want(h.get("/oauth2/v1/clients/nothing/roles"), 404, "E0000007")
	for path, kind := range map[string]string{
		"/api/v1/users/nobody/roles/IFIFAX2BIRGUSTQ":         "User",
		"/api/v1/groups/nowhere/roles/IFIFAX2BIRGUSTQ":       "UserGroup",
		"/oauth2/v1/clients/nothing/roles/IFIFAX2BIRGUSTQ":   "PublicClientApp",
		"/api/v1/users/alan.turing@example.com/roles/IFIFAX": "RoleAssignment",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			r := h.send(method, path, "")
			h.want(r, 404, "E0000007")
			if !strings.HasSuffix(r.get("errorSummary").Str, "("+kind+")") {
				t.Errorf("%s %s: %s", method, path, r.get("errorSummary").Str)
			}
		}
	}
	same(t, "effects", h.org.Effects(), 1)
}

func TestCustomRole_WithResourceSet_IsAssigned(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const roles = "/api/v1/users/ada.lovelace@example.com/roles"
	custom, sets := h.org.CustomRoles()
	body := `{"type":"CUSTOM","role":"` + custom[0] + `","resource-set":"` + sets[0] + `"}`
	r := h.post(roles, body)
	h.want(r, 201, "")
	same(t, "role", r.get("role").Str, custom[0])
	same(t, "resource-set", r.get("resource-set").Str, sets[0])
	if !strings.HasPrefix(r.get("id").Str, "irb") {
		t.Errorf("id %q", r.get("id").Str)
	}
	h.want(h.post(roles, body), 409, "E0000090")
	h.want(h.post(roles, strings.Replace(body, sets[0], sets[1], 1)), 201, "")
	h.want(h.post(roles, strings.Replace(body, custom[0], "cr0nothing", 1)), 404, "E0000007")
	h.want(h.post(roles, strings.Replace(body, sets[0], "iamnothing", 1)), 404, "E0000007")
	h.want(h.post(roles, `{"type":"CUSTOM"}`), 400, "E0000001")
	since := h.org.EventCount()
	h.want(h.send("DELETE", roles+"/"+r.get("id").Str, ""), 204, "")
	same(t, "events, with another role left", h.events(since), "[iam.resourceset.bindings.delete user.account.privilege.grant]")
	same(t, "assigned roles", len(h.org.AssignedRoles(h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str)), 1)
}

func TestRevokeRole_DirectAndThroughAGroup_RevokesTheDirectOne(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	group := gjson.GetBytes(h.org.Groups()[1], "id").Str
	roles := "/api/v1/users/" + h.get("/api/v1/groups/" + group + "/users").strings("#.id")[0] + "/roles"
	r := h.post(roles, `{"type":"HELP_DESK_ADMIN"}`)
	h.want(r, 201, "")
	assignment := roles + "/" + r.get("id").Str
	same(t, "assignments of one id", h.get(roles).strings(`#(type=="HELP_DESK_ADMIN")#.assignmentType`), "[USER GROUP]")
	same(t, "the direct one", h.get(assignment).get("assignmentType").Str, "USER")
	h.want(h.send("DELETE", assignment, ""), 204, "")
	same(t, "event", h.events(h.org.EventCount()-1), "[user.account.privilege.grant]")
	same(t, "what is left", h.get(assignment).get("assignmentType").Str, "GROUP")
	h.want(h.send("DELETE", assignment, ""), 404, "E0000007")
}

func TestAssignRole_ToEveryone_IsRefused(t *testing.T) { // all users would have it
	h := newHarness(t, oktatest.Config{})
	h.want(h.post("/api/v1/groups/"+gjson.GetBytes(h.org.Groups()[0], "id").Str+"/roles", `{"type":"READ_ONLY_ADMIN"}`), 400, "E0000211")
	same(t, "roles", len(h.get("/api/v1/users/ada.lovelace@example.com/roles").strings("#.assignmentType")), 0)
}

func TestAssignRole_ConcurrentChange_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	h.org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: 409, Method: "POST", Times: 1})
	const roles = "/api/v1/users/ada.lovelace@example.com/roles"
	h.want(h.post(roles, `{"type":"APP_ADMIN"}`), 409, "E0000268")
	h.want(h.post(roles, `{"type":"APP_ADMIN"}`), 201, "")
}

func TestCustomRoles_Listed_HaveNextInTheBody(t *testing.T) {
	h := newHarness(t, oktatest.Config{CustomRoles: 5, MaxPageSize: 2, PublicURL: "https://simulated.okta.com"})
	var ids []string
	next, pages := "/api/v1/iam/roles", 0
	for ; next != ""; pages++ {
		r := h.get(next)
		same(t, "links", r.Header().Values("Link"), `[<https://simulated-admin.okta.com`+next+`>; rel="self"]`)
		ids = append(ids, r.strings("roles.#.id")...)
		next = ""
		if href := r.get("_links.next.href").Str; href != "" {
			var ok bool
			if next, ok = strings.CutPrefix(href, "https://simulated-admin.okta.com"); !ok {
				t.Fatalf("the next page is at %s", href)
			}
		}
	}
	want, _ := h.org.CustomRoles()
	same(t, "roles", ids, want)
	same(t, "pages", pages, 3)
	r := h.get("/api/v1/iam/roles/" + ids[1])
	same(t, "by label", h.get("/api/v1/iam/roles/Group%20Curator").get("id").Str, r.get("id").Str)
	for _, name := range []string{"cr0nothing", "SUPER_ADMIN"} {
		r = h.get("/api/v1/iam/roles/" + name)
		h.want(r, 404, "E0000007")
		same(t, "summary", r.get("errorSummary").Str, "Not found: Resource not found: "+name+" (CustomRole)")
	}
	h.want(h.get("/api/v1/iam/roles?after=elsewhere"), 400, "E0000001")
	same(t, "without any", newHarness(t, oktatest.Config{CustomRoles: -1}).get("/api/v1/iam/roles").body, `{"roles":[],"_links":{}}`)
}

func TestAdminLinks_OfRoles_NameTheAdminHost(t *testing.T) {
	for public, admin := range map[string]string{
		"https://simulated.okta.com": "https://simulated-admin.okta.com",
		"http://127.0.0.1:8080":      "http://127-0-0-1-admin.invalid:8080",
		"http://[::1]:8080":          "http://--1-admin.invalid:8080",
		"http://localhost:8080":      "http://localhost-admin:8080",
	} {
		h := newHarness(t, oktatest.Config{PublicURL: public})
		same(t, public, h.get("/api/v1/iam/roles").get("roles.0._links.self.href").Str[:len(admin)+1], admin+"/")
	}
}

func TestRoles_ThroughAGroup_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	group := gjson.GetBytes(h.org.Groups()[1], "id").Str
	id := h.get("/api/v1/groups/" + group + "/users").strings("#.id")[0]
	roles := h.get("/api/v1/users/" + id + "/roles")
	same(t, "assignment", roles.get(`#(type=="HELP_DESK_ADMIN").assignmentType`).Str, "GROUP")
	assignment := roles.get(`#(type=="HELP_DESK_ADMIN").id`).Str
	same(t, "id", assignment, "JBCUYUC7IRCVGS27IFCE2SKO")
	h.want(h.send("DELETE", "/api/v1/users/"+id+"/roles/"+assignment, ""), 404, "E0000007")
	same(t, "the token's owner", h.get("/api/v1/users/me/roles").get("0.type").Str, "SUPER_ADMIN")
}

func TestOAuthClients_Listed_AreOktas(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	ids, pages := h.pages("/oauth2/v1/clients?limit=2", "#.client_id")
	same(t, "clients", len(ids), 3)
	same(t, "pages", pages, 2)
	same(t, "q", h.get("/oauth2/v1/clients?q=inv").strings("#.client_name"), "[Inventory Service]")
	same(t, "by id", h.get("/oauth2/v1/clients/"+ids[1]).get("client_id").Str, ids[1])
	h.want(h.get("/oauth2/v1/clients/nothing"), 404, "E0000007")
	many := newHarness(t, oktatest.Config{OAuthClients: 230})
	same(t, "default limit", len(many.get("/oauth2/v1/clients").strings("#.client_id")), 20)
	same(t, "greatest limit", len(many.get("/oauth2/v1/clients?limit=500").strings("#.client_id")), 200)
	ids, _ = many.pages("/oauth2/v1/clients?q=client&limit=200", "#.client_id")
	same(t, "clients", len(ids), 226)
	secrets := h.get("/oauth2/v1/clients").strings("#.client_secret")
	if len(secrets) != 1 || !strings.HasPrefix(secrets[0], "simulated-not-a-secret-") {
		t.Errorf("secrets %q, want one, of the web client", secrets)
	}
}

func TestOrg_Described_IsOktas(t *testing.T) {
	h := newHarness(t, oktatest.Config{Engine: "v1"})
	r := h.get("/.well-known/okta-organization")
	same(t, "pipeline", r.get("pipeline").Str, "v1")
	same(t, "id", h.get("/api/v1/org").get("id").Str, r.get("id").Str)
}

func TestAssignRole_ToAGroupThatMayHaveNone_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 20_000, Groups: 3})
	const role = `{"type":"APP_ADMIN"}`
	everyone, big := gjson.GetBytes(h.org.Groups()[0], "id").Str, gjson.GetBytes(h.org.Groups()[2], "id").Str
	small := h.post("/api/v1/groups", `{"profile":{"name":"Small"}}`).get("id").Str
	h.want(h.post("/api/v1/groups/"+everyone+"/roles", role), 400, "E0000211")
	h.want(h.post("/api/v1/groups/"+big+"/roles", role), 400, "E0000193")
	rule := h.post(rules, ruleBody("a", `user.department=="Nobody"`, small)).get("id").Str
	h.want(h.post("/api/v1/groups/"+small+"/roles", role), 400, "E0000192")
	h.want(h.send("DELETE", rules+"/"+rule, ""), 202, "")
	h.want(h.post("/api/v1/groups/"+small+"/roles", role), 201, "")
}

func TestRoleTypes_OfOktasDocument_CanBeAssigned(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for kind := range strings.FieldsSeq(`ACCESS_CERTIFICATIONS_ADMIN ACCESS_REQUESTS_ADMIN API_ACCESS_MANAGEMENT_ADMIN APP_ADMIN
		GROUP_MEMBERSHIP_ADMIN HELP_DESK_ADMIN ORG_ADMIN READ_ONLY_ADMIN REPORT_ADMIN SUPER_ADMIN USER_ADMIN WORKFLOWS_ADMIN`) {
		r := h.post("/api/v1/users/ada.lovelace@example.com/roles", `{"type":"`+kind+`"}`)
		h.want(r, 201, "")
		same(t, kind, r.get("type").Str, kind)
	}
}

func TestRevokeRole_OfTheLastSuperAdmin_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada, owner = "/api/v1/users/ada.lovelace@example.com", "/api/v1/users/me"
	id := h.get(owner + "/roles").get("0.id").Str
	before := h.org.EventCount()
	h.want(h.send("DELETE", owner+"/roles/"+id, ""), 403, "E0000006")
	same(t, "events", h.events(before), "[]")
	// A group's assignment does not count, a user's does.
	h.want(h.post("/api/v1/groups/"+engineering+"/roles", `{"type":"SUPER_ADMIN"}`), 201, "")
	h.want(h.send("DELETE", owner+"/roles/"+id, ""), 403, "E0000006")
	h.want(h.post(ada+"/roles", `{"type":"SUPER_ADMIN"}`), 201, "")
	h.want(h.send("DELETE", owner+"/roles/"+id, ""), 204, "")
	// A token may do what its owner may.
	h.want(h.get(ada), 403, "E0000006")
	h.want(h.get("/.well-known/okta-organization"), 200, "")
}

func TestDeactivateUser_Administrator_HasNoRoles(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada = "/api/v1/users/ada.lovelace@example.com"
	h.want(h.post(ada+"/roles", `{"type":"APP_ADMIN"}`), 201, "")
	before := h.org.EventCount()
	h.want(h.post(ada+"/lifecycle/deactivate", ""), 200, "")
	same(t, "roles", len(h.get(ada+"/roles").strings("#.id")), 0)
	same(t, "events", h.events(before), []string{"user.lifecycle.deactivate", "user.account.privilege.revoke"})
}
