package faultmatrix

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain checks all requests and answers of the orgs against Okta's OpenAPI document.
func TestMain(m *testing.M) { os.Exit(orgs.Main(m)) }
