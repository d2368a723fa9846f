package okta

import (
	"path"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readRoles = []string{"okta.roles.read"}

	getAdministrators = abi.Endpoint{Endpoint: "GET /api/v1/iam/assignees/users", Bucket: "/api/v1/iam", Scopes: readRoles, Query: pageParams}
	getResourceSets   = abi.Endpoint{Endpoint: "GET /api/v1/iam/resource-sets", Bucket: "/api/v1/iam", Scopes: readRoles, Query: pageParams}
	getAPITokens      = abi.Endpoint{Endpoint: "GET /api/v1/api-tokens", Bucket: "/api/v1", Scopes: []string{"okta.apiTokens.read"}, Sensitive: tokenSecrets, Query: pageParams}

	getUserGroupTargets   = roleTargets(&getUserRole, "USER_ADMIN")
	getUserAppTargets     = roleTargets(&getUserRole, "APP_ADMIN")
	getGroupGroupTargets  = roleTargets(&getGroupRole, "USER_ADMIN")
	getGroupAppTargets    = roleTargets(&getGroupRole, "APP_ADMIN")
	getClientGroupTargets = roleTargets(&getClientRole, "USER_ADMIN")
	getClientAppTargets   = roleTargets(&getClientRole, "APP_ADMIN")
)

// roleTargets returns the endpoint for the targets of roles of a type, below the endpoint for one role.
func roleTargets(role *abi.Endpoint, typ string) abi.Endpoint {
	return abi.Endpoint{Endpoint: role.Endpoint + "/" + targetsOf(typ), Bucket: role.Bucket, Scopes: readRoles, Query: pageParams}
}

// tokenSecrets are removed from an API token's record. Okta shows a token's value only to its maker, in the Admin Console.
var tokenSecrets = []string{"token", "tokenValue"}

var administratorOperations = []connector.Operation{
	{
		Name:        "list_administrators",
		Addition:    true,
		Summary:     "Lists the users who have an administrator role, directly or through a group: their ids. list_roles has a user's roles.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{connector.LimitInput, connector.CursorInput},
		Example:     `{"limit":100}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the user's id"},
			{"orn", abi.Varchar, "orn", "the user's Okta resource name"},
			{"roles_link", abi.Varchar, "_links.roles.href", "link to the user's roles"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "id orn",
		Endpoints: []*abi.Endpoint{&getAdministrators},
		List:      &connector.List{Endpoint: getAdministrators.Endpoint, Records: "value", Next: "_links.next", OptionalLimit: true},
	},
	{
		Name:     "list_role_targets",
		Addition: true,
		Summary: "Lists the groups or applications to which a role of a user, group or client is limited. A role of another type, such as " +
			"SUPER_ADMIN or CUSTOM, is rejected.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{roleUser, roleGroup, roleClient,
			{"role", true, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z0-9_]+$","description":"id of the role assignment, or its type, such as HELP_DESK_ADMIN"}`},
			connector.LimitInput, connector.CursorInput},
		Require:   `"description":"give exactly one of user, group and client","oneOf":[{"required":["user"]},{"required":["group"]},{"required":["client"]}]`,
		Example:   `{"group":"IT Operations","role":"HELP_DESK_ADMIN"}`,
		Columns:   roleTargetColumns,
		Display:   "name type application status last_updated id",
		Rejects:   "ambiguous role_type",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getGroups, &getUserRoles, &getGroupRoles, &getClientRoles, &getUserGroupTargets, &getUserAppTargets, &getGroupGroupTargets, &getGroupAppTargets, &getClientGroupTargets, &getClientAppTargets},
		Pages:     listRoleTargets,
	},
	{
		Name:        "list_resource_sets",
		Addition:    true,
		Summary:     "Lists the resource sets to which custom roles are assigned.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{connector.LimitInput, connector.CursorInput},
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the resource set's id"},
			{"label", abi.Varchar, "label", ""},
			{"description", abi.Varchar, "description", ""},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"links", abi.JSON, "_links", "links to its resources and to the roles assigned to it"},
		},
		Display:   "label description created last_updated id",
		Endpoints: []*abi.Endpoint{&getResourceSets},
		List:      &connector.List{Endpoint: getResourceSets.Endpoint, Records: "resource-sets", Next: "_links.next"},
	},
	{
		Name:        "list_api_tokens",
		Addition:    true,
		Summary:     "Lists the org's API tokens: who owns them, when they expire and from where they may be used. Okta does not return their values.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{connector.LimitInput, connector.CursorInput},
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the token's id"},
			{"name", abi.Varchar, "name", ""},
			{"user_id", abi.Varchar, "userId", "its owner, whose roles it has"},
			{"client_name", abi.Varchar, "clientName", "what made it"},
			{"created", abi.TimestampTZ, "created", ""},
			{"expires_at", abi.TimestampTZ, "expiresAt", "each use moves it"},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"token_window", abi.Varchar, "tokenWindow", "how long it lives without use (ISO 8601)"},
			{"network_connection", abi.Varchar, "network.connection", "ANYWHERE or ZONE"},
			{"network", abi.JSON, "network", "with the zones"},
			{"links", abi.JSON, "_link|_links", ""},
		},
		Display:   "name user_id created expires_at network_connection id",
		Endpoints: []*abi.Endpoint{&getAPITokens},
		List:      &connector.List{Endpoint: getAPITokens.Endpoint},
	},
}

var roleTargetColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the group, or the instance of the application"},
	{"name", abi.Varchar, "profile.name|displayName", "of the group or application"},
	{"application", abi.Varchar, "name", "the application in Okta's catalogue; NULL for a group"},
	{"type", abi.Varchar, "type", "type of the group"},
	{"status", abi.Varchar, "status", "of the application"},
	{"description", abi.Varchar, "profile.description|description", ""},
	{"created", abi.TimestampTZ, "created", "of the group"},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"profile", abi.JSON, "profile", "of the group"},
	{"links", abi.JSON, "_links", ""},
}

// listRoleTargets finds the role first, because its type decides which targets it has.
func listRoleTargets(c *connector.Call, at string, limit int) (connector.Result, int) {
	p, failed := findPrincipal(c)
	if failed != nil {
		return *failed, 0
	}
	roles, failed := assignments(c, p)
	if failed != nil {
		return *failed, 0
	}
	role, found := assignedRole(roles, p, c.Str("role"))
	if !found {
		return connector.Fail(abi.NotFound, string(abi.NotFound), "the "+p.noun+" has no role "+jsonval.Quote(c.Str("role"))+": list_roles has the roles and their ids"), 0
	}
	typ := role.Get("type").Str()
	targets := targetsOf(typ)
	switch {
	case typ == "CUSTOM":
		return connector.Refuse("role_type", "a custom role has no targets: its resource set "+role.Get("resource-set").Str()+" has the resources"), 0
	case targets == "":
		return connector.Refuse("role_type", "a role of type "+typ+" has no targets: it is for the whole org"), 0
	}
	l := connector.List{Endpoint: p.get + "/" + targets, Filled: p.assignmentPath(role.Get("id").Str()), MaxPage: 200, Noun: "role assignment", Type: "RoleAssignment",
		Omits: func(_ *connector.Call, n int) string {
			if n > 0 || at != "" {
				return ""
			}
			return "the role has no targets: it is for all " + path.Base(targets)
		}}
	return l.ReadPage(c, at, limit)
}

// assignedRole finds a role by id or type. A role that was assigned directly is preferred to one through a group, which can
// have the same id.
func assignedRole(roles jsonval.Value, p principal, idOrType string) (role jsonval.Value, found bool) {
	for a := range roles.Elements() {
		if a.Get("id").Str() != idOrType && a.Get("type").Str() != idOrType {
			continue
		}
		if a.Get("assignmentType").Str() == p.direct {
			return a, true
		}
		if !found {
			role, found = a, true
		}
	}
	return role, found
}
