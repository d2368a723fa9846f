// Package invented is a connector of a kind that nobody sells, for tests that the host knows no service: a depot of items
// on shelves. Its habits differ from those of the connector in guest/:
//
//   - The credential is alone in the header X-Depot-Key.
//   - The cursor of the next page is in the body.
//   - Rate-limit headers have names of their own, and the window ends in so many seconds.
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

// New is the connector, as another process has it.
func New() *hosttest.Guest {
	return hosttest.Package("./host/hosttest/invented/guest", Manifest, host.LoadOptions{})
}
