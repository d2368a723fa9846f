package okta

import "github.com/mach5/okta-connector/abi"

var (
	getClients       = abi.Endpoint{Endpoint: "GET /oauth2/v1/clients", Bucket: "/oauth2/v1/clients", Scopes: []string{"okta.clients.read"}}
	getServerClients = abi.Endpoint{Endpoint: "GET /api/v1/authorizationServers/{authServerId}/clients", Bucket: "/api/v1", Scopes: readAuthorizationServers}
)

var clientOperations = []operation{
	{
		name: "list_oauth_clients",
		summary: "Lists the org's OAuth clients, or those that hold tokens of one authorization server. Secrets that Okta puts into them come " +
			"out as Okta gives them.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("authorization_server", "255", "clients with tokens of this authorization server; without q"),
			textInput("q", "255", "the beginning of a client's name"),
			limitInput, cursorInput,
		},
		require: `"if":{"required":["authorization_server"]},"then":{"not":{"required":["q"]}}`,
		example: `{}`,
		key:     "client_id",
		columns: []column{
			{"client_id", abi.Varchar, "client_id", "the client's id"},
			{"client_name", abi.Varchar, "client_name", ""},
			{"application_type", abi.Varchar, "application_type", "web, native, browser or service"},
			{"token_endpoint_auth_method", abi.Varchar, "token_endpoint_auth_method", ""},
			{"client_uri", abi.Varchar, "client_uri", ""},
			{"logo_uri", abi.Varchar, "logo_uri", ""},
			{"client_id_issued_at", abi.BigInt, "client_id_issued_at", "seconds since 1970"},
			{"client_secret_expires_at", abi.BigInt, "client_secret_expires_at", "seconds since 1970; 0 is never"},
			{"initiate_login_uri", abi.Varchar, "initiate_login_uri", ""},
			{"redirect_uris", abi.JSON, "redirect_uris", ""},
			{"response_types", abi.JSON, "response_types", ""},
			{"grant_types", abi.JSON, "grant_types", ""},
			{"jwks", abi.JSON, "jwks", ""},
		},
		endpoints: []abi.Endpoint{getClients, getServerClients},
		pages: func(c *call, at string, limit int) (result, int) {
			l := list{endpoint: getClients.Endpoint, query: []param{{"q", "q"}}, maxPage: 200}
			if c.str("authorization_server") != "" {
				l = list{endpoint: getServerClients.Endpoint, path: []blank{{"authServerId", "authorization_server"}},
					noun: "authorization server", typ: "AuthorizationServer"}
			}
			return l.page(c, at, limit)
		},
	},
}
