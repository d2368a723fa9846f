package manifest

import (
	"encoding/json"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// References is the pattern of references to secrets, which the host resolves.
const References = `^(env|file|keyring|exec):.+`

// isNarrow reports whether a pattern has fewer kinds of references than References, as modules declare it.
func isNarrow(pattern string) bool {
	return pattern == `^(env|file):.+` || pattern == `^(env|file|keyring):.+`
}

// networkFields are the fields of a connection that are about the network. The host enforces them for every kind of
// connection, so a module need not declare them.
var networkFields = []struct{ name, schema string }{
	{"proxy", `{"type":"string","minLength":1,"maxLength":2048,"description":"the proxy on the way to base_url: its address, such as http://proxy.example.com:3128 (http, https or socks5), or environment for HTTPS_PROXY and NO_PROXY"}`},
	{"proxy_credentials_ref", `{"type":"string","pattern":"` + References + `","description":"the location of the proxy's user:password: env:NAME, file:PATH, keyring:NAME or exec:[PROGRAM, ARGUMENT, …]"}`},
	{"ca_file", `{"type":"string","minLength":1,"maxLength":4096,"description":"a PEM file with certificate authorities that are trusted besides the system's"}`},
	{"tls_min", `{"enum":["1.2","1.3"],"default":"1.2","description":"the lowest TLS version, in quotes"}`},
}

// WithNetwork returns a config_schema with the fields that every connection has, and with all kinds of references to
// secrets. A field that the schema declares itself stays.
func WithNetwork(schema json.RawMessage) json.RawMessage {
	if !gjson.GetBytes(schema, "properties").IsObject() {
		return schema
	}
	for _, at := range []string{"properties." + tokenRef + ".pattern", "properties.oauth.properties." + keyRef + ".pattern"} {
		if !isNarrow(gjson.GetBytes(schema, at).Str) {
			continue
		}
		if wider, err := sjson.SetBytes(schema, at, References); err == nil {
			schema = wider
		}
	}
	for _, f := range networkFields {
		path := "properties." + f.name
		if gjson.GetBytes(schema, path).Exists() {
			continue
		}
		if added, err := sjson.SetRawBytes(schema, path, []byte(f.schema)); err == nil {
			schema = added
		}
	}
	return schema
}
