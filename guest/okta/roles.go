package okta

import (
	"cmp"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getCustomRoles = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}}
	getCustomRole  = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles/{roleIdOrLabel}", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}}

	getUserRoles     = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	postUserRoles    = abi.Endpoint{Endpoint: "POST /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getUserRole      = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	deleteUserRole   = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}}
	getGroupRoles    = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	postGroupRoles   = abi.Endpoint{Endpoint: "POST /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getGroupRole     = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	deleteGroupRole  = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}}
	getClientRoles   = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	postClientRoles  = abi.Endpoint{Endpoint: "POST /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getClientRole    = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	deleteClientRole = abi.Endpoint{Endpoint: "DELETE /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}}
)

// Whose roles.
var (
	roleUser   = connector.Input{"user", false, userInput.Schema}
	roleTarget = connector.Input{"user", false, targetInput.Schema}
	roleGroup  = connector.Input{"group", false, `{"type":"string","minLength":1,"maxLength":255,"description":"a group's id or exact name"}`}
	roleClient = connector.Input{"client", false, connector.IDSchema("64", "a client app's id")}
)

const (
	oneOfPrincipals    = `{"oneOf":[{"required":["user"]},{"required":["group"]},{"required":["client"]}]}`
	atMostOnePrincipal = `"description":"at most one of user, group and client","not":{"anyOf":[{"required":["user","group"]},{"required":["user","client"]},{"required":["group","client"]}]}`
	standardRoleSchema = `{"enum":["ACCESS_CERTIFICATIONS_ADMIN","ACCESS_REQUESTS_ADMIN","API_ACCESS_MANAGEMENT_ADMIN","APP_ADMIN","GROUP_MEMBERSHIP_ADMIN","HELP_DESK_ADMIN",` +
		`"ORG_ADMIN","READ_ONLY_ADMIN","REPORT_ADMIN","SUPER_ADMIN","USER_ADMIN","WORKFLOWS_ADMIN"],"description":"a standard role"}`
)

// A record's key is unique within the connection, and the id of an assignment is not: those of most standard roles are
// the same for everybody. So these operations have none.

var roleOperations = []connector.Operation{
	{
		Name: "list_roles",
		Summary: "Lists the administrator roles that a user, group or client has, a user's through groups included; without " +
			"one of them, the org's custom roles.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{roleUser, roleGroup, roleClient, connector.LimitInput, connector.CursorInput},
		Require:     atMostOnePrincipal,
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Columns:     roleColumns,
		Display:     roleDisplay,
		Endpoints:   []*abi.Endpoint{&getCustomRoles, &getUser, &getUsers, &getGroups, &getUserRoles, &getGroupRoles, &getClientRoles},
		Pages:       listRoles,
	},
	{
		Name: "get_role",
		Summary: "Reads one role assignment of a user, group or client by its id; without one of them, a custom role by id " +
			"or label.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"role", true, `{"type":"string","minLength":1,"maxLength":255,"description":"a custom role's id or label; with a user, group or client the id of the role assignment"}`},
			roleUser, roleGroup, roleClient,
		},
		Require:   atMostOnePrincipal,
		Example:   `{"role":"Password Desk"}`,
		Columns:   roleColumns,
		Display:   roleDisplay,
		Endpoints: []*abi.Endpoint{&getCustomRole, &getUser, &getUsers, &getGroups, &getUserRole, &getGroupRole, &getClientRole},
		Do:        readRole,
	},
	{
		Name: "assign_role",
		Summary: "Gives a user, group or client an administrator role: a standard one by type, or a custom one on a resource set. One " +
			"that is there already stays unchanged, with a warning where it is not all that was asked for.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			roleTarget, roleGroup, roleClient,
			{"type", false, standardRoleSchema},
			{"role", false, connector.IDSchema("64", "id of a custom role, with resource_set")},
			{"resource_set", false, connector.IDSchema("64", "id of the resource set that a custom role is for")},
			{"disable_notifications", false, `{"type":"boolean","default":false,"description":"true makes the principal a third-party administrator: no mail from Okta, no access to the support portal"}`},
		},
		Require: `"description":"exactly one of user, group and client; and either type, or role with resource_set","allOf":[` + oneOfPrincipals + `,` +
			`{"oneOf":[{"required":["type"]},{"required":["role","resource_set"]}]},` +
			`{"if":{"required":["type"]},"then":{"not":{"anyOf":[{"required":["role"]},{"required":["resource_set"]}]}}}]`,
		Example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		Key:       "id",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getGroup, &getGroups, &getUserRoles, &postUserRoles, &getGroupRoles, &postGroupRoles, &getClientRoles, &postClientRoles},
		Do:        assignRole,
	},
	{
		Name: "revoke_role",
		Summary: "Takes an administrator role away from a user, group or client. A role that is not there stays unchanged; " +
			"one that a user has through a group is rejected, naming the group.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			roleTarget, roleGroup, roleClient,
			{"role_assignment", false, `{"type":"string","minLength":15,"maxLength":64,"pattern":"^[A-Za-z0-9]+$","description":"id of the role assignment, as list_roles tells it; one that the principal does not have is unchanged"}`},
			{"type", false, standardRoleSchema},
		},
		Require:   `"description":"exactly one of user, group and client; and either role_assignment or type","allOf":[` + oneOfPrincipals + `,{"oneOf":[{"required":["role_assignment"]},{"required":["type"]}]}]`,
		Example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getGroup, &getGroups, &getUserRoles, &deleteUserRole, &getGroupRoles, &deleteGroupRole, &getClientRoles, &deleteClientRole, &getMe, &getUserGroups},
		Do:        revokeRole,
	},
}

// roleDisplay lists the columns that a table for people shows.
const roleDisplay = "label type status assignment_type role resource_set created id"

var roleColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the custom role's id, or the role assignment's, which repeats from one principal to the next"},
	{"label", abi.Varchar, "label", ""},
	{"type", abi.Varchar, "type", "a standard role, or CUSTOM"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"assignment_type", abi.Varchar, "assignmentType", "USER, GROUP or CLIENT: GROUP on a user is a role through a group"},
	{"role", abi.Varchar, "role", "the custom role that is assigned"},
	{"resource_set", abi.Varchar, "resource-set", "what a custom role is for"},
	{"description", abi.Varchar, "description", "of a custom role"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"assignee", abi.Varchar, "_links.assignee.href", "whose assignment it is"},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// customRoles are the org's. Their list has its next link in the body, with another host than the org's.
func customRoles() connector.List {
	return connector.List{Endpoint: getCustomRoles.Endpoint, Records: "roles", Next: "_links.next"}
}

func listRoles(c *connector.Call, at string, limit int) (connector.Result, int) {
	p, failed := findPrincipal(c)
	if failed != nil {
		return *failed, 0
	}
	l := customRoles()
	if p.id != "" {
		l = connector.List{Endpoint: p.list, Filled: p.path(), Noun: p.noun, Type: p.typ}
	}
	return l.ReadPage(c, at, limit)
}

func readRole(c *connector.Call) connector.Result {
	p, failed := findPrincipal(c)
	if failed != nil {
		return *failed
	}
	req := hostcall.Request{Endpoint: getCustomRole.Endpoint, Path: []hostcall.Pair{{Name: "roleIdOrLabel", Value: c.Str("role")}}}
	noun, typ := "custom role", "CustomRole"
	if p.id != "" {
		req = hostcall.Request{Endpoint: p.get, Path: p.assignmentPath(c.Str("role"))}
		noun, typ = "role assignment", "RoleAssignment"
	}
	resp := c.SendForObject(req, nil)
	if !connector.OK(resp) {
		return roleFailure(c, resp, p, typ, noun)
	}
	return c.EmitObject(resp, nil)
}

// roleFailure is failure where either a role or whose it is may be what is missing.
func roleFailure(c *connector.Call, resp hostcall.Response, p principal, typ, noun string) connector.Result {
	if resp.Err == nil && p.id != "" && missingType(c.ReadError(resp).Upstream, p.typ) {
		typ, noun = p.typ, p.noun
	}
	return c.Failure(resp, typ, noun)
}

// principal is who has a role: a user, a group or a client.
type principal struct {
	noun, typ string // as in a 404
	id        string
	blank     string
	direct    string // assignmentType of a role that was given to the principal itself

	list, add, get, remove string // endpoints
}

// findPrincipal reads the input's user, group or client: one without id where there is none. Logins and names are
// resolved, since roles are kept by id.
func findPrincipal(c *connector.Call) (principal, *connector.Result) {
	if c.Str("group") != "" {
		id, failed := groupID(c)
		return groupPrincipal(id), failed
	}
	if id := c.Str("client"); id != "" {
		return principal{"client", "PublicClientApp", id, "clientId", "CLIENT",
			getClientRoles.Endpoint, postClientRoles.Endpoint, getClientRole.Endpoint, deleteClientRole.Endpoint}, nil
	}
	p := principal{"user", "User", "", "userId", "USER",
		getUserRoles.Endpoint, postUserRoles.Endpoint, getUserRole.Endpoint, deleteUserRole.Endpoint}
	if c.Str("user") == "" {
		return p, nil
	}
	id, failed := userID(c)
	p.id = id
	return p, failed
}

func groupPrincipal(id string) principal {
	return principal{"group", "UserGroup", id, "groupId", "GROUP",
		getGroupRoles.Endpoint, postGroupRoles.Endpoint, getGroupRole.Endpoint, deleteGroupRole.Endpoint}
}

// isID reports whether s looks like an Okta id: its prefix and 17 letters and digits.
func isID(s, prefix string) bool {
	return len(s) == 20 && strings.HasPrefix(s, prefix) &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

//go:noinline
func (p principal) path() []hostcall.Pair { return []hostcall.Pair{{Name: p.blank, Value: p.id}} }

func (p principal) assignmentPath(id string) []hostcall.Pair {
	return append(p.path(), hostcall.Pair{Name: "roleAssignmentId", Value: id})
}

// assignments are the roles of a principal, a user's through groups included.
func assignments(c *connector.Call, p principal) (roles jsonval.Value, failed *connector.Result) {
	resp := c.SendWithToken(hostcall.Request{Endpoint: p.list, Path: p.path()})
	if !connector.OK(resp) {
		r := c.Failure(resp, p.typ, p.noun)
		return roles, &r
	}
	return c.Array(resp, "roles")
}

// roleAssignment finds the wanted role among those of a principal.
func roleAssignment(c *connector.Call, p principal) (a jsonval.Value, found bool, failed *connector.Result) {
	roles, failed := assignments(c, p)
	if failed != nil {
		return a, false, failed
	}
	for a := range roles.Elements() {
		if t := a.Get("assignmentType").Str(); t != "" && t != p.direct {
			continue // through a group: not the principal's own
		}
		if want := c.Str("type"); want != "" {
			if a.Get("type").Str() == want {
				return a, true, nil
			}
		} else if a.Get("role").Str() == c.Str("role") && a.Get("resource-set").Str() == c.Str("resource_set") {
			return a, true, nil
		}
	}
	return a, false, nil
}

func assignRole(c *connector.Call) connector.Result {
	p, failed := findPrincipal(c)
	if failed != nil {
		return *failed
	}
	if a, found, failed := roleAssignment(c, p); failed != nil {
		return *failed
	} else if found {
		return connector.Result{Outcome: abi.Unchanged, Output: a.Raw(), Warnings: effectsOfLosing(c, p, a)}
	}
	var body jsonval.Writer
	if t := c.Str("type"); t != "" {
		body.Str("type", t)
	} else {
		body.Str("type", "CUSTOM").Str("role", c.Str("role")).Str("resource-set", c.Str("resource_set"))
	}
	look := func() (connector.Reading, connector.Result) {
		a, found, failed := roleAssignment(c, p)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case found:
			return connector.Holds, connector.Result{Output: a.Raw()}
		}
		return connector.Absent, connector.Result{}
	}
	return c.ChangePatiently(connector.Change{
		Request: hostcall.Request{Endpoint: p.add, Path: p.path(), Body: body.String(),
			Query: c.Params([]connector.Param{{"disable_notifications", "disableNotifications"}})},
		Type: p.typ, Noun: p.noun,
		What:   "assigning a role to " + p.noun + " " + p.id,
		Undone: "the role was not assigned",
		Once:   true,
		Check: func(a jsonval.Value) *connector.Result {
			var lacking []compare.Gap
			for _, g := range okta.Gaps(a, parsed(body.String()), "") {
				if g.Has.Exists() { // Okta does not tell every member of every assignment
					lacking = append(lacking, g)
				}
			}
			if lacking == nil {
				return nil
			}
			r := c.RejectGaps("assigning a role to "+p.noun+" "+p.id, lacking, nil, a.Raw(), true)
			return &r
		},
		Refused: func(r connector.Result) connector.Result {
			switch connector.UpstreamCode(r) {
			case "E0000090", "E0000263": // somebody else was faster
				if a, found, failed := roleAssignment(c, p); failed == nil && found {
					return connector.Result{Outcome: abi.Unchanged, Output: a.Raw(), Warnings: effectsOfLosing(c, p, a)}
				}
			}
			return r
		},
		Look: look,
	})
}

// effectsOfLosing says where an assignment that is there falls short of the one that is wanted: Okta has one of a type, whatever
// it is worth.
func effectsOfLosing(c *connector.Call, p principal, a jsonval.Value) (warnings []string) {
	const there = "the role is there already, "
	if status := a.Get("status").Str(); status != "" && status != "ACTIVE" {
		warnings = append(warnings, there+"and "+status+": it gives nothing")
	}
	if targets := targetsOf(a.Get("type").Str()); targets != "" && p.direct != "CLIENT" {
		resp := c.SendWithToken(hostcall.Request{Endpoint: p.list, Path: p.path(), Query: connector.Pairs("expand", targets)})
		expanded, isJSON := c.Body(resp)
		if !connector.OK(resp) || !isJSON || expanded.Kind() != jsonval.Array {
			warnings = append(warnings, there+"and whether it is limited to some "+a.Get("type").Str()+" targets could not be read")
		}
		for e := range expanded.Elements() {
			for range e.At(append([]string{"_embedded"}, strings.Split(targets, "/")...)...).Elements() {
				if e.Get("id").Equal(a.Get("id")) {
					return append(warnings, there+"and limited to some "+targets[strings.LastIndex(targets, "/")+1:]+
						": revoke it and assign it again for all of them, or change its targets in Okta")
				}
			}
		}
	}
	if c.Input.Get("disable_notifications").Exists() {
		warnings = append(warnings, there+"and what it says of notifications cannot be read: disable_notifications was not applied. To set it, revoke the role and assign it again")
	}
	return warnings
}

// targetsOf is what an assignment of a standard role may be limited to, as expand wants it; empty is nothing.
// https://developer.okta.com/docs/api/openapi/okta-management/guides/roles/#standard-roles
func targetsOf(role string) string {
	switch role {
	case "APP_ADMIN":
		return "targets/catalog/apps"
	case "GROUP_MEMBERSHIP_ADMIN", "HELP_DESK_ADMIN", "USER_ADMIN":
		return "targets/groups"
	}
	return ""
}

// rolesHeldBy finds the assignments that revoke_role is to take away, the principal's own, and one through a group.
func rolesHeldBy(c *connector.Call, p principal) (own []jsonval.Value, viaGroup jsonval.Value, failed *connector.Result) {
	roles, failed := assignments(c, p)
	if failed != nil {
		return own, viaGroup, failed
	}
	id, typ := c.Str("role_assignment"), c.Str("type")
	for a := range roles.Elements() {
		switch t := a.Get("assignmentType").Str(); {
		case id != "" && a.Get("id").Str() != id || typ != "" && a.Get("type").Str() != typ:
		case t == "" || t == p.direct:
			own = append(own, a)
		default:
			viaGroup = a
		}
	}
	return own, viaGroup, nil
}

func revokeRole(c *connector.Call) connector.Result {
	p, failed := findPrincipal(c)
	if failed != nil {
		return *failed
	}
	all, viaGroup, failed := rolesHeldBy(c, p)
	var own jsonval.Value
	switch {
	case failed != nil:
		return *failed
	case len(all) > 1:
		var ids []string
		for _, a := range all {
			ids = append(ids, a.Get("id").Str())
		}
		r := connector.Refuse("ambiguous", "the "+p.noun+" has the role several times: "+strings.Join(ids, ", ")+". Give one as role_assignment")
		r.Output = `{"assignments":` + texts.JSONArray(all, jsonval.Value.Raw) + `}`
		return r
	case len(all) == 1:
		own = all[0]
	case viaGroup.Exists():
		group := groupOf(viaGroup)
		r := connector.Fail(abi.Rejected, "through_group", "the user has the role "+viaGroup.Get("type").Str()+" through "+group+
			": take it away from the group, or the user out of the group")
		return r
	default:
		return connector.Result{Outcome: abi.Unchanged, Output: p.revoked(own)}
	}
	if refused := ownRole(c, p, own).Withholding(p.remove, p.assignmentPath(own.Get("id").Str())); refused != nil {
		return *refused
	}
	look := func() (connector.Reading, connector.Result) {
		now, _, failed := rolesHeldBy(c, p)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case len(now) > 0:
			return connector.Absent, connector.Result{}
		}
		return connector.Holds, connector.Result{Output: p.revoked(own)}
	}
	r := c.ChangePatiently(connector.Change{
		Request: hostcall.Request{Endpoint: p.remove, Path: p.assignmentPath(own.Get("id").Str())},
		Type:    p.typ, Noun: p.noun,
		What:   "revoking a role of " + p.noun + " " + p.id,
		Undone: "the role was not revoked",
		Trace:  own.Get("created").Str(),
		Done: func(hostcall.Response) connector.Result {
			return c.ReadBack(look, "revoking a role of "+p.noun+" "+p.id, connector.LaggingTime, p.revoked(own))
		},
		Refused: func(r connector.Result) connector.Result {
			if r.Err.Upstream != nil && r.Err.Upstream.Status == 404 { // somebody else was faster
				if is, now := look(); is == connector.Holds {
					return connector.Result{Outcome: abi.Unchanged, Output: now.Output}
				}
			}
			return r
		},
		Look: look,
	})
	if viaGroup.Exists() && r.Outcome == abi.Succeeded {
		r.Warnings = append(r.Warnings, "the user still has the role through "+groupOf(viaGroup))
	}
	return r
}

// ownRole refuses to take a role from the token's owner, directly or through a group that the owner is in: the token has its
// owner's rights. In a run that settles an earlier one's write, the earlier run has looked.
func ownRole(c *connector.Call, p principal, a jsonval.Value) *connector.Result {
	if p.noun == "client" || c.Settling {
		return nil
	}
	owner, failed := tokenOwner(c, "whether the role is one of the token's owner")
	switch {
	case failed != nil:
		return failed
	case owner == "":
		return nil
	case p.noun == "group":
		if is, failed := ownerIsIn(c, p.id, owner); !is {
			return failed
		}
	case p.id != owner:
		return nil
	}
	r := connector.Refuse("own_account", "revoking "+cmp.Or(a.Get("label").Str(), a.Get("type").Str())+" of "+p.noun+" "+p.id+" would take it from the token's owner, user "+owner+
		", and with it the token's rights. Do it with another administrator's token")
	return &r
}

// groupOf names the group that an assignment of a user comes from.
func groupOf(a jsonval.Value) string {
	if _, id, ok := strings.Cut(a.At("_links", "assignee", "href").Str(), "/api/v1/groups/"); ok {
		return "group " + id
	}
	return "a group"
}

// revoked is the output of revoke_role: what was there, and that it is no more.
func (p principal) revoked(before jsonval.Value) string {
	var w jsonval.Writer
	w.Str(p.noun, p.id)
	if before.Exists() {
		w.Str("id", before.Get("id").Str()).Raw("before", before.Raw())
	} else {
		w.Raw("before", "null")
	}
	return w.Raw("after", "null").String()
}
