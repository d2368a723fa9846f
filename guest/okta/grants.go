package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var getUserGrants = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/grants", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: []string{"scopeId", "expand", "after", "limit"}}

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
}
