package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var getIdentityProviders = abi.Endpoint{Endpoint: "GET /api/v1/idps", Bucket: "/api/v1", Scopes: []string{"okta.idps.read"}, Sensitive: identityProviderSecrets, Query: []string{"q", "after", "limit", "type"}}

// identityProviderSecrets are the members that are removed from an identity provider's record. Okta returns the client
// secret of a social or OpenID Connect provider (okta/okta-sdk-python, recording of list_idps).
var identityProviderSecrets = []string{"protocol.credentials.client.client_secret", "protocol.credentials.signing.privateKey", "protocol.credentials.bearer.apiKey"}

var identityProviderOperations = []connector.Operation{
	{
		Name:        "list_identity_providers",
		Addition:    true,
		Summary:     "Lists the identity providers whose users may sign in to the org. Their secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("q", "255", "part of a name"),
			{"type", false, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z0-9_]+$","description":"such as SAML2, OIDC, X509 or GOOGLE"}`},
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Example:   `{"type":"OIDC"}`,
		Key:       "id",
		Columns:   identityProviderColumns,
		Display:   "name type status sign_in_url provisioning last_updated id",
		Endpoints: []*abi.Endpoint{&getIdentityProviders},
		List: &connector.List{Endpoint: getIdentityProviders.Endpoint, Query: []connector.Param{{"q", "q"}, {"type", "type"}},
			Omit: identityProviderSecrets, MaxPage: 200},
		View: &abi.View{Name: "identity_providers", Answers: []abi.Answer{
			{Operation: "list_identity_providers", Each: 4, Conditions: []abi.Condition{{Column: "type", Value: "type"}}},
		}},
	},
}

var identityProviderColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the identity provider's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "SAML2, OIDC, X509, GOOGLE, …"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"issuer_mode", abi.Varchar, "issuerMode", "ORG_URL, CUSTOM_URL or DYNAMIC"},
	{"protocol_type", abi.Varchar, "protocol.type", "SAML2, OIDC, OAUTH2, MTLS or ID_PROOFING"},
	{"issuer", abi.Varchar, "protocol.issuer.url|protocol.credentials.trust.issuer", "who signs its tokens or assertions"},
	{"sign_in_url", abi.Varchar, "protocol.endpoints.authorization.url|protocol.endpoints.sso.url", "where users sign in"},
	{"client_id", abi.Varchar, "protocol.credentials.client.client_id", "of the org at an OAuth provider"},
	{"provisioning", abi.Varchar, "policy.provisioning.action", "AUTO: a new user is created at the first sign-in"},
	{"profile_source", abi.Boolean, "policy.provisioning.profileMaster", "the provider sets the users' profiles"},
	{"account_link", abi.Varchar, "policy.accountLink.action", "AUTO: an existing user is linked at the first sign-in"},
	{"max_clock_skew", abi.BigInt, "policy.maxClockSkew", "in milliseconds"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"protocol", abi.JSON, "protocol", ""},
	{"policy", abi.JSON, "policy", ""},
	{"properties", abi.JSON, "properties", ""},
	{"links", abi.JSON, "_links", ""},
}
