// Package okta defines the operations of the Okta connector. Each resource has a file with a table of its operations,
// and functions for what a table cannot express.
//
// It is plain Go that builds and tests natively; package main in guest builds the Wasm module.
package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Kind and Version name the module.
const (
	Kind    = "okta"
	Version = "0.1.0"
)

// Connector returns the Okta connector.
func Connector() *connector.Connector {
	return &connector.Connector{
		Kind:         Kind,
		Version:      Version,
		ConfigSchema: encode.ConnectionSchema(Kind, okta.Name, "the org's address, such as https://example.okta.com", true),
		Members: []hostcall.Pair{
			// E0000005 (Invalid session) is also what an access token gets that expired during a walk over pages
			// (okta/okta-sdk-dotnet#875).
			{Name: "auth", Value: `[{"type":"token","header":"Authorization","prefix":"SSWS"},` +
				`{"type":"oauth","header":"Authorization","prefix":"Bearer","token_endpoint":"POST /oauth2/v1/token","client_auth":"private_key_jwt","dpop":true,` +
				`"expired_codes":["E0000005"]}]`},
			{Name: "base_url", Value: `{"example":"https://example.okta.com","consoles":` + texts.JSONArray(domains, console) + `}`},
			{Name: "request_id_header", Value: `"X-Okta-Request-Id"`},
			{Name: "response_headers", Value: `["x-okta-request-id"]`},
			// The Accept header of application lists: "application/json;
			// okta-response=omitCredentials,omitCredentialsLinks".
			{Name: "content_type_parameters", Value: `["okta-response"]`},
			// Some of Okta's times have a space instead of the T, and no zone.
			{Name: "time_layouts", Value: `["YYYY-MM-DD hh:mm:ss"]`},
			// Okta sends a limit of 0 if the org has too many concurrent requests.
			{Name: "rate_limit_habits", Value: `{"reset":"epoch","zero_limit":"concurrency","window_seconds":60}`},
			{Name: "rate_limit_headers", Value: `{"limit":"X-Rate-Limit-Limit","remaining":"X-Rate-Limit-Remaining","reset":"X-Rate-Limit-Reset"}`},
			{Name: "rate_limit_errors", Value: `{"code":"errorCode","summary":"errorSummary","buckets":["` + bucketLimit + `"],"wait":"wait ([0-9]+) seconds?"}`},
			{Name: "account", Value: account()},
		},
		Service: okta,
		Operations: [][]connector.Operation{orgOperations, logOperations, userOperations, groupOperations, applicationOperations,
			factorOperations, authenticatorOperations, deviceOperations, sessionOperations, policyOperations, zoneOperations,
			authorizationServerOperations, clientOperations, roleOperations, inventoryOperations, groupRuleOperations,
			administratorOperations, userTypeOperations, grantOperations, identityProviderOperations, trustedOriginOperations,
			eventHookOperations, logStreamOperations, behaviorOperations, roleTargetOperations},
	}
}

// Manifest returns the module's manifest, which is the describe export's result and the content of the custom section.
func Manifest() []byte { return Connector().Manifest() }

// domains are the domains of Okta orgs.
var domains = []string{"okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil", "trexcloud.com"}

// console returns the host of the Admin Console for orgs of a domain.
func console(domain string) string {
	return `{"suffix":"-admin.` + domain + `","use":".` + domain + `"}`
}

// account describes how to read the token's owner.
func account() string {
	var w jsonval.Writer
	return w.Raw("endpoint", encode.Endpoint(&getMe)).Str("id", "id").Str("name", "profile.login").String()
}

// optional returns an endpoint that an operation does without if the app's scopes do not allow it.
func optional(e *abi.Endpoint) *abi.Endpoint {
	c := *e
	c.Optional = true
	return &c
}

// Inputs of several operations.
var (
	userInput   = loginInput("user", "the user's id or login")
	targetInput = loginInput("user", "the user's id or full login; not its part before the @, and not me")

	pageSize200 = connector.Input{"page_size", false,
		`{"type":"integer","minimum":1,"maximum":200,"description":"records per request; default: the connection's default_page_size, else 200"}`}
)

// Sets of surfaces.
var (
	axon          = []abi.Surface{abi.Axon}
	axonSQL       = []abi.Surface{abi.Axon, abi.SQL}
	axonIngestSQL = []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}
)

var (
	sendEmailInput = connector.BoolInput("send_email", "makes Okta send an e-mail about the change")
	sortByInput    = connector.TextInput("sort_by", "255", "attribute to sort by, such as profile.lastName")
	sortRequire    = `"description":"sort_order needs sort_by","dependentRequired":{"sort_order":["sort_by"]}`
	sortOrderInput = connector.Input{"sort_order", false, `{"enum":["asc","desc"],"default":"asc","description":"with sort_by"}`}
)

// loginInput returns a required input that names a user by id or login. A login may have any character except control
// characters.
func loginInput(name, description string) connector.Input {
	return connector.Input{name, true, loginSchema(description)}
}

func loginSchema(description string) string {
	return `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[^\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

// Operators of filters.
var (
	equal  = []string{abi.OperatorEqual}
	starts = []string{abi.OperatorEqual, abi.OperatorStarts}
	within = []string{abi.OperatorAtLeast, abi.OperatorAtMost}
)

// attributes returns conditions on columns that a filter takes with the same operators. Each is a column and the attribute's
// name in a filter.
func attributes(operators []string, columns ...string) []abi.Condition {
	var all []abi.Condition
	for _, c := range columns {
		column, name, _ := strings.Cut(c, " ")
		all = append(all, abi.Condition{Column: column, Name: name, Operators: operators})
	}
	return all
}
