package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getUserRoles    = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.read"}}
	postUserRoles   = abi.Endpoint{Endpoint: "POST /api/v1/users/{userId}/roles", Bucket: "/api/v1/users", Scopes: []string{"okta.roles.manage"}}
	getGroupRoles   = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.read"}}
	postGroupRoles  = abi.Endpoint{Endpoint: "POST /api/v1/groups/{groupId}/roles", Bucket: "/api/v1/groups", Scopes: []string{"okta.roles.manage"}}
	getClientRoles  = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.read"}}
	postClientRoles = abi.Endpoint{Endpoint: "POST /oauth2/v1/clients/{clientId}/roles", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.roles.manage"}}
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
}

// principal is who has a role: a user, a group or a client.
type principal struct {
	noun, typ string // as in a 404
	id        string
	list, add string // endpoints
	blank     string
	direct    string // assignmentType of a role that was given to the principal itself
}

// principal reads the input's user, group or client. A login is resolved, since roles are kept by id.
func (c *call) principal() (principal, *result) {
	if id := c.str("group"); id != "" {
		return principal{"group", "UserGroup", id, getGroupRoles.Endpoint, postGroupRoles.Endpoint, "groupId", "GROUP"}, nil
	}
	if id := c.str("client"); id != "" {
		return principal{"client", "PublicClientApp", id, getClientRoles.Endpoint, postClientRoles.Endpoint, "clientId", "CLIENT"}, nil
	}
	p := principal{"user", "User", c.str("user"), getUserRoles.Endpoint, postUserRoles.Endpoint, "userId", "USER"}
	if !isID(p.id, "00u") {
		u, _, failed := c.readUser(p.id)
		if failed != nil {
			return p, failed
		}
		p.id = u.Get("id").Str()
	}
	return p, nil
}

// isID reports whether s looks like an Okta id: its prefix and 17 letters and digits.
func isID(s, prefix string) bool {
	return len(s) == 20 && strings.HasPrefix(s, prefix) &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

func (p principal) path() []hostcall.Pair { return []hostcall.Pair{{Name: p.blank, Value: p.id}} }

// assignment finds the wanted role among those of a principal.
func (c *call) assignment(p principal) (a jsonval.Value, found bool, failed *result) {
	resp := c.send(hostcall.Request{Endpoint: p.list, Path: p.path()})
	if !ok(resp) {
		r := c.failure(resp, p.typ, p.noun)
		return a, false, &r
	}
	roles, isJSON := c.Body(resp)
	if !isJSON || roles.Kind() != jsonval.Array {
		r := badBody(resp, "no list of roles")
		return a, false, &r
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
	assign := change{
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
	}
	for attempt := 0; ; attempt++ {
		r := c.change(assign)
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
