//go:build linux && !portable

package sandbox

import (
	"os/exec"
	"strings"
	"testing"
)

// This test runs the isolation tests with memory_other.go, which no other test on Linux uses. Package host/attack
// attacks it too.
func TestMemory_OfOtherSystems_PassesTheIsolationTests(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package a second time")
	}
	tests := []string{"TestRestore_AfterFewOrManyPages_LeavesNoByte", "TestPool_AfterAnInstanceGrew_ReplacesIt",
		"TestClose_AfterInstances_LeavesNothingBehind", "TestClose_WhileInstancesAreMade_LeavesNone",
		"TestPool_IdleInstance_EqualsItsSnapshot", "TestClose_DuringACall_EndsIt"}
	text, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "portable", "-vet=off", "-count=1", "-v", "-run", "^("+strings.Join(tests, "|")+")$", ".", "../..").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, test := range tests {
		if !strings.Contains(string(text), "--- PASS: "+test+" ") {
			t.Errorf("%s did not run:\n%s", test, text)
		}
	}
}
