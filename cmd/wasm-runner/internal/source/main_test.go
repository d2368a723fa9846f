package source

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks the requests and answers of the simulated orgs against Okta's own document.
func TestMain(m *testing.M) { os.Exit(orgs.Main(m)) }
