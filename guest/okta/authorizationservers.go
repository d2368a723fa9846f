package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var (
	getAuthorizationServers = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}, Query: []string{"q", "limit", "after"}}
	getScopes               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/scopes", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}, Query: []string{"q", "filter", "after", "limit"}}
	getClaims               = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/claims", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}, Query: pageParams}
)

var (
	authorizationServerInput = connector.Input{"authorization_server", true, authorizationServerSchema}
	authorizationServerPath  = []connector.Blank{{"authServerId", "authorization_server"}}
)

// ofServers is for views that have a list for each authorization server.
var ofServers = &abi.ViewOf{View: "authorization_servers", Column: "id", Input: "authorization_server", As: "authorization_server_id", Match: "^(default|[A-Za-z0-9]{20})$"}

const authorizationServerSchema = `{"type":"string","minLength":1,"maxLength":64,"description":"the authorization server's id, or default"}`

var authorizationServerOperations = []connector.Operation{
	{
		Name:        "list_authorization_servers",
		Summary:     "Lists custom authorization servers. An org without API Access Management rejects it.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"part of the name or of an audience"}`},
			connector.LimitInput, connector.CursorInput,
		},
		Example:   `{}`,
		Key:       "id",
		Columns:   authorizationServerColumns,
		Display:   "name status issuer audiences last_updated id",
		Endpoints: []*abi.Endpoint{&getAuthorizationServers},
		List:      &connector.List{Endpoint: getAuthorizationServers.Endpoint, Query: []connector.Param{{"q", "q"}}, MaxPage: 200},
	},
	{
		Name:        "list_scopes",
		Summary:     "Lists the scopes of an authorization server.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			authorizationServerInput,
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"part of the scope's name"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a filter, sent to Okta unchanged"}`},
			connector.LimitInput, connector.CursorInput,
		},
		Example:   `{"authorization_server":"default"}`,
		Key:       "id",
		Columns:   scopeColumns,
		Display:   "name display_name consent is_default system description id",
		Endpoints: []*abi.Endpoint{&getScopes},
		List: &connector.List{Endpoint: getScopes.Endpoint, Path: authorizationServerPath, Query: []connector.Param{{"q", "q"}, {"filter", "filter"}},
			MaxPage: 200, Noun: "authorization server", Type: "AuthorizationServer"},
		View: &abi.View{Name: "scopes", Of: ofServers, Comment: "The scopes of each authorization server: a request or more for each."},
	},
	{
		Name:        "list_claims",
		Summary:     "Lists the claims of an authorization server.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{authorizationServerInput},
		Example:     `{"authorization_server":"default"}`,
		Key:         "id",
		Columns:     claimColumns,
		Display:     "name claim_type value_type value status system id",
		Endpoints:   []*abi.Endpoint{&getClaims},
		List: &connector.List{Endpoint: getClaims.Endpoint, Path: authorizationServerPath, OnePage: true,
			Noun: "authorization server", Type: "AuthorizationServer"},
		View: &abi.View{Name: "claims", Of: ofServers, Comment: "The claims of each authorization server: a request for each."},
	},
}

var authorizationServerColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the authorization server's id"},
	{"name", abi.Varchar, "name", ""},
	{"description", abi.Varchar, "description", ""},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"issuer", abi.Varchar, "issuer", "iss claim of its tokens"},
	{"issuer_mode", abi.Varchar, "issuerMode", "ORG_URL, CUSTOM_URL or DYNAMIC"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"is_default", abi.Boolean, "default", "true for the server named default"},
	{"audiences", abi.JSON, "audiences", "aud claim of its tokens"},
	{"credentials", abi.JSON, "credentials", "signing key and its rotation"},
	{"links", abi.JSON, "_links", ""},
}

var scopeColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the scope's id"},
	{"name", abi.Varchar, "name", "as in a token request"},
	{"display_name", abi.Varchar, "displayName", "in the consent dialog"},
	{"description", abi.Varchar, "description", ""},
	{"consent", abi.Varchar, "consent", "IMPLICIT, REQUIRED or FLEXIBLE"},
	{"metadata_publish", abi.Varchar, "metadataPublish", "ALL_CLIENTS or NO_CLIENTS"},
	{"is_default", abi.Boolean, "default", "granted to a request that names no scope"},
	{"optional", abi.Boolean, "optional", "users may decline it"},
	{"system", abi.Boolean, "system", "created by Okta"},
	{"links", abi.JSON, "_links", ""},
}

var claimColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the claim's id"},
	{"name", abi.Varchar, "name", "as in the token"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"claim_type", abi.Varchar, "claimType", "RESOURCE (access token) or IDENTITY (ID token)"},
	{"value_type", abi.Varchar, "valueType", "EXPRESSION, GROUPS or SYSTEM"},
	{"value", abi.Varchar, "value", "the expression"},
	{"group_filter_type", abi.Varchar, "group_filter_type", ""},
	{"always_include_in_token", abi.Boolean, "alwaysIncludeInToken", ""},
	{"system", abi.Boolean, "system", "created by Okta"},
	{"conditions", abi.JSON, "conditions", "scopes that it is limited to"},
	{"links", abi.JSON, "_links", ""},
}
