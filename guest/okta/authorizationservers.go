package okta

import "github.com/mach5/okta-connector/abi"

var (
	readAuthorizationServers = []string{"okta.authorizationServers.read"}

	getAuthorizationServers = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers", Bucket: "/api/v1", Scopes: readAuthorizationServers}
	getScopes               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/scopes", Bucket: "/api/v1", Scopes: readAuthorizationServers}
	getClaims               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/claims", Bucket: "/api/v1", Scopes: readAuthorizationServers}
)

var authorizationServerInput = idInput("authorization_server", "the authorization server's id, or default")

var authorizationServerOperations = []operation{
	{
		name:        "list_authorization_servers",
		summary:     "Lists the org's custom authorization servers. An org without API Access Management rejects it.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{textInput("q", "255", "part of a name or audience"), limitInput, pageSize200, cursorInput},
		example:     `{}`,
		key:         "id",
		columns: []column{
			{"id", abi.Varchar, "id", "the authorization server's id"},
			{"name", abi.Varchar, "name", ""},
			{"description", abi.Varchar, "description", ""},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"issuer", abi.Varchar, "issuer", "a URL"},
			{"issuer_mode", abi.Varchar, "issuerMode", "ORG_URL, CUSTOM_URL or DYNAMIC"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"audiences", abi.JSON, "audiences", ""},
			{"credentials", abi.JSON, "credentials", "how keys rotate"},
			{"links", abi.JSON, "_links", ""},
		},
		endpoints: []abi.Endpoint{getAuthorizationServers},
		list:      &list{endpoint: getAuthorizationServers.Endpoint, query: []param{{"q", "q"}}, maxPage: 200},
	},
	{
		name:        "list_scopes",
		summary:     "Lists the scopes of an authorization server.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			authorizationServerInput,
			textInput("q", "255", "part of a name"),
			textInput("filter", "4096", `such as name eq "openid"`),
			limitInput, cursorInput,
		},
		example: `{"authorization_server":"default"}`,
		key:     "id",
		columns: []column{
			{"id", abi.Varchar, "id", "the scope's id"},
			{"name", abi.Varchar, "name", ""},
			{"display_name", abi.Varchar, "displayName", ""},
			{"description", abi.Varchar, "description", ""},
			{"system", abi.Boolean, "system", "Okta's own"},
			{"is_default", abi.Boolean, "default", "granted when a request names none"},
			{"optional", abi.Boolean, "optional", ""},
			{"consent", abi.Varchar, "consent", "REQUIRED, IMPLICIT, FLEXIBLE or ADMIN"},
			{"metadata_publish", abi.Varchar, "metadataPublish", ""},
			{"links", abi.JSON, "_links", ""},
		},
		endpoints: []abi.Endpoint{getScopes},
		list: &list{endpoint: getScopes.Endpoint, path: []blank{{"authServerId", "authorization_server"}}, query: []param{{"q", "q"}, {"filter", "filter"}},
			maxPage: 200, noun: "authorization server", typ: "AuthorizationServer"},
	},
	{
		name:        "list_claims",
		summary:     "Lists the claims of an authorization server's tokens.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{authorizationServerInput},
		example:     `{"authorization_server":"default"}`,
		key:         "id",
		columns: []column{
			{"id", abi.Varchar, "id", "the claim's id"},
			{"name", abi.Varchar, "name", ""},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"claim_type", abi.Varchar, "claimType", "IDENTITY: id tokens; RESOURCE: access tokens"},
			{"value_type", abi.Varchar, "valueType", "EXPRESSION, GROUPS or SYSTEM"},
			{"value", abi.Varchar, "value", "an expression, or what group names are matched with"},
			{"group_filter_type", abi.Varchar, "group_filter_type", ""},
			{"always_include_in_token", abi.Boolean, "alwaysIncludeInToken", ""},
			{"system", abi.Boolean, "system", "Okta's own"},
			{"conditions", abi.JSON, "conditions", "the scopes that ask for it"},
			{"links", abi.JSON, "_links", ""},
		},
		endpoints: []abi.Endpoint{getClaims},
		list:      &list{endpoint: getClaims.Endpoint, path: []blank{{"authServerId", "authorization_server"}}, noun: "authorization server", typ: "AuthorizationServer"},
	},
}
