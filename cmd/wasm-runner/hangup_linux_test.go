package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestFollower_TerminalIsClosed_Ends closes the terminal: the kernel sends SIGHUP, and the runner must end in good order.
func TestFollower_TerminalIsClosed_Ends(t *testing.T) {
	org := oktatest.New(oktatest.Config{Users: 3, Events: 300, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson")
	k := onPty(t, ptyOptions{env: r.env}, "--config", r.config, "source", "poll_system_log_page", "--follow",
		"--checkpoint", filepath.Join(dir, "cp.json"), "--out", out)
	for deadline := time.Now().Add(patience); reached(t, dir) < 300; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was written")
		}
	}
	if err := k.pty.Close(); err != nil {
		t.Fatal(err)
	}
	if code := k.wait(); code != 0 || k.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("exit code %d, %s", code, k.cmd.ProcessState)
	}
	text, err := os.ReadFile(out)
	if n := strings.Count(string(text), "\n"); err != nil || n != 300 {
		t.Errorf("%d lines, %v", n, err)
	}
}
