package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var getEventHooks = abi.Endpoint{Endpoint: "GET /api/v1/eventHooks", Bucket: "/api/v1", Scopes: []string{"okta.eventHooks.read"}, Sensitive: eventHookSecrets, Query: pageParams}

// eventHookSecrets are the members that are removed from an event hook's record: what Okta sends to the receiver so that it
// trusts the call. A header may have a secret too.
var eventHookSecrets = []string{"channel.config.authScheme.value", "channel.config.headers.value"}

var eventHookOperations = []connector.Operation{
	{
		Name:        "list_event_hooks",
		Addition:    true,
		Summary:     "Lists the event hooks: where Okta sends events as they happen. The values of their headers are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the event hook's id"},
			{"name", abi.Varchar, "name", ""},
			{"description", abi.Varchar, "description", ""},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"verification_status", abi.Varchar, "verificationStatus", "VERIFIED or UNVERIFIED"},
			{"uri", abi.Varchar, "channel.config.uri", "where Okta sends the events"},
			{"event_types", abi.JSON, "events.items", "which events it sends"},
			{"filter", abi.JSON, "events.filter", "conditions for each type"},
			{"created", abi.TimestampTZ, "created", ""},
			{"created_by", abi.Varchar, "createdBy", "user id"},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"events", abi.JSON, "events", ""},
			{"channel", abi.JSON, "channel", "without the values of headers"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name status verification_status uri event_types last_updated id",
		Endpoints: []*abi.Endpoint{&getEventHooks},
		List:      &connector.List{Endpoint: getEventHooks.Endpoint, Omit: eventHookSecrets},
	},
}
