package okta

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getUserGrants         = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/grants", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: []string{"scopeId", "expand", "after", "limit"}}
	deleteUserGrants      = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/grants", Bucket: "/api/v1/users", Scopes: manageUsers}
	getUserClientGrants   = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/clients/{clientId}/grants", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: []string{"after", "limit"}}
	deleteUserClientGrant = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/clients/{clientId}/grants", Bucket: "/api/v1/users", Scopes: manageUsers}
)

var grantOperations = []connector.Operation{
	{
		Name:        "list_user_grants",
		Addition:    true,
		Summary:     "Lists the OAuth scopes that a user has granted to applications.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{userInput, connector.TextInput("scope", "255", "only grants of this scope"),
			{"expand", false, `{"enum":["scope"],"description":"adds the scope's description to the record"}`},
			connector.LimitInput, pageSize200, connector.CursorInput},
		Example: `{"user":"ada.lovelace@example.com"}`,
		Key:     "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the grant's id"},
			{"client_id", abi.Varchar, "clientId", "the application"},
			{"scope_id", abi.Varchar, "scopeId", "the scope's name"},
			{"status", abi.Varchar, "status", "ACTIVE or REVOKED"},
			{"source", abi.Varchar, "source", "who consented: ADMIN or END_USER"},
			{"issuer", abi.Varchar, "issuer", "the authorization server"},
			{"grant_user_id", abi.Varchar, "userId", "who granted it"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"created_by", abi.JSON, "createdBy", ""},
			{"embedded", abi.JSON, "_embedded", "the scope, with expand scope"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "scope_id client_id status source created id",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getUserGrants},
		List: &connector.List{Endpoint: getUserGrants.Endpoint, Resolve: userPath, Query: []connector.Param{{"scope", "scopeId"}, {"expand", "expand"}},
			Keep: []connector.Param{{"scope", "scopeId"}, {"expand", "expand"}}, MaxPage: 200, Noun: "user", Type: "User"},
		View: &abi.View{Name: "user_grants", Of: ofUsers, Comment: "The OAuth grants of each user: a request for each."},
	},
	{
		Name: "revoke_user_grants",
		Summary: "Revokes the OAuth scopes that a user has granted to applications, or to one application. The output lists them. A user without such grants is " +
			"unchanged. To end issued tokens as well, run revoke_session with oauth_tokens.",
		Addition:    true,
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{targetInput, {"client", false, connector.IDSchema("64", "the client app's id; default: all")}},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Rejects:     "short_name too_many",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getUserGrants, &getUserClientGrants, &deleteUserGrants, &deleteUserClientGrant},
		Do:          revokeUserGrants,
	},
}

// activeGrants reads a user's grants to a client, or to all if client is empty.
func activeGrants(c *connector.Call, user, client string) (all []jsonval.Value, failed *connector.Result) {
	req, advice := hostcall.Request{Endpoint: getUserGrants.Endpoint, Path: connector.Pairs("userId", user)}, "give client to revoke the grants to one application"
	if client != "" {
		req, advice = hostcall.Request{Endpoint: getUserClientGrants.Endpoint, Path: connector.Pairs("userId", user, "clientId", client)}, "revoke them in Okta's Admin Console"
	}
	req.Query = connector.Pairs("limit", "200")
	grants, left, failed := c.Gather(connector.Gathering{Request: req, Size: 200, Most: connector.MaxPages, What: "grants", Type: "User", Noun: "user"})
	if left {
		r := connector.Refuse("too_many", "the user has more than the "+strconv.Itoa(len(grants))+" grants that are read: "+advice)
		return nil, &r
	}
	if client != "" && failed != nil && failed.Err.Upstream != nil && typed(*failed.Err.Upstream) && objectMissing(*failed.Err.Upstream) && !missingType(*failed.Err.Upstream, "User") {
		return nil, nil // the client does not exist, so it has no grants
	}
	for _, g := range grants {
		if g.Get("status").Str() != "REVOKED" && (client == "" || g.Get("clientId").Str() == client) {
			all = append(all, g)
		}
	}
	return all, failed
}

func revokeUserGrants(c *connector.Call) connector.Result {
	user, failed := userID(c)
	if failed != nil {
		return *failed
	}
	client, trace := c.Str("client"), ""
	before, failed := activeGrants(c, user, client)
	if failed != nil {
		return *failed
	}
	var w jsonval.Writer
	output := w.Str("user", user).StrIf("client", client).Raw("revoked", texts.JSONArray(before, func(g jsonval.Value) string {
		trace = max(trace, cmp.Or(g.Get("lastUpdated").Str(), g.Get("created").Str()))
		var w jsonval.Writer
		return w.Str("id", g.Get("id").Str()).Str("client_id", g.Get("clientId").Str()).Str("scope_id", g.Get("scopeId").Str()).String()
	})).String()
	if before == nil && c.Settling { // the earlier run found grants before it wrote
		return c.Reconcile(connector.Result{Output: output})
	}
	if before == nil {
		return connector.Result{Outcome: abi.Unchanged, Output: output}
	}
	look := func() (connector.Reading, connector.Result) {
		now, failed := activeGrants(c, user, client)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case slices.ContainsFunc(now, func(g jsonval.Value) bool {
			return slices.ContainsFunc(before, func(b jsonval.Value) bool { return b.Get("id").Equal(g.Get("id")) })
		}):
			return connector.Absent, connector.Result{}
		}
		return connector.Holds, connector.Result{Output: output}
	}
	req := hostcall.Request{Endpoint: deleteUserGrants.Endpoint, Path: connector.Pairs("userId", user)}
	if client != "" {
		req = hostcall.Request{Endpoint: deleteUserClientGrant.Endpoint, Path: connector.Pairs("userId", user, "clientId", client)}
	}
	what := "revoking grants of user " + user
	return c.Change(connector.Change{
		Request: req, Type: "User", Noun: "user",
		What:   what,
		Undone: "the grants were not revoked",
		Trace:  trace,
		Done:   func(hostcall.Response) connector.Result { return c.ConfirmEffect(look, output, what) },
		Refused: func(r connector.Result) connector.Result {
			if is, now := look(); r.Err.Upstream != nil && r.Err.Upstream.Status == 404 && is == connector.Holds { // another client has revoked them
				now.Outcome = abi.Unchanged
				return now
			}
			return r
		},
		Look: look,
	})
}
