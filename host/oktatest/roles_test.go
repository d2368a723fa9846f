package oktatest_test

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/oktatest"
	"github.com/tidwall/gjson"
)

func TestRolesOfEveryKindOfPrincipal(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	ada := "/api/v1/users/" + h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	group := "/api/v1/groups/" + gjson.GetBytes(h.org.Groups()[4], "id").Str // Ada is not in it
	client := "/oauth2/v1/clients/" + gjson.GetBytes(h.org.Clients()[1], "client_id").Str
	for path, c := range map[string]struct{ kind, event string }{
		ada:    {"USER", "user.account.privilege"},
		group:  {"GROUP", "group.privilege"},
		client: {"CLIENT", "app.oauth2.client.privilege"},
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
			h.want(h.post(roles, `{"type":"APP_ADMIN"}`), 409, "E0000090")
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
			same(t, "id after assigning again", h.post(roles, `{"type":"APP_ADMIN"}`).get("id").Str, "IFIFAX2BIRGUSTQ")
		})
	}
}

func TestRoleRefusals(t *testing.T) {
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
}

func TestCustomRoles(t *testing.T) {
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
	h.want(h.send("DELETE", roles+"/"+r.get("id").Str, ""), 204, "")
}

func TestRolesThatComeThroughAGroup(t *testing.T) {
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

func TestClients(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	ids, pages := h.pages("/oauth2/v1/clients?limit=2", "#.client_id")
	same(t, "clients", len(ids), 3)
	same(t, "pages", pages, 2)
	same(t, "q", h.get("/oauth2/v1/clients?q=inv").strings("#.client_name"), "[Inventory Service]")
	same(t, "by id", h.get("/oauth2/v1/clients/"+ids[1]).get("client_id").Str, ids[1])
	h.want(h.get("/oauth2/v1/clients/nothing"), 404, "E0000007")
}

func TestTheOrg(t *testing.T) {
	h := newHarness(t, oktatest.Config{Engine: "v1"})
	r := h.get("/.well-known/okta-organization")
	same(t, "pipeline", r.get("pipeline").Str, "v1")
	same(t, "id", h.get("/api/v1/org").get("id").Str, r.get("id").Str)
}
