// Package logs_test drains the System Log of simulated orgs with the sources of package host/ingest.
package logs_test

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks all requests to and responses of simulated orgs against Okta's OpenAPI document.
func TestMain(m *testing.M) { os.Exit(orgs.Main(m)) }
