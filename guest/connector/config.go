package connector

import "github.com/mach5/okta-connector/guest/connector/encode"

// ConfigSchema returns the JSON Schema of a connection, with the fields that all connections have. service is the
// service's name. origin describes base_url, with an example.
func ConfigSchema(kind, service, origin string) string {
	return encode.ConnectionSchema(kind, service, origin, false)
}
