// Package invented is a connector for an invented service, a depot with items on shelves. Tests use it to show that the host
// knows no service. The service differs from that of the connector in guest/:
//
//   - The header X-Depot-Key contains only the credential.
//   - The cursor of the next page is in the body.
//   - Rate-limit headers have other names, and the end of the window is a number of seconds.
//   - Changes are PATCH requests with If-Match.
//   - The id of a request is in the header Depot-Trace.
//   - Times are written as 31.01.2026 09:00:00.
package invented

import (
	_ "embed"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// Manifest is the connector's manifest.
//
//go:embed guest/manifest.json
var Manifest []byte

// Connector is the connector.
var Connector = New()

// New returns the connector with a state of its own, like that of another process.
func New() *hosttest.Guest {
	return hosttest.Package("./host/hosttest/invented/guest", Manifest, host.LoadOptions{})
}

// WithSDK returns a second connector of the same service, written with the SDK. Its package is withsdk/depot.
func WithSDK(manifest []byte) *hosttest.Guest {
	return hosttest.Package("./host/hosttest/invented/withsdk", manifest, host.LoadOptions{})
}
