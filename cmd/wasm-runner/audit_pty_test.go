//go:build linux || darwin

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/audit"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
)

// TestAudit_AtANarrowTerminal_SaysWhatWasDoneToWhom wants operation, target and outcome, and a note on how to see the rest.
func TestAudit_AtANarrowTerminal_SaysWhatWasDoneToWhom(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "v0", "audit.ndjson")
	for columns, wanted := range map[int]string{40: "outcome", 54: "when", 68: "when", 80: "when", 120: "request_id", 160: "connection"} {
		k := onPty(t, ptyOptions{columns: columns}, "audit", path)
		code := k.wait()
		text := strings.Join(k.unwrapped(), "\n")
		shown := []string{"operation", "target", "outcome", wanted, "succeeded", "deactivate_", "alan@exampl"}
		if columns >= 80 {
			shown = append(shown, "when", "deactivate_user", "alan@example.com")
		}
		for _, want := range shown {
			if !strings.Contains(text, want) {
				t.Errorf("%d columns: no %s in\n%s", columns, want, text)
			}
		}
		if code != 0 || (columns < audit.RoomForAll) != strings.Contains(text, "widen it, or use --format csv") {
			t.Errorf("%d columns: exit code %d\n%s", columns, code, text)
		}
	}
}

// TestAudit_OfHostileText_DoesNotReachTheTerminal tries all formats. Users of the org choose names, and a file may be forged.
func TestAudit_OfHostileText_DoesNotReachTheTerminal(t *testing.T) {
	path := hostileAudit(t)
	for _, format := range rows.Formats() {
		k := onPty(t, ptyOptions{columns: 200}, "audit", path, "--format", format)
		code := k.wait()
		raw := strings.ReplaceAll(k.raw(), "\r\n", "\n") // the terminal adds the \r
		if r := moves(raw); r != 0 || code != 1 || !strings.Contains(raw, "owned") || !strings.Contains(raw, "the chain of lines is broken") {
			t.Errorf("%s: exit code %d, %U in %q", format, code, r, raw)
		}
	}
}
