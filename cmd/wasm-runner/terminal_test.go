//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBackfill_AtATerminal_Ends runs a backfill of several pages whose progress is drawn.
func TestBackfill_AtATerminal_Ends(t *testing.T) {
	out := filepath.Join(t.TempDir(), "events.ndjson")
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	k := onPty(t, ptyOptions{}, "--demo", "backfill", "--since", day(-1), "--until", day(1), "--page-size", "100", "--out", out)
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	records, err := os.ReadFile(out)
	if n := strings.Count(string(records), "\n"); err != nil || n != 250 {
		t.Errorf("%d records, %v; want 250", n, err)
	}
	if lines := k.lines(); len(lines) == 0 || !strings.HasPrefix(lines[0], "250 records") {
		t.Errorf("the screen shows %q", lines)
	}
}
