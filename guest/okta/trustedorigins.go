package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

var getTrustedOrigins = abi.Endpoint{Endpoint: "GET /api/v1/trustedOrigins", Bucket: "/api/v1", Scopes: []string{"okta.trustedOrigins.read"}, Query: []string{"q", "filter", "after", "limit"}}

var trustedOriginOperations = []connector.Operation{
	{
		Name:        "list_trusted_origins",
		Addition:    true,
		Summary:     "Lists the web origins that may call Okta from a browser, or to which Okta may redirect.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("filter", "4096", `filter on name, origin, status or type (of scopes), such as status eq "ACTIVE"`),
			connector.TextInput("q", "255", "prefix of a name or origin"),
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Example: `{"filter":"status eq \"ACTIVE\""}`,
		Key:     "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the trusted origin's id"},
			{"name", abi.Varchar, "name", ""},
			{"origin", abi.Varchar, "origin", "scheme, host and port"},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"created", abi.TimestampTZ, "created", ""},
			{"created_by", abi.Varchar, "createdBy", "user id"},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"last_updated_by", abi.Varchar, "lastUpdatedBy", "user id"},
			{"scopes", abi.JSON, "scopes", "CORS, REDIRECT or IFRAME_EMBED"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name origin status scopes:type last_updated id",
		Endpoints: []*abi.Endpoint{&getTrustedOrigins},
		List:      &connector.List{Endpoint: getTrustedOrigins.Endpoint, Query: []connector.Param{{"filter", "filter"}, {"q", "q"}}, MaxPage: 200},
		View: &abi.View{Name: "trusted_origins", Answers: []abi.Answer{
			{Operation: "list_trusted_origins", Filter: "filter", Conditions: attributes(equal, "name name", "origin origin", "status status")},
		}},
	},
}
