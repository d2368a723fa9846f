package oktatest

import (
	"encoding/base32"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
)

// roleEndpoints serves the role assignments of users, groups and clients:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/RoleAssignmentAUser/.
func roleEndpoints() []endpoint {
	var rows []endpoint
	for _, p := range []struct{ path, bucket, kind string }{
		{"/api/v1/users/{userId}", "/api/v1/users", principalUser},
		{"/api/v1/groups/{groupId}", "/api/v1/groups", principalGroup},
		{"/oauth2/v1/clients/{clientId}", "/oauth2/v1/clients", principalClient},
	} {
		with := func(handle func(*Org, *call, principal) (answer, error)) func(*Org, *call) (answer, error) {
			return func(o *Org, c *call) (answer, error) {
				who, err := o.principal(c, p.kind)
				if err != nil {
					return answer{}, err
				}
				return handle(o, c, who)
			}
		}
		rows = append(rows,
			endpoint{pattern: "GET " + p.path + "/roles", bucket: p.bucket, handle: with(listRoles)},
			endpoint{pattern: "POST " + p.path + "/roles", bucket: p.bucket, handle: with(assignRole)},
			endpoint{pattern: "GET " + p.path + "/roles/{roleAssignmentId}", bucket: p.bucket, handle: with(getRole)},
			endpoint{pattern: "DELETE " + p.path + "/roles/{roleAssignmentId}", bucket: p.bucket, handle: with(revokeRole)},
		)
	}
	return rows
}

// Kinds of principals, as in assignmentType.
const (
	principalUser   = "USER"
	principalGroup  = "GROUP"
	principalClient = "CLIENT"
)

// principal is a user, group or client that has roles. Several principals can have assignments with the same id.
type principal struct{ kind, id string }

func (p principal) path() string {
	switch p.kind {
	case principalUser:
		return "/api/v1/users/" + p.id
	case principalGroup:
		return "/api/v1/groups/" + p.id
	}
	return "/oauth2/v1/clients/" + p.id
}

const customRole = "CUSTOM"

// standardRoles are the role types that can be assigned by name, with their labels: Okta's OpenAPI document, RoleType.
var standardRoles = map[string]string{
	"ACCESS_CERTIFICATIONS_ADMIN": "Access Certifications Administrator",
	"ACCESS_REQUESTS_ADMIN":       "Access Requests Administrator",
	"API_ACCESS_MANAGEMENT_ADMIN": "API Access Management Administrator",
	"APP_ADMIN":                   "Application Administrator",
	"GROUP_MEMBERSHIP_ADMIN":      "Group Membership Administrator",
	"HELP_DESK_ADMIN":             "Help Desk Administrator",
	"ORG_ADMIN":                   "Organization Administrator",
	"READ_ONLY_ADMIN":             "Read-only Administrator",
	"REPORT_ADMIN":                "Report Administrator",
	"SUPER_ADMIN":                 "Super Administrator",
	"USER_ADMIN":                  "Group Administrator",
	"WORKFLOWS_ADMIN":             "Workflows Administrator",
}

// assignment is one role of a principal.
type assignment struct {
	id, kind, label   string
	role, resourceSet string // for a custom role
	created           millis
}

var customRoles = []roleDefinition{
	{"", "Password Desk", "Resets passwords and nothing else"},
	{"", "Group Curator", "Reads users, manages members"},
}

type roleDefinition struct{ id, label, description string }

type roleStore struct {
	held         map[principal][]assignment
	custom       []roleDefinition
	resourceSets []string
	targets      map[targetList][]string // ids; a role without an entry is for all
}

func (s *roleStore) drop(who principal) { delete(s.held, who) }

func (o *Org) seedRoles() {
	o.roles = roleStore{
		held:         map[principal][]assignment{},
		targets:      map[targetList][]string{},
		resourceSets: []string{o.ids.seeded("iam", domainRole, 2), o.ids.seeded("iam", domainRole, 3)},
	}
	for i := range o.cfg.CustomRoles {
		r := roleDefinition{"", "Custom Role " + strconv.Itoa(i), "Seeded role"}
		if i < len(customRoles) {
			r = customRoles[i]
		}
		r.id = o.ids.seeded("cr0", domainRole, i)
		o.roles.custom = append(o.roles.custom, r)
	}
	created := millisOf(o.started)/1000*1000 - 400*day
	give := func(who principal, kind string) {
		o.roles.held[who] = append(o.roles.held[who], o.newAssignment(who, kind, created))
	}
	if len(o.users.all) > 0 {
		give(principal{principalUser, o.users.all[0].id}, "SUPER_ADMIN")
	}
	if len(o.groups.all) > 1 {
		who := principal{principalGroup, o.groups.all[1].id}
		give(who, "HELP_DESK_ADMIN")
		for _, g := range o.groups.all[2:min(4, len(o.groups.all))] {
			list := targetList{who, o.roles.held[who][0].id, true}
			o.roles.targets[list] = append(o.roles.targets[list], g.id)
		}
	}
}

var base32NoPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newAssignment creates an assignment of a standard role. Most ids are the type in base32.
func (o *Org) newAssignment(who principal, kind string, now millis) assignment {
	a := assignment{id: base32NoPadding.EncodeToString([]byte(kind)), kind: kind, label: standardRoles[kind], created: now}
	switch {
	case kind != "SUPER_ADMIN" && kind != "ORG_ADMIN" && kind != "API_ACCESS_MANAGEMENT_ADMIN":
	case who.kind == principalGroup:
		a.id = o.ids.next("gra", 20)
	default:
		a.id = o.ids.next("ra1", 20)
	}
	return a
}

func (o *Org) principal(c *call, kind string) (principal, error) {
	switch kind {
	case principalUser:
		u, err := o.findUser(c.PathValue("userId"))
		if err != nil {
			return principal{}, err
		}
		return principal{kind, u.id}, nil
	case principalGroup:
		g, err := o.findGroup(c.PathValue("groupId"))
		if err != nil {
			return principal{}, err
		}
		return principal{kind, g.id}, nil
	}
	client, err := o.findClient(c.PathValue("clientId"))
	if err != nil {
		return principal{}, err
	}
	return principal{kind, client.id}, nil
}

// heldRole is an assignment and the principal that it was made to: a user also has the roles of their groups.
type heldRole struct {
	assignment
	by principal
}

func (o *Org) rolesOf(who principal) []heldRole {
	var all []heldRole
	for _, a := range o.roles.held[who] {
		all = append(all, heldRole{a, who})
	}
	if who.kind != principalUser {
		return all
	}
	for _, g := range o.users.byID[who.id].groups { // Everyone has no roles
		by := principal{principalGroup, g.id}
		for _, a := range o.roles.held[by] {
			all = append(all, heldRole{a, by})
		}
	}
	return all
}

func appendRole(buf []byte, r heldRole, origin string) []byte {
	buf = appendField(append(buf, '{'), "id", r.id)
	buf = appendField(buf, "label", r.label)
	buf = appendField(buf, "type", r.kind)
	buf = appendField(buf, "status", "ACTIVE")
	buf = appendTime(buf, "created", r.created)
	buf = appendTime(buf, "lastUpdated", r.created)
	buf = appendField(buf, "assignmentType", r.by.kind)
	if r.kind == customRole {
		buf = appendField(buf, "resource-set", r.resourceSet)
		buf = appendField(buf, "role", r.role)
	}
	buf = append(appendKey(buf, "_links"), '{')
	if r.kind == customRole {
		sets := "/api/v1/iam/resource-sets/" + r.resourceSet
		buf = appendHref(buf, "role", origin, "/api/v1/iam/roles/"+r.role)
		buf = appendHref(buf, "resource-set", origin, sets)
		buf = appendHref(buf, "permissions", origin, "/api/v1/iam/roles/"+r.role+"/permissions")
		buf = appendHref(buf, "member", origin, sets+"/bindings/"+r.role+"/members/"+r.id)
	}
	return append(appendHref(buf, "assignee", origin, r.by.path()), "}}"...)
}

func listRoles(o *Org, c *call, who principal) (answer, error) {
	buf := []byte{'['}
	for i, r := range o.rolesOf(who) {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendRole(buf, r, c.origin)
	}
	return answer{body: append(buf, ']')}, nil
}

func getRole(o *Org, c *call, who principal) (answer, error) {
	id := c.PathValue("roleAssignmentId")
	for _, r := range o.rolesOf(who) {
		if r.id == id {
			return answer{body: appendRole(nil, r, c.origin)}, nil
		}
	}
	return answer{}, notFound(id, "RoleAssignment")
}

// mostAdministrators is the maximum number of members of a group with roles: E0000193.
const mostAdministrators = 5000

// grantable refuses roles to groups that cannot have any: https://developer.okta.com/docs/reference/error-codes/
func (o *Org) grantable(g *group) error {
	refusal := func(code, summary string) error { return &apiError{http.StatusBadRequest, code, summary + g.id, nil} }
	switch {
	case g.kind == builtIn:
		return refusal("E0000211", "Roles cannot be granted to built-in groups: ")
	case slices.ContainsFunc(o.rules.all, func(r *groupRule) bool { return slices.Contains(r.groups, g.id) }):
		return refusal("E0000192", "Roles cannot be granted to groups with group membership rules. ")
	case len(g.members) > mostAdministrators:
		return refusal("E0000193", "Roles can only be granted to groups with 5000 or less users. ")
	}
	return nil
}

func assignRole(o *Org, c *call, who principal) (answer, error) {
	if _, err := c.flag("disableNotifications", false); err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	a, err := o.requestedRole(c, who, body)
	if err != nil {
		return answer{}, err
	}
	if g := o.groups.byID[who.id]; g != nil {
		if err := o.grantable(g); err != nil {
			return answer{}, err
		}
	}
	for _, held := range o.roles.held[who] {
		if held.kind == a.kind && held.role == a.role && held.resourceSet == a.resourceSet {
			return answer{}, duplicateRole(who, a)
		}
	}
	o.roles.held[who] = append(o.roles.held[who], a)
	o.emitRole(c, who, a, "add")
	return answer{status: http.StatusCreated, body: appendRole(nil, heldRole{a, who}, c.origin)}, nil
}

// duplicateRole returns E0000090, whose text is about users, or the newer E0000263, about administrators of any kind
// and standard roles. Which of them Okta sends when is not recorded.
func duplicateRole(who principal, a assignment) *apiError {
	if who.kind != principalUser && a.kind != customRole {
		return errRoleHeld
	}
	return errRoleAssigned
}

func (o *Org) requestedRole(c *call, who principal, body gjson.Result) (assignment, error) {
	kind, now := body.Get("type").Str, millisOf(c.now)
	if kind != customRole {
		if standardRoles[kind] == "" {
			return assignment{}, invalid("type", "type: '"+kind+"' is not a role that can be assigned")
		}
		return o.newAssignment(who, kind, now), nil
	}
	role, resourceSet := body.Get("role").Str, body.Get("resource-set").Str
	if role == "" || resourceSet == "" {
		return assignment{}, invalid("role", "A role of type CUSTOM needs 'role' and 'resource-set'.")
	}
	at := slices.IndexFunc(o.roles.custom, func(r roleDefinition) bool { return r.id == role })
	if at < 0 {
		return assignment{}, notFound(role, "CustomRole")
	}
	if !slices.Contains(o.roles.resourceSets, resourceSet) {
		return assignment{}, notFound(resourceSet, "ResourceSet")
	}
	return assignment{
		id: o.ids.next("irb", 20), kind: kind, label: o.roles.custom[at].label, role: role, resourceSet: resourceSet, created: now,
	}, nil
}

// lastSuperAdmin reports whether a user's assignment is the only direct one of SUPER_ADMIN to a user. Every org needs
// one: https://help.okta.com/en-us/content/topics/security/administrators-edit-revoke-admins.htm
func (o *Org) lastSuperAdmin(who principal, a assignment) bool {
	if who.kind != principalUser || a.kind != "SUPER_ADMIN" {
		return false
	}
	for other, held := range o.roles.held {
		if other != who && other.kind == principalUser && slices.ContainsFunc(held, func(a assignment) bool { return a.kind == "SUPER_ADMIN" }) {
			return false
		}
	}
	return true
}

// deactivateAdmin removes the roles of a deactivated user, except the last SUPER_ADMIN: see lastSuperAdmin.
func (o *Org) deactivateAdmin(c *call, u *user) {
	who := principal{principalUser, u.id}
	for _, a := range slices.Clone(o.roles.held[who]) {
		if !o.lastSuperAdmin(who, a) {
			o.takeRole(c, who, a)
		}
	}
}

func (o *Org) takeRole(c *call, who principal, a assignment) {
	o.roles.held[who] = slices.DeleteFunc(slices.Clone(o.roles.held[who]), func(other assignment) bool { return other.id == a.id })
	for _, groups := range []bool{true, false} { // the id of a later assignment may be the same
		delete(o.roles.targets, targetList{who, a.id, groups})
	}
	o.emitRole(c, who, a, "delete")
}

// revokeRole removes a principal's direct assignment, not one through a group. That the last SUPER_ADMIN is refused is
// documented (lastSuperAdmin); the code is a guess.
func revokeRole(o *Org, c *call, who principal) (answer, error) {
	id := c.PathValue("roleAssignmentId")
	held := o.roles.held[who]
	at := slices.IndexFunc(held, func(a assignment) bool { return a.id == id })
	if at < 0 {
		return answer{}, notFound(id, "RoleAssignment")
	}
	if o.lastSuperAdmin(who, held[at]) {
		return answer{}, errForbidden
	}
	o.takeRole(c, who, held[at])
	return answer{status: http.StatusNoContent}, nil
}

// emitRole adds the event of a changed assignment. The event of a revocation means that no role is left, including
// roles through groups. Otherwise the other event says that the roles changed.
// https://developer.okta.com/docs/reference/api/event-types/
func (o *Org) emitRole(c *call, who principal, a assignment, binding string) {
	what := "grant"
	if len(o.rolesOf(who)) == 0 {
		what = "revoke"
	}
	role := target{a.id, "ROLE", "unknown", a.label}
	holder, event, message := target{}, "", ""
	switch who.kind {
	case principalUser:
		holder = o.userTarget(o.users.byID[who.id])
		event, message = "user.account.privilege.", "User's admin privileges changed"
	case principalGroup:
		holder = o.groups.byID[who.id].target()
		event, message = "group.privilege.", "Group's admin privileges changed"
	default:
		client, _ := o.findClient(who.id) // the principal was just found
		holder = target{client.id, "PublicClientApp", "unknown", client.name}
		event, message = "app.oauth2.client.privilege.", "OAuth client's admin privileges changed"
	}
	if a.kind == customRole {
		o.emit(c, "iam.resourceset.bindings."+binding, "Admin role assignment changed", holder, role)
	}
	o.emit(c, event+what, message, holder, role)
}

// AssignedRoles returns the roles of a user, group or OAuth client as in GET …/roles. A user's roles through groups are
// included.
func (o *Org) AssignedRoles(id string) []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	who := principal{principalClient, id}
	switch {
	case o.users.byID[id] != nil:
		who.kind = principalUser
	case o.groups.byID[id] != nil:
		who.kind = principalGroup
	}
	var all []json.RawMessage
	for _, r := range o.rolesOf(who) {
		all = append(all, appendRole(nil, r, o.cfg.PublicURL))
	}
	return all
}
