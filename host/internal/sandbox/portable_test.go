//go:build linux && !portable

package sandbox

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTheMemoryOfOtherSystems runs the tests of isolation over memory_other.go, which no test on Linux would run otherwise.
// host/attack attacks it.
func TestTheMemoryOfOtherSystems(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package a second time")
	}
	tests := []string{"TestRestore_AfterFewOrManyPages_LeavesNoByte", "TestPool_AfterAnInstanceGrew_ReplacesIt",
		"TestClose_AfterInstances_LeavesNothingBehind", "TestClose_WhileInstancesAreMade_LeavesNone",
		"TestAnIdleInstanceEqualsItsSnapshot", "TestAModuleClosedUnderACallEndsIt"}
	text, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "portable", "-vet=off", "-count=1", "-v", "-run", "^("+strings.Join(tests, "|")+")$", ".", "../..").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, test := range tests {
		if !strings.Contains(string(text), "--- PASS: "+test+" ") {
			t.Errorf("%s has not run:\n%s", test, text)
		}
	}
}
