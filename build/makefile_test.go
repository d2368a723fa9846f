package main

import (
	"os"
	"strings"
	"testing"
)

// TestMakefile_EveryTestRun_HasATimeout: Go's default limit of 10 minutes is too short for a busy machine.
func TestMakefile_EveryTestRun_HasATimeout(t *testing.T) {
	text, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "$(GO) test") {
			continue
		}
		if runs++; !strings.Contains(line, " -timeout ") {
			t.Errorf("no -timeout: %s", line)
		}
	}
	if runs == 0 {
		t.Error("the Makefile runs no tests")
	}
}
