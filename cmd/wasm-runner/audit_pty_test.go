//go:build linux || darwin

package main

import (
	"strings"
	"testing"
)

// TestAudit_OfHostileText_DoesNotReachTheTerminal in any format: names are those of whoever has a login in the org, and a
// file may come from anybody.
func TestAudit_OfHostileText_DoesNotReachTheTerminal(t *testing.T) {
	path := hostileAudit(t)
	for _, format := range rowFormats() {
		k := onPty(t, ptyOptions{columns: 200}, "audit", path, "--format", format)
		code := k.wait()
		raw := strings.ReplaceAll(k.raw(), "\r\n", "\n") // as a terminal ends a line
		if r := moves(raw); r != 0 || code != 1 || !strings.Contains(raw, "owned") || !strings.Contains(raw, "the chain of lines is broken") {
			t.Errorf("%s: exit code %d, %U in %q", format, code, r, raw)
		}
	}
}
