// Package okta holds the operations of the Okta connector, one file an Okta resource: a table that says what each
// operation is, and the few functions that a table cannot express.
//
// It is plain Go that builds and tests natively; guest/ makes a Wasm module of it.
package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
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
		ConfigSchema: configSchema,
		Members: []hostcall.Pair{
			{Name: "rate_limit_headers", Value: `{"limit":"X-Rate-Limit-Limit","remaining":"X-Rate-Limit-Remaining","reset":"X-Rate-Limit-Reset"}`},
			{Name: "rate_limit_errors", Value: `{"code":"errorCode","summary":"errorSummary","buckets":["` + bucketLimit + `"],"wait":"wait ([0-9]+) seconds?"}`},
			{Name: "account", Value: account()},
		},
		Service: okta,
		Operations: [][]connector.Operation{orgOperations, logOperations, userOperations, groupOperations, applicationOperations,
			factorOperations, authenticatorOperations, deviceOperations, sessionOperations, policyOperations, zoneOperations,
			authorizationServerOperations, clientOperations, roleOperations, inventoryOperations},
	}
}

// Manifest is the module's manifest: what the describe export answers and what the custom section holds.
func Manifest() []byte { return Connector().Manifest() }

// account says how to read whose token a connection has.
func account() string {
	var w jsonval.Writer
	return w.Raw("endpoint", connector.EndpointJSON(getMe)).Str("id", "id").Str("name", "profile.login").String()
}

// Inputs that appear in many operations.
var (
	userInput   = loginInput("user", "the user's id or login")
	targetInput = loginInput("user", "the user's id or whole login: not the part before the @, and not me")

	pageSize200 = connector.Input{"page_size", false,
		`{"type":"integer","minimum":1,"maximum":200,"description":"records a request; default the connection's default_page_size, else 200"}`}
)

// The surfaces that an operation can have.
var (
	axon          = []abi.Surface{abi.Axon}
	axonSQL       = []abi.Surface{abi.Axon, abi.SQL}
	axonIngestSQL = []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}
)

var (
	sendEmailInput = connector.BoolInput("send_email", "has Okta tell people by e-mail")
	sortByInput    = connector.TextInput("sort_by", "255", "attribute to sort by, such as profile.lastName")
	sortRequire    = `"description":"sort_order goes with sort_by","dependentRequired":{"sort_order":["sort_by"]}`
	sortOrderInput = connector.Input{"sort_order", false, `{"enum":["asc","desc"],"default":"asc","description":"with sort_by"}`}
)

// loginInput is a required input that names a user by id or login. A login may have any character but control characters.
func loginInput(name, description string) connector.Input {
	return connector.Input{name, true, loginSchema(description)}
}

func loginSchema(description string) string {
	return `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[^\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

const configSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,` +
	`"required":["name","kind","base_url","token_secret_ref"],"properties":{` +
	`"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},` +
	`"kind":{"const":"okta"},` +
	`"base_url":{"type":"string","format":"uri","description":"the org's origin: https://example.okta.com"},` +
	`"token_secret_ref":{"type":"string","pattern":"^(env|file):.+","description":"where the API token is: env:NAME or file:PATH"},` +
	`"default_page_size":{"type":"integer","minimum":1,"maximum":1000,"description":"records a request where the input does not say; default what the endpoint allows"},` +
	`"initial_lookback_seconds":{"type":"integer","minimum":1,"maximum":7776000,"default":86400},` +
	`"rate_limit_share":{"type":"number","exclusiveMinimum":0,"maximum":1,"default":0.9,"description":"part of each of Okta's rate limits that this connection uses at most"},` +
	`"max_writes_per_minute":{"type":"integer","minimum":1,"maximum":100000},` +
	`"max_destructive_per_hour":{"type":"integer","minimum":1,"maximum":100000},` +
	`"approve":{"type":"array","uniqueItems":true,"items":{"enum":["write","destructive","privileged"]},"description":"classes whose writes are approved one by one"},` +
	`"grants":{"type":"array","uniqueItems":true,"items":{"enum":["read","write","destructive","privileged"]},"default":["read"]},` +
	`"limits":{"type":"object","additionalProperties":false,"description":"bounds of each call","properties":{` +
	`"call_seconds":{"type":"integer","minimum":1,"maximum":86400,"default":300},` +
	`"requests":{"type":"integer","minimum":1,"maximum":1000000,"default":2000},` +
	`"request_seconds":{"type":"integer","minimum":1,"maximum":3600,"default":60},` +
	`"body_bytes":{"type":"integer","minimum":1024,"maximum":1073741824,"default":67108864},` +
	`"held_bytes":{"type":"integer","minimum":1024,"maximum":1099511627776,"default":536870912},` +
	`"result_bytes":{"type":"integer","minimum":1024,"maximum":1099511627776,"default":268435456},` +
	`"records":{"type":"integer","minimum":1,"maximum":100000000,"default":100000},` +
	`"memory_bytes":{"type":"integer","minimum":4194304,"maximum":1073741824,"default":67108864},` +
	`"concurrency":{"type":"integer","minimum":1,"maximum":1000,"default":16},` +
	`"log_bytes":{"type":"integer","minimum":1024,"maximum":1073741824,"default":65536}}},` +
	`"allow_private_network":{"type":"boolean","default":false}}}`
