package host_test

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/host/compile"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks all requests and responses of simulated orgs with Okta's OpenAPI document.
func TestMain(m *testing.M) {
	compile.RunChildIfAsked()
	os.Exit(orgs.Main(m))
}
