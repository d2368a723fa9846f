package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getUserRoles     = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	postUserRoles    = abi.Endpoint{Endpoint: "POST /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}}
	getGroupRoles    = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	postGroupRoles   = abi.Endpoint{Endpoint: "POST /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}}
	getClientRoles   = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	deleteUserRole   = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}}
	deleteGroupRole  = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}}
	deleteClientRole = abi.Endpoint{Endpoint: "DELETE /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}}
	getUserRole      = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles/{roleAssignmentId}", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	getGroupRole     = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles/{roleAssignmentId}", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	getClientRole    = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	getIAMRoles      = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}}
	getIAMRole       = abi.Endpoint{Endpoint: "GET /api/v1/iam/roles/{roleIdOrLabel}", Bucket: "/api/v1/iam", Scopes: []string{"okta.roles.read"}}
	postClientRoles  = abi.Endpoint{Endpoint: "POST /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}}
)

var roleOperations = []operation{
	{
		name:        "assign_role",
		summary:     "Gives a user, group or client an administrator role: a standard one by type, or a custom one on a resource set.",
		class:       abi.Privileged,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			{"user", false, `{"type":"string","minLength":1,"maxLength":255,"description":"a user's id or login"}`},
			{"group", false, `{"type":"string","minLength":1,"maxLength":64,"description":"a group's id"}`},
			{"client", false, `{"type":"string","minLength":1,"maxLength":64,"description":"a client app's id"}`},
			{"type", false, `{"type":"string","pattern":"^[A-Z][A-Z_]{2,63}$","not":{"const":"CUSTOM"},"description":"a standard role, such as HELP_DESK_ADMIN"}`},
			{"role", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of a custom role, with resource_set"}`},
			{"resource_set", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the resource set that a custom role is for"}`},
			{"disable_notifications", false, `{"type":"boolean","default":false,"description":"true makes the principal a third-party administrator: no mail from Okta, no access to the support portal"}`},
		},
		require: `"allOf":[{"oneOf":[{"required":["user"]},{"required":["group"]},{"required":["client"]}]},` +
			`{"oneOf":[{"required":["type"]},{"required":["role","resource_set"]}]},` +
			`{"if":{"required":["type"]},"then":{"not":{"anyOf":[{"required":["role"]},{"required":["resource_set"]}]}}}]`,
		example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getUser, getUserRoles, postUserRoles, getGroupRoles, postGroupRoles, getClientRoles, postClientRoles},
		do:        assignRole,
	},
	{
		name: "revoke_role",
		summary: "Takes an administrator role from a user, group or client. One that comes through a group is rejected; one that is not " +
			"there stays unchanged.",
		class:       abi.Privileged,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: append(principalInputs(),
			textInput("role_assignment", "64", "id of the assignment: unique for this user, group or client alone"),
			input{"type", false, `{"type":"string","pattern":"^[A-Z][A-Z_]{2,63}$","not":{"const":"CUSTOM"},"description":"a standard role, such as HELP_DESK_ADMIN"}`}),
		require:   `"allOf":[` + onePrincipal + `,{"oneOf":[{"required":["role_assignment"]},{"required":["type"]}]}]`,
		example:   `{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`,
		endpoints: []abi.Endpoint{getUser, getUserRoles, deleteUserRole, getGroupRoles, deleteGroupRole, getClientRoles, deleteClientRole},
		do:        revokeRole,
	},
	{
		name:        "list_roles",
		summary:     "Lists the administrator roles of a user, group or client; without one, the org's custom roles.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      append(principalInputs(), limitInput, cursorInput),
		require:     atMostOnePrincipal,
		example:     `{}`,
		key:         "id",
		columns:     roleColumns,
		endpoints:   []abi.Endpoint{getIAMRoles, getUser, getUserRoles, getGroupRoles, getClientRoles},
		pages:       listRoles,
	},
	{
		name:        "get_role",
		summary:     "Reads one custom role by id or label, or one assignment of a user, group or client.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      append([]input{idInput("role", "id or label of a custom role; with user, group or client, id of the assignment")}, principalInputs()...),
		require:     atMostOnePrincipal,
		example:     `{"role":"cr0Yq6IJxGIr0ouum0g3"}`,
		key:         "id",
		columns:     roleColumns,
		endpoints:   []abi.Endpoint{getIAMRole, getUser, getUserRole, getGroupRole, getClientRole},
		do:          readRole,
	},
}

// principalInputs are the three ways to say whose role it is.
func principalInputs() []input {
	return []input{
		textInput("user", "255", "a user's id or login"),
		textInput("group", "64", "a group's id"),
		textInput("client", "64", "a client app's id"),
	}
}

const (
	onePrincipal       = `{"oneOf":[{"required":["user"]},{"required":["group"]},{"required":["client"]}]}`
	atMostOnePrincipal = `"not":{"anyOf":[{"required":["user","group"]},{"required":["user","client"]},{"required":["group","client"]}]}`
)

var roleColumns = []column{
	{"id", abi.Varchar, "id", "the role's id; of an assignment, unique for its user, group or client alone"},
	{"label", abi.Varchar, "label", ""},
	{"type", abi.Varchar, "type", "of an assignment: SUPER_ADMIN, …, or CUSTOM"},
	{"description", abi.Varchar, "description", "of a custom role"},
	{"status", abi.Varchar, "status", "of an assignment"},
	{"assignment_type", abi.Varchar, "assignmentType", "USER, GROUP or CLIENT; a user's GROUP comes through a group"},
	{"role", abi.Varchar, "role", "of a custom assignment: the role's id"},
	{"resource_set", abi.Varchar, "resource-set", "of a custom assignment: what it is for"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// hasPrincipal reports whether the input names a user, group or client.
func (c *call) hasPrincipal() bool { return c.str("user")+c.str("group")+c.str("client") != "" }

func listRoles(c *call, cursor string, limit int) (result, int) {
	if !c.hasPrincipal() {
		l := list{endpoint: getIAMRoles.Endpoint, records: "roles", bodyNext: true}
		return l.page(c, cursor, limit)
	}
	p, failed := c.principal()
	if failed != nil {
		return *failed, 0
	}
	l := list{endpoint: p.list, noun: p.noun, typ: p.typ, resolve: func(*call) ([]hostcall.Pair, *result) { return p.path(), nil }}
	return l.page(c, cursor, limit)
}

func readRole(c *call) result {
	if !c.hasPrincipal() {
		return (&get{endpoint: getIAMRole.Endpoint, path: []blank{{"roleIdOrLabel", "role"}}, noun: "custom role", typ: "CustomRole"}).run(c)
	}
	p, failed := c.principal()
	if failed != nil {
		return *failed
	}
	o, failed := c.read(hostcall.Request{Endpoint: p.one, Path: append(p.path(), at("roleAssignmentId", c.str("role"))...)}, "RoleAssignment", "role assignment")
	if failed != nil {
		return missingUser(*failed, p.typ, p.noun)
	}
	return result{outcome: abi.Succeeded, output: o.Raw()}
}

// revokeRole finds the assignment among those of the principal, since ids of standard roles are the same for everyone,
// and deletes it.
func revokeRole(c *call) result {
	p, failed := c.principal()
	if failed != nil {
		return *failed
	}
	id, typ := c.str("role_assignment"), c.str("type")
	find := func() (own, through jsonval.Value, failed *result) {
		roles, failed := c.roles(p)
		if failed != nil {
			return own, through, failed
		}
		for a := range roles.Elements() {
			if a.Get("id").Str() != id && (typ == "" || a.Get("type").Str() != typ) {
				continue
			}
			if t := a.Get("assignmentType").Str(); t == "" || t == p.direct {
				own = a
			} else {
				through = a
			}
		}
		return own, through, nil
	}
	output := func(a jsonval.Value) string {
		var w jsonval.Writer
		w.Str(p.noun, p.id).StrIf("role_assignment", a.Get("id").Str()).StrIf("type", a.Get("type").Str())
		return w.Bool("assigned", false).String()
	}
	own, through, failed := find()
	switch {
	case failed != nil:
		return *failed
	case !own.Exists() && through.Exists():
		return refuse("assigned_through_group", "the user has the role through a group: take the user out of it, or the role from it")
	case !own.Exists():
		return result{outcome: abi.Unchanged, output: output(own)}
	}
	id, typ = own.Get("id").Str(), ""
	return c.raced(change{
		request: hostcall.Request{Endpoint: p.remove, Path: append(p.path(), at("roleAssignmentId", id)...)},
		typ:     p.typ, noun: p.noun,
		what:   "revoking role " + id + " of " + p.noun + " " + p.id,
		undone: "the role was not revoked",
		done:   func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output(own)} },
		refused: func(r result) result {
			if r.err.Upstream != nil && (oktaError{*r.err.Upstream}).missing("RoleAssignment") { // somebody else was faster
				return result{outcome: abi.Unchanged, output: output(own)}
			}
			return r
		},
		look: func() (reading, result) {
			now, _, failed := find()
			switch {
			case failed != nil:
				return untold, result{}
			case now.Exists():
				return absent, result{}
			}
			return holds, result{output: output(own)}
		},
	})
}

// principal is who has a role: a user, a group or a client.
type principal struct {
	noun, typ              string // as in a 404
	id                     string
	list, add, one, remove string // endpoints
	blank                  string
	direct                 string // assignmentType of a role that was given to the principal itself
}

// principal reads the input's user, group or client. A login is resolved, since roles are kept by id.
func (c *call) principal() (principal, *result) {
	if id := c.str("group"); id != "" {
		return principal{"group", "UserGroup", id, getGroupRoles.Endpoint, postGroupRoles.Endpoint, getGroupRole.Endpoint, deleteGroupRole.Endpoint, "groupId", "GROUP"}, nil
	}
	if id := c.str("client"); id != "" {
		return principal{"client", "PublicClientApp", id, getClientRoles.Endpoint, postClientRoles.Endpoint, getClientRole.Endpoint, deleteClientRole.Endpoint, "clientId", "CLIENT"}, nil
	}
	p := principal{"user", "User", c.str("user"), getUserRoles.Endpoint, postUserRoles.Endpoint, getUserRole.Endpoint, deleteUserRole.Endpoint, "userId", "USER"}
	if !isID(p.id, "00u") {
		u, _, failed := c.readUser(p.id)
		if failed != nil {
			return p, failed
		}
		p.id = u.Get("id").Str()
	}
	return p, nil
}

func (p principal) path() []hostcall.Pair { return []hostcall.Pair{{Name: p.blank, Value: p.id}} }

// roles are the assignments of a principal.
func (c *call) roles(p principal) (jsonval.Value, *result) {
	resp := c.send(hostcall.Request{Endpoint: p.list, Path: p.path()})
	if !ok(resp) {
		r := c.failure(resp, p.typ, p.noun)
		return jsonval.Value{}, &r
	}
	roles, isJSON := c.Body(resp)
	if !isJSON || roles.Kind() != jsonval.Array {
		r := badBody(resp, "no list of roles")
		return roles, &r
	}
	return roles, nil
}

// assignment finds the wanted role among those of a principal.
func (c *call) assignment(p principal) (a jsonval.Value, found bool, failed *result) {
	roles, failed := c.roles(p)
	if failed != nil {
		return a, false, failed
	}
	for a := range roles.Elements() {
		if t := a.Get("assignmentType").Str(); t != "" && t != p.direct {
			continue // through a group: not the principal's own
		}
		if want := c.str("type"); want != "" {
			if a.Get("type").Str() == want {
				return a, true, nil
			}
		} else if a.Get("role").Str() == c.str("role") && a.Get("resource-set").Str() == c.str("resource_set") {
			return a, true, nil
		}
	}
	return a, false, nil
}

// raceDelays are the pauses while another change of role assignments is under way (409 E0000268), in milliseconds.
var raceDelays = [...]int64{500, 1000, 2000, 4000}

func assignRole(c *call) result {
	p, failed := c.principal()
	if failed != nil {
		return *failed
	}
	if a, found, failed := c.assignment(p); failed != nil {
		return *failed
	} else if found {
		return result{outcome: abi.Unchanged, output: a.Raw()}
	}
	var body jsonval.Writer
	if t := c.str("type"); t != "" {
		body.Str("type", t)
	} else {
		body.Str("type", "CUSTOM").Str("role", c.str("role")).Str("resource-set", c.str("resource_set"))
	}
	look := func() (reading, result) {
		a, found, failed := c.assignment(p)
		switch {
		case failed != nil:
			return untold, result{}
		case found:
			return holds, result{output: a.Raw()}
		}
		return absent, result{}
	}
	return c.raced(change{
		request: hostcall.Request{Endpoint: p.add, Path: p.path(), Body: body.String(),
			Query: c.params([]param{{"disable_notifications", "disableNotifications"}})},
		typ: p.typ, noun: p.noun,
		what:   "assigning a role to " + p.noun + " " + p.id,
		undone: "the role was not assigned",
		refused: func(r result) result {
			switch upstreamCode(r) {
			case "E0000090", "E0000263": // somebody else was faster
				if is, now := look(); is == holds {
					return result{outcome: abi.Unchanged, output: now.output}
				}
			}
			return r
		},
		look: look,
	})
}

// raced makes a change that Okta refuses while another change of role assignments is under way.
func (c *call) raced(ch change) result {
	for attempt := 0; ; attempt++ {
		r := c.change(ch)
		if upstreamCode(r) != "E0000268" || attempt == len(raceDelays) || !c.Wait(raceDelays[attempt]) {
			return r
		}
	}
}

func upstreamCode(r result) string {
	if r.err == nil || r.err.Upstream == nil {
		return ""
	}
	return r.err.Upstream.Code
}
