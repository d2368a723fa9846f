//go:build long

package e2e_test

import (
	"os"
	"os/exec"
	"testing"
)

// ofTheOwner are tests whose cases depend on the owner of the token (the user me, and GET /api/v1/users/me), or which expect that an
// org gets no request at all, not even for a token. A service app has no owner.
const ofTheOwner = "^TestOperations_(WrongState_IsRejected|MissingPermission_IsNamed|WrongInput_IsInvalid)$"

// TestOperations_WithOAuth_PassAsWithAToken runs the contract tests of all operations again, with connections that sign
// in as a service app with DPoP, and prints their result.
func TestOperations_WithOAuth_PassAsWithAToken(t *testing.T) {
	if secondRun {
		t.Skip("this is the second run")
	}
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOperations_", "-test.skip="+ofTheOwner, "-test.v", "-test.timeout=15m")
	run.Env = append(os.Environ(), secondRunVariable+"=1")
	out, err := run.CombinedOutput()
	t.Logf("with OAuth and DPoP:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}
