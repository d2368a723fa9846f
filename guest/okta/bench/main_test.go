//go:build long

package bench

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks all requests and answers of the simulated orgs against Okta's OpenAPI document.
func TestMain(m *testing.M) {
	sql.RunChildIfAsked()
	os.Exit(orgs.Main(m))
}
