package okta

import (
	"github.com/mach5/okta-connector/abi"
)

var (
	getAuthorizationServers = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}}
	getScopes               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/scopes", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}}
	getClaims               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/claims", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}}
)

var (
	authorizationServerInput = input{"authorization_server", true, authorizationServerSchema}
	authorizationServerPath  = []blank{{"authServerId", "authorization_server"}}
)

const authorizationServerSchema = `{"type":"string","minLength":1,"maxLength":64,"description":"the authorization server's id, or default"}`

var authorizationServerOperations = []operation{
	{
		name:        "list_authorization_servers",
		summary:     "Lists custom authorization servers. An org without API Access Management has none, and says so.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"a part of the name or of an audience"}`},
			limitInput, cursorInput,
		},
		example:   `{}`,
		key:       "id",
		columns:   authorizationServerColumns,
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
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"a part of the scope's name"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a filter, passed on as it is"}`},
			limitInput, cursorInput,
		},
		example:   `{"authorization_server":"default"}`,
		key:       "id",
		columns:   scopeColumns,
		endpoints: []abi.Endpoint{getScopes},
		list: &list{endpoint: getScopes.Endpoint, path: authorizationServerPath, query: []param{{"q", "q"}, {"filter", "filter"}},
			maxPage: 200, noun: "authorization server", typ: "AuthorizationServer"},
	},
	{
		name:        "list_claims",
		summary:     "Lists the claims of an authorization server.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{authorizationServerInput},
		example:     `{"authorization_server":"default"}`,
		key:         "id",
		columns:     claimColumns,
		endpoints:   []abi.Endpoint{getClaims},
		list: &list{endpoint: getClaims.Endpoint, path: authorizationServerPath, onePage: true,
			noun: "authorization server", typ: "AuthorizationServer"},
	},
}

var authorizationServerColumns = []column{
	{"id", abi.Varchar, "id", "the authorization server's id"},
	{"name", abi.Varchar, "name", ""},
	{"description", abi.Varchar, "description", ""},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"issuer", abi.Varchar, "issuer", "the iss of its tokens"},
	{"issuer_mode", abi.Varchar, "issuerMode", "ORG_URL, CUSTOM_URL or DYNAMIC"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"is_default", abi.Boolean, "default", "the one that every org with the feature has"},
	{"audiences", abi.JSON, "audiences", "the aud of its tokens"},
	{"credentials", abi.JSON, "credentials", "which key signs, and when it changes"},
	{"links", abi.JSON, "_links", ""},
}

var scopeColumns = []column{
	{"id", abi.Varchar, "id", "the scope's id"},
	{"name", abi.Varchar, "name", "as in a token request"},
	{"display_name", abi.Varchar, "displayName", "in the consent dialog"},
	{"description", abi.Varchar, "description", ""},
	{"consent", abi.Varchar, "consent", "IMPLICIT, REQUIRED or FLEXIBLE"},
	{"metadata_publish", abi.Varchar, "metadataPublish", "ALL_CLIENTS or NO_CLIENTS"},
	{"is_default", abi.Boolean, "default", "given to a request that names no scope"},
	{"optional", abi.Boolean, "optional", "a user may decline it"},
	{"system", abi.Boolean, "system", "Okta made it"},
	{"links", abi.JSON, "_links", ""},
}

var claimColumns = []column{
	{"id", abi.Varchar, "id", "the claim's id"},
	{"name", abi.Varchar, "name", "as in the token"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"claim_type", abi.Varchar, "claimType", "RESOURCE (access token) or IDENTITY (ID token)"},
	{"value_type", abi.Varchar, "valueType", "EXPRESSION, GROUPS or SYSTEM"},
	{"value", abi.Varchar, "value", "the expression"},
	{"group_filter_type", abi.Varchar, "group_filter_type", ""},
	{"always_include_in_token", abi.Boolean, "alwaysIncludeInToken", ""},
	{"system", abi.Boolean, "system", "Okta made it"},
	{"conditions", abi.JSON, "conditions", "the scopes that it is for"},
	{"links", abi.JSON, "_links", ""},
}
