package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var getLogStreams = abi.Endpoint{Endpoint: "GET /api/v1/logStreams", Bucket: "/api/v1", Scopes: []string{"okta.logStreams.read"}, Sensitive: logStreamSecrets, Query: []string{"after", "limit", "filter"}}

// logStreamSecrets are the members that are removed from a log stream's record: the token of a Splunk Cloud receiver.
var logStreamSecrets = []string{"settings.token"}

var logStreamOperations = []connector.Operation{
	{
		Name:        "list_log_streams",
		Addition:    true,
		Summary:     "Lists the log streams: receivers to which Okta forwards the System Log. Their tokens are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("filter", "4096", `one comparison of status or type with eq, such as type eq "aws_eventbridge"`),
			connector.TextInput("type", "255", "only log streams of this type, such as aws_eventbridge"),
			connector.TextInput("status", "255", "only log streams of this status: ACTIVE or INACTIVE"),
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Require: `"description":"give at most one of filter, type and status","not":{"anyOf":[{"required":["filter","type"]},{"required":["filter","status"]},{"required":["type","status"]}]}`,
		Example: `{"filter":"status eq \"ACTIVE\""}`,
		Key:     "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the log stream's id"},
			{"name", abi.Varchar, "name", ""},
			{"type", abi.Varchar, "type", "aws_eventbridge or splunk_cloud_logstreaming"},
			{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
			{"host", abi.Varchar, "settings.host", "of Splunk Cloud"},
			{"edition", abi.Varchar, "settings.edition", "of Splunk Cloud"},
			{"account_id", abi.Varchar, "settings.accountId", "of AWS"},
			{"region", abi.Varchar, "settings.region", "of AWS"},
			{"event_source_name", abi.Varchar, "settings.eventSourceName", "in AWS EventBridge"},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"settings", abi.JSON, "settings", ""},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name type status host account_id region last_updated id",
		Endpoints: []*abi.Endpoint{&getLogStreams},
		List:      &connector.List{Endpoint: getLogStreams.Endpoint, Query: []connector.Param{{"filter", "filter"}}, More: logStreamFilter, Omit: logStreamSecrets, MaxPage: 200},
		View: &abi.View{Name: "log_streams", Answers: []abi.Answer{
			// not Filter: Okta accepts one comparison only
			{Operation: "list_log_streams", Each: 2, Conditions: []abi.Condition{{Column: "type", Value: "type"}, {Column: "status", Value: "status"}}},
		}},
	},
}

// logStreamFilter returns the filter for the input type or status. Okta compares one of them with one value:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/LogStream/#tag/LogStream/operation/listLogStreams
func logStreamFilter(c *connector.Call) []hostcall.Pair {
	for _, attribute := range [...]string{"type", "status"} {
		if value := c.Str(attribute); value != "" {
			return connector.Pairs("filter", attribute+" eq "+jsonval.Quote(value))
		}
	}
	return nil
}
