package okta_test

import (
	"os"
	"strings"
	"testing"
)

// TestRationale_TheDiff_HasLinesOfItsFile compares the diff in RATIONALE.md with the file that it changes. The benchmarks build
// and run its result.
func TestRationale_TheDiff_HasLinesOfItsFile(t *testing.T) {
	text, err := os.ReadFile("../../RATIONALE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, diff, _ := strings.Cut(string(text), "```diff\n--- a/guest/okta/")
	diff, _, _ = strings.Cut(diff, "```")
	name, diff, ok := strings.Cut(diff, "\n")
	file, err := os.ReadFile(name)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	hunks := strings.Split(diff, "\n@@\n")[1:]
	for _, hunk := range hunks {
		var kept strings.Builder
		for line := range strings.Lines(hunk) {
			if rest, ok := strings.CutPrefix(line, " "); ok {
				kept.WriteString(strings.TrimSuffix(rest, "\n") + "\n")
			}
		}
		lines := strings.TrimSuffix(kept.String(), "\n")
		if first, _, _ := strings.Cut(lines, "\n"); first == "" || strings.Count(string(file), first) == 0 {
			t.Errorf("%s does not have %q", name, first)
		}
	}
	if len(hunks) == 0 {
		t.Error("no hunks")
	}
}
