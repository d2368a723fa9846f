package sql_test

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain holds everything that simulated orgs take and answer here against Okta's OpenAPI document.
func TestMain(m *testing.M) {
	sql.RunChildIfAsked()
	os.Exit(orgs.Main(m))
}
