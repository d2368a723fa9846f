package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var getAuthenticators = abi.Endpoint{Endpoint: "GET /api/v1/authenticators", Bucket: "/api/v1", Scopes: []string{"okta.authenticators.read"}, Sensitive: authenticatorSecrets, Query: pageParams}

// authenticatorSecrets are the members that are removed from an authenticator's record: secrets shared with Duo or with a
// RADIUS server.
var authenticatorSecrets = []string{"provider.configuration.secretKey", "provider.configuration.sharedSecret"}

var authenticatorOperations = []connector.Operation{
	{
		Name: "list_authenticators",
		Summary: "Lists the org's authenticators. Identity Engine only: a Classic org rejects it. Shared " +
			"secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the authenticator's id"},
			{"key", abi.Varchar, "key", "such as okta_verify or webauthn"},
			{"type", abi.Varchar, "type", "app, email, password, phone, security_key, …"},
			{"name", abi.Varchar, "name", ""},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"allowed_for", abi.Varchar, "settings.allowedFor", "any, recovery, sso or none"},
			{"settings", abi.JSON, "settings", ""},
			{"provider", abi.JSON, "provider", ""},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name key type status allowed_for last_updated id",
		Endpoints: []*abi.Endpoint{&getAuthenticators},
		List:      &connector.List{Endpoint: getAuthenticators.Endpoint, Omit: authenticatorSecrets},
	},
}
