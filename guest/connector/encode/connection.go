package encode

import (
	"strings"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// ConnectionSchema returns the JSON Schema of a connection, with the fields that all connections have. service is the
// service's name. origin describes base_url, with an example. With oauth, a connection has either a static token or an
// OAuth client, and the manifest's auth must have both types.
func ConnectionSchema(kind, service, origin string, oauth bool) string {
	required, client := `"name","kind","base_url","token_secret_ref"`, ""
	if oauth {
		required, client = `"name","kind","base_url"`, oauthSchema
	}
	return `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,` +
		`"required":[` + required + `],"properties":{` +
		`"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},` +
		`"kind":{"const":` + jsonval.Quote(kind) + `},` +
		`"base_url":{"type":"string","format":"uri","description":` + jsonval.Quote(origin) + `},` +
		`"token_secret_ref":{"type":"string","pattern":"^(env|file|keyring):.+","description":"the location of the API token: env:` + strings.ToUpper(kind) + `_API_TOKEN, file:PATH or keyring:NAME"},` + client +
		`"default_page_size":{"type":"integer","minimum":1,"maximum":1000,"description":"records per request, if the input does not say; default: the endpoint's maximum"},` +
		`"initial_lookback_seconds":{"type":"integer","minimum":1,"maximum":7776000,"default":86400},` +
		`"rate_limit_share":{"type":"number","exclusiveMinimum":0,"maximum":1,"default":0.9,"description":` + jsonval.Quote("maximum part of each of "+service+"'s rate limits that this connection uses") + `},` +
		`"max_writes_per_minute":{"type":"integer","minimum":1,"maximum":100000},` +
		`"max_destructive_per_hour":{"type":"integer","minimum":1,"maximum":100000},` +
		`"approve":{"type":"array","uniqueItems":true,"items":{"enum":["write","destructive","privileged"]},"description":"classes whose writes need approval one by one"},` +
		`"grants":{"type":"array","uniqueItems":true,"items":{"enum":["read","write","destructive","privileged"]},"default":["read"]},` +
		`"limits":{"type":"object","additionalProperties":false,"description":"limits of each call","properties":{` +
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
}

// oauthSchema is the field oauth of a connection that may sign in with OAuth.
const oauthSchema = `"oauth":{"type":"object","additionalProperties":false,"required":["client_id","private_key_ref"],` +
	`"description":"an OAuth client, instead of token_secret_ref","properties":{` +
	`"client_id":{"type":"string","pattern":"^[!-~]+$","maxLength":255,"description":"the id of the service app"},` +
	`"private_key_ref":{"type":"string","pattern":"^(env|file|keyring):.+","description":"the location of the private key, PEM or JWK: file:PATH, env:NAME or keyring:NAME"},` +
	`"key_id":{"type":"string","pattern":"^[!-~]+$","maxLength":255,"description":"the key's id at the service (kid); needed if the key does not contain it"},` +
	`"scopes":{"type":"array","minItems":1,"maxItems":100,"uniqueItems":true,"items":{"type":"string","pattern":"^[!-~]+$","maxLength":255},"description":"the scopes that a token may have at most; default: what the operations need"},` +
	`"dpop":{"enum":["auto","required","off"],"default":"auto","description":"whether tokens are bound to a key (DPoP): as the service app requires, always, or never"}}},`
