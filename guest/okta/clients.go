package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var (
	getClients       = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.clients.read"}, Sensitive: clientSecrets, Query: []string{"q", "after", "limit"}}
	getServerClients = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/clients", Bucket: "/api/v1", Scopes: []string{"okta.authorizationServers.read"}, Sensitive: clientSecrets, Query: pageParams}
)

var clientOperations = []connector.Operation{
	{
		Name: "list_oauth_clients",
		Summary: "Lists the org's OAuth clients, or those with tokens from one authorization server. " +
			"Client secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"authorization_server", false, authorizationServerSchema},
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"prefix of a client's name; not with authorization_server"}`},
			connector.LimitInput, connector.CursorInput,
		},
		Require:   `"description":"q and authorization_server exclude each other","not":{"required":["authorization_server","q"]}`,
		Example:   `{}`,
		Key:       "client_id",
		Columns:   clientColumns,
		Display:   "client_name application_type client_id token_endpoint_auth_method grant_types",
		Endpoints: []*abi.Endpoint{&getClients, &getServerClients},
		Pages: func(c *connector.Call, at string, limit int) (connector.Result, int) {
			if c.Str("authorization_server") != "" {
				return clientsOfServer.ReadPage(c, at, limit)
			}
			return clientsOfOrg.ReadPage(c, at, limit)
		},
	},
}

// clientSecrets are the members that are removed from a client's record.
var clientSecrets = []string{"client_secret", "registration_access_token"}

var (
	clientsOfOrg = connector.List{Endpoint: getClients.Endpoint, Query: []connector.Param{{"q", "q"}}, MaxPage: 200, Omit: clientSecrets}

	clientsOfServer = connector.List{Endpoint: getServerClients.Endpoint, Path: authorizationServerPath, Omit: clientSecrets,
		Noun: "authorization server", Type: "AuthorizationServer"}
)

var clientColumns = []connector.Column{
	{"client_id", abi.Varchar, "client_id", "the client's id"},
	{"client_name", abi.Varchar, "client_name", ""},
	{"application_type", abi.Varchar, "application_type", "web, native, browser or service"},
	{"token_endpoint_auth_method", abi.Varchar, "token_endpoint_auth_method", "how the client authenticates"},
	{"client_id_issued_at", abi.BigInt, "client_id_issued_at", "seconds since 1970"},
	{"client_secret_expires_at", abi.BigInt, "client_secret_expires_at", "seconds since 1970; 0: never"},
	{"client_uri", abi.Varchar, "client_uri", ""},
	{"logo_uri", abi.Varchar, "logo_uri", ""},
	{"initiate_login_uri", abi.Varchar, "initiate_login_uri", ""},
	{"policy_uri", abi.Varchar, "policy_uri", ""},
	{"tos_uri", abi.Varchar, "tos_uri", ""},
	{"jwks_uri", abi.Varchar, "jwks_uri", ""},
	{"dpop_bound_access_tokens", abi.Boolean, "dpop_bound_access_tokens", ""},
	{"grant_types", abi.JSON, "grant_types", ""},
	{"response_types", abi.JSON, "response_types", ""},
	{"redirect_uris", abi.JSON, "redirect_uris", ""},
	{"post_logout_redirect_uris", abi.JSON, "post_logout_redirect_uris", ""},
	{"jwks", abi.JSON, "jwks", "public keys"},
	{"links", abi.JSON, "_links", ""},
}
