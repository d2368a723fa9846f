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
	getCustomRoles = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}, Query: pageParams}
	getCustomRole  = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles/{roleIdOrLabel}", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}}

	getUserRoles     = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}, Query: []string{"expand", "after", "limit"}}
	postUserRoles    = abi.Endpoint{Endpoint: "POST /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getUserRole      = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	deleteUserRole   = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}}
	getGroupRoles    = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}, Query: []string{"expand", "after", "limit"}}
	postGroupRoles   = abi.Endpoint{Endpoint: "POST /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getGroupRole     = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	deleteGroupRole  = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}}
	getClientRoles   = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}, Query: []string{"expand", "after", "limit"}}
	postClientRoles  = abi.Endpoint{Endpoint: "POST /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}, Query: []string{"disableNotifications"}}
	getClientRole    = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	deleteClientRole = abi.Endpoint{Endpoint: "DELETE /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}}
)

// Inputs that name the principal.
var (
	roleUser   = connector.Input{"user", false, userInput.Schema}
	roleTarget = connector.Input{"user", false, targetInput.Schema}
	roleGroup  = connector.Input{"group", false, `{"type":"string","minLength":1,"maxLength":255,"description":"a group's id or exact name"}`}
	roleClient = connector.Input{"client", false, connector.IDSchema("64", "a client app's id")}
)

const (
	oneOfPrincipals    = `{"oneOf":[{"required":["user"]},{"required":["group"]},{"required":["client"]}]}`
	atMostOnePrincipal = `"description":"give at most one of user, group and client","not":{"anyOf":[{"required":["user","group"]},{"required":["user","client"]},{"required":["group","client"]}]}`
	standardRoleSchema = `{"enum":["ACCESS_CERTIFICATIONS_ADMIN","ACCESS_REQUESTS_ADMIN","API_ACCESS_MANAGEMENT_ADMIN","APP_ADMIN","GROUP_MEMBERSHIP_ADMIN","HELP_DESK_ADMIN",` +
		`"ORG_ADMIN","READ_ONLY_ADMIN","REPORT_ADMIN","SUPER_ADMIN","USER_ADMIN","WORKFLOWS_ADMIN"],"description":"a standard role"}`
)

// These operations have no key. A record's key must be unique in the connection, but most standard role assignments
// have the same id for all principals.

var roleOperations = []connector.Operation{
	{
		Name: "list_roles",
		Summary: "Lists the administrator roles of a user, group or client, or the org's custom roles. A user's roles through groups " +
			"are included.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{roleUser, roleGroup, roleClient, connector.LimitInput, connector.CursorInput},
		Require:     atMostOnePrincipal,
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Columns:     roleColumns,
		Display:     roleDisplay,
		Rejects:     "ambiguous",
		Endpoints:   []*abi.Endpoint{&getCustomRoles, &getUser, &getUsers, &getGroups, &getUserRoles, &getGroupRoles, &getClientRoles},
		Pages:       listRoles,
		Views: []abi.View{
			{Name: "user_roles", Of: ofUsers, Comment: "The administrator roles of each user: a request for each. Roles through groups are included."},
			{Name: "group_roles", Of: ofGroups, Comment: "The administrator roles of each group: a request for each."},
		},
	},
	{
		Name: "get_role",
		Summary: "Reads one role assignment of a user, group or client by its id, or a custom role by id or label if none of them " +
			"is given.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"role", true, `{"type":"string","minLength":1,"maxLength":255,"description":"a custom role's id or label; with user, group or client, the id of a role assignment"}`},
			roleUser, roleGroup, roleClient,
		},
		Require:   atMostOnePrincipal,
		Example:   `{"role":"Password Desk"}`,
		Columns:   roleColumns,
		Display:   roleDisplay,
		Rejects:   "ambiguous",
		Endpoints: []*abi.Endpoint{&getCustomRole, &getUser, &getUsers, &getGroups, &getUserRole, &getGroupRole, &getClientRole},
		Do:        readRole,
	},
	{
		Name: "assign_role",
		Summary: "Assigns an administrator role to a user, group or client: a standard role by type, or a custom role with a resource set. " +
			"An existing assignment is unchanged, with a warning if it differs from the input.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			roleTarget, roleGroup, roleClient,
			{"type", false, standardRoleSchema},
			{"role", false, connector.IDSchema("64", "id of a custom role, with resource_set")},
			{"resource_set", false, connector.IDSchema("64", "id of the resource set for a custom role")},
			{"disable_notifications", false, `{"type":"boolean","default":false,"description":"true makes the principal a third-party administrator, without mail from Okta and without the support portal"}`},
		},
		Require: `"description":"give exactly one of user, group and client, and either type, or role with resource_set","allOf":[` + oneOfPrincipals + `,` +
			`{"oneOf":[{"required":["type"]},{"required":["role","resource_set"]}]},` +
			`{"if":{"required":["type"]},"then":{"not":{"anyOf":[{"required":["role"]},{"required":["resource_set"]}]}}}]`,
		Example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		Key:       "id",
		Rejects:   "ambiguous short_name",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getGroup, &getGroups, &getUserRoles, &postUserRoles, &getGroupRoles, &postGroupRoles, &getClientRoles, &postClientRoles},
		Do:        assignRole,
	},
	{
		Name: "revoke_role",
		Summary: "Revokes an administrator role of a user, group or client. A missing assignment is unchanged. A user's role " +
			"through a group is rejected, with the group.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			roleTarget, roleGroup, roleClient,
			{"role_assignment", false, `{"type":"string","minLength":15,"maxLength":64,"pattern":"^[A-Za-z0-9]+$","description":"id of the role assignment, as in list_roles; if the principal does not have it, the outcome is unchanged"}`},
			{"type", false, standardRoleSchema},
		},
		Require:   `"description":"give exactly one of user, group and client, and either role_assignment or type","allOf":[` + oneOfPrincipals + `,{"oneOf":[{"required":["role_assignment"]},{"required":["type"]}]}]`,
		Example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		Rejects:   "ambiguous own_account short_name through_group",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getGroup, &getGroups, &getUserRoles, &deleteUserRole, &getGroupRoles, &deleteGroupRole, &getClientRoles, &deleteClientRole, &getMe, &getUserGroups},
		Do:        revokeRole,
	},
}

// roleDisplay lists the columns that a table for people shows.
const roleDisplay = "label type status assignment_type role resource_set created id"

var roleColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the custom role's id, or the role assignment's id, which several principals can have"},
	{"label", abi.Varchar, "label", ""},
	{"type", abi.Varchar, "type", "a standard role or CUSTOM"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"assignment_type", abi.Varchar, "assignmentType", "USER, GROUP or CLIENT; GROUP for a user means through a group"},
	{"role", abi.Varchar, "role", "id of the assigned custom role"},
	{"resource_set", abi.Varchar, "resource-set", "resource set of a custom role"},
	{"description", abi.Varchar, "description", "description of a custom role"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"assignee", abi.Varchar, "_links.assignee.href", "link to the principal"},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// customRoles returns the list of the org's custom roles. Its next link is in the body, and names a different host.
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

// roleFailure returns the failure of a read of a role. Either the role or its principal may be missing.
func roleFailure(c *connector.Call, resp hostcall.Response, p principal, typ, noun string) connector.Result {
	if resp.Err == nil && p.id != "" && missingType(c.ReadError(resp).Upstream, p.typ) {
		typ, noun = p.typ, p.noun
	}
	return c.Failure(resp, typ, noun)
}

// principal is the user, group or client that has a role.
type principal struct {
	noun, typ string // as in a 404
	id        string
	blank     string
	direct    string // assignmentType of a role that is assigned to the principal directly

	list, add, get, remove string // endpoints
}

// findPrincipal reads the input's user, group or client. The id is empty if there is none. Logins and names are
// resolved, because Okta stores roles by id.
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

// isID reports whether s looks like an Okta id: prefix and 17 letters or digits.
func isID(s, prefix string) bool {
	return len(s) == 20 && strings.HasPrefix(s, prefix) &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

//go:noinline
func (p principal) path() []hostcall.Pair { return []hostcall.Pair{{Name: p.blank, Value: p.id}} }

func (p principal) assignmentPath(id string) []hostcall.Pair {
	return append(p.path(), hostcall.Pair{Name: "roleAssignmentId", Value: id})
}

// assignments returns the roles of a principal, including a user's roles through groups.
func assignments(c *connector.Call, p principal) (roles jsonval.Value, failed *connector.Result) {
	return assignmentsIn(c, p, c.SendWithToken(hostcall.Request{Endpoint: p.list, Path: p.path()}))
}

// assignmentsIn returns the roles in the response to a read of p.list.
func assignmentsIn(c *connector.Call, p principal, resp hostcall.Response) (roles jsonval.Value, failed *connector.Result) {
	if !connector.OK(resp) {
		r := c.Failure(resp, p.typ, p.noun)
		return roles, &r
	}
	return c.Array(resp, "roles")
}

// roleAssignment finds the role that the input names among the principal's roles.
func roleAssignment(c *connector.Call, p principal) (a jsonval.Value, found bool, failed *connector.Result) {
	roles, failed := assignments(c, p)
	if failed != nil {
		return a, false, failed
	}
	for a := range roles.Elements() {
		if t := a.Get("assignmentType").Str(); t != "" && t != p.direct {
			continue // through a group, not direct
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
		return connector.Result{Outcome: abi.Unchanged, Output: a.Raw(), Warnings: existingGaps(c, p, a)}
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
				if g.Has.Exists() { // Okta omits some members of some assignments
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
			case "E0000090", "E0000263": // another client has assigned it
				if a, found, failed := roleAssignment(c, p); failed == nil && found {
					return connector.Result{Outcome: abi.Unchanged, Output: a.Raw(), Warnings: existingGaps(c, p, a)}
				}
			}
			return r
		},
		Look: look,
	})
}

// existingGaps warns where an existing assignment gives less than the input asks for. Okta allows one assignment of a
// type, so no second one can be made.
func existingGaps(c *connector.Call, p principal, a jsonval.Value) (warnings []string) {
	const exists = "the role is already assigned, "
	if status := a.Get("status").Str(); status != "" && status != "ACTIVE" {
		warnings = append(warnings, exists+"but is "+status+" and has no effect")
	}
	if targets := targetsOf(a.Get("type").Str()); targets != "" && p.direct != "CLIENT" {
		resp := c.SendWithToken(hostcall.Request{Endpoint: p.list, Path: p.path(), Query: connector.Pairs("expand", targets)})
		expanded, isJSON := c.Body(resp)
		if !connector.OK(resp) || !isJSON || expanded.Kind() != jsonval.Array {
			warnings = append(warnings, exists+"but it could not be read whether it is limited to some targets")
		}
		for e := range expanded.Elements() {
			for range e.At(append([]string{"_embedded"}, strings.Split(targets, "/")...)...).Elements() {
				if e.Get("id").Equal(a.Get("id")) {
					return append(warnings, exists+"but limited to some "+targets[strings.LastIndex(targets, "/")+1:]+
						": to remove the limit, revoke and assign it again, or change its targets in Okta")
				}
			}
		}
	}
	if c.Input.Get("disable_notifications").Exists() {
		warnings = append(warnings, exists+"so disable_notifications was not applied (its value cannot be read). To set it, revoke the role and assign it again")
	}
	return warnings
}

// targetsOf returns what an assignment of a standard role can be limited to, as a value of expand; empty if nothing.
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

// rolesHeldBy finds the principal's own assignments that match the input of revoke_role, and one through a group.
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
		r := connector.Refuse("ambiguous", "the "+p.noun+" has several assignments of the role: "+strings.Join(ids, ", ")+". Give one as role_assignment")
		r.Output = `{"assignments":` + texts.JSONArray(all, jsonval.Value.Raw) + `}`
		return r
	case len(all) == 1:
		own = all[0]
	case viaGroup.Exists():
		group := groupOf(viaGroup)
		r := connector.Fail(abi.Rejected, "through_group", "the user has the role "+viaGroup.Get("type").Str()+" through "+group+
			": revoke it from the group, or remove the user from the group")
		return r
	default:
		return connector.Result{Outcome: abi.Unchanged, Output: p.revoked(own)}
	}
	if refused := checkOwnRole(c, p, own, "revoking", "it").Withholding(p.remove, p.assignmentPath(own.Get("id").Str())); refused != nil {
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
			if r.Err.Upstream != nil && r.Err.Upstream.Status == 404 { // another client has revoked it
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

// checkOwnRole refuses to take a role, or a part of it, from the token's owner, who has it directly or through a group. The
// token has its owner's rights. A service app is not compared, since the guest cannot know the connection's own client id
// (RATIONALE.md). When a run settles an earlier run's write, it does not check again.
func checkOwnRole(c *connector.Call, p principal, a jsonval.Value, doing, part string) *connector.Result {
	if p.noun == "client" || c.Settling {
		return nil
	}
	owner, failed := tokenOwner(c, "whether the token's owner has the role")
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
	r := connector.Refuse("own_account", doing+" "+cmp.Or(a.Get("label").Str(), a.Get("type").Str())+" of "+p.noun+" "+p.id+" would take "+part+" from the token's owner, user "+owner+
		", and so from the token. Use another administrator's token")
	return &r
}

// groupOf names the group through which a user has a role.
func groupOf(a jsonval.Value) string {
	if _, id, ok := strings.Cut(a.At("_links", "assignee", "href").Str(), "/api/v1/groups/"); ok {
		return "group " + id
	}
	return "a group"
}

// revoked returns the output of revoke_role: the assignment before, and null after.
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
