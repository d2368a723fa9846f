package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var (
	getBehaviors     = abi.Endpoint{Endpoint: "GET /api/v1/behaviors", Bucket: "/api/v1", Scopes: []string{"okta.behaviors.read"}, Query: pageParams}
	getThreatInsight = abi.Endpoint{Endpoint: "GET /api/v1/threats/configuration", Bucket: "/api/v1", Scopes: []string{"okta.threatInsights.read"}}
)

// behaviorOperations read how the org recognises unusual and malicious sign-ins.
var behaviorOperations = []connector.Operation{
	{
		Name:        "list_behaviors",
		Addition:    true,
		Summary:     "Lists the behavior detection rules: which sign-ins count as unusual, such as from a new device.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the rule's id"},
			{"name", abi.Varchar, "name", "policy rules refer to it"},
			{"type", abi.Varchar, "type", "ANOMALOUS_LOCATION, ANOMALOUS_DEVICE, ANOMALOUS_IP, ANOMALOUS_ASN or VELOCITY"},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"settings", abi.JSON, "settings", ""},
			{"links", abi.JSON, "_links|_link", ""},
		},
		Display:   "name type status settings last_updated id",
		Endpoints: []*abi.Endpoint{&getBehaviors},
		List:      &connector.List{Endpoint: getBehaviors.Endpoint},
	},
	{
		Name:        "get_threat_insight",
		Addition:    true,
		Summary:     "Reads what Okta ThreatInsight does with sign-ins from addresses known for attacks.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "action", // the only member that Okta's document requires
		Columns: []connector.Column{
			{"action", abi.Varchar, "action", "none, audit (only logs) or block"},
			{"exclude_zones", abi.JSON, "excludeZones", "ids of network zones whose addresses are exempt"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "action exclude_zones last_updated",
		Endpoints: []*abi.Endpoint{&getThreatInsight},
		Get:       &connector.Get{Endpoint: getThreatInsight.Endpoint, Noun: "ThreatInsight configuration"},
		View:      &abi.View{Name: "threat_insight"},
	},
}
