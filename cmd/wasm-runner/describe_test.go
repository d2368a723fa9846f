package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestDescribe_HostileModuleText_IsEscaped describes a module whose texts contain control characters.
func TestDescribe_HostileModuleText_IsEscaped(t *testing.T) {
	const evil = "a\x1b]0;pwned\a\x1b[2Jb\u009b31mc\u202ed\u2066e"
	raw, err := json.Marshal(abi.Manifest{ABI: abi.Version, Kind: "okta", Version: "1" + evil, ConfigSchema: json.RawMessage(`{}`), Operations: []abi.Operation{{
		Name: "x", Summary: evil + "\nsecond line", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon, abi.SQL}, Idempotency: abi.Safe,
		InputSchema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","description":"\u001b[2J\u009b31m\u000Asecond line"}}}`),
		Example:     json.RawMessage(`{"a":"\u202e"}`),
		Columns:     []abi.Column{{Name: "c", Type: abi.JSON, Description: evil + "\r\nsecond line"}},
		Endpoints:   []abi.Endpoint{{Endpoint: "GET /api/v1/logs", Bucket: evil, Scopes: []string{evil}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	wasm := hosttest.Package("./host/testdata/hostile", raw, host.LoadOptions{}).Bytes(t)
	path := filepath.Join(t.TempDir(), "evil.wasm")
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"describe"}, {"describe", "x"}} {
		var stdout, stderr bytes.Buffer
		a := cli.NewApp(cli.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}, os.LookupEnv)
		code := run(a, append([]string{"--module", path}, args...))
		if code != 0 || stdout.Len() == 0 {
			t.Fatalf("%v: %d %s", args, code, stderr.String())
		}
		for line := range strings.Lines(stdout.String()) {
			if strings.HasPrefix(strings.TrimSpace(line), "second line") {
				t.Errorf("%v prints a line of the module's own: %q", args, stdout.String())
			}
		}
		if i := strings.IndexFunc(stdout.String(), func(r rune) bool {
			return r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x206f)
		}); i >= 0 {
			t.Errorf("%v prints %q", args, stdout.String()[max(0, i-10):i+20])
		}
	}
}

// TestOutcomesOf_EveryOperation_HasThoseOfItsClass: each outcome that exists is possible for some operation.
func TestOutcomesOf_EveryOperation_HasThoseOfItsClass(t *testing.T) {
	seen := map[abi.Outcome]bool{}
	m := hosttest.Connector.Module(t).Manifest()
	for i := range m.Operations {
		op := &m.Operations[i]
		for _, p := range outcomesOf(op) {
			seen[p.outcome] = true
			if op.Class == abi.Read && len(op.ClassRules) == 0 && (p.outcome == abi.Unknown || p.outcome == abi.Planned || p.outcome == abi.Unchanged) {
				t.Errorf("%s, of class read: %s", op.Name, p.outcome)
			}
		}
	}
	for _, o := range abi.Outcomes() {
		if !seen[o] {
			t.Errorf("no operation has the outcome %s", o)
		}
	}
}
