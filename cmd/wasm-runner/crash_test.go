package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
)

// built returns the binary that make build makes, with the embedded module. All tests share it.
func built(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Version and commit that the binary of built prints.
const (
	builtVersion = "1.2.3-test"
	builtCommit  = "0123456789abcdef0123456789abcdef01234567"
)

// builtDir is where built puts its binary; TestMain removes it.
var builtDir string

var buildOnce = sync.OnceValues(func() (string, error) {
	wasm, err := hosttest.Connector.Pack()
	if err != nil {
		return "", err
	}
	if builtDir, err = os.MkdirTemp("", "built"); err != nil {
		return "", err
	}
	path := filepath.Join(builtDir, "wasm-runner")
	return path, pack.Runner(context.Background(), path, wasm,
		"-X main.stampVersion="+builtVersion+" -X main.stampCommit="+builtCommit+" -X main.stampModified=true")
})

// runner is a built runner with its module and an org.
type runner struct {
	t      *testing.T
	binary string
	env    []string
	config string
}

func newRunner(t *testing.T, org *oktatest.Server, token string) *runner {
	t.Helper()
	r := &runner{t: t, binary: built(t), config: filepath.Join(t.TempDir(), "okta.yaml")}
	r.env = append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "CRASH_TEST_TOKEN="+token)
	text := fmt.Sprintf("connections:\n  - {name: okta, kind: okta, base_url: %q, token_secret_ref: env:CRASH_TEST_TOKEN, allow_private_network: true}\n", org.URL)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// newDemoRunner returns a runner for --demo.
func newDemoRunner(t *testing.T) *runner {
	t.Helper()
	return &runner{t: t, binary: built(t), env: append(os.Environ(), "WASM_RUNNER_MODULE="+module(t))}
}

func (r *runner) command(args ...string) *exec.Cmd {
	if r.config != "" {
		args = append([]string{"--config", r.config}, args...)
	}
	cmd := exec.Command(r.binary, args...)
	cmd.Env = r.env
	return cmd
}

// TestSource_KilledAtAnyMoment_LosesNoEvent kills a source with SIGKILL again and again while it drains a log, and lets the
// last run finish. Some events may be repeated, but none may be missing.
func TestSource_KilledAtAnyMoment_LosesNoEvent(t *testing.T) {
	t.Parallel()
	const events, pageSize = 8000, 10
	crashes := 40
	if testing.Short() {
		crashes = 12
	}
	org := oktatest.New(oktatest.Config{Events: events, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson")
	args := []string{"source", "poll_system_log_page", "--source-config", fmt.Sprintf(`{"page_size":%d}`, pageSize),
		"--checkpoint", filepath.Join(dir, "cp.json"), "--out", out}

	random := rand.New(rand.NewPCG(1, 2))
	killed := 0
	for range crashes {
		cmd := r.command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(30*time.Millisecond+time.Duration(random.Int64N(int64(120*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err != nil {
			killed++
		}
	}
	if text, err := r.command(args...).CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, text)
	}

	times := map[string]int{}
	lines := 0
	for uuid := range uuids(t, out) {
		times[uuid]++
		lines++
	}
	for event := range org.Events() {
		if want := gjson.GetBytes(event, "uuid").String(); times[want] == 0 {
			t.Errorf("event %s is missing", want)
		}
	}
	if len(times) < events || lines-len(times) > killed*pageSize {
		t.Errorf("%d lines for %d events after %d kills: want all %d, and at most a page repeated for each kill", lines, len(times), killed, events)
	}
	t.Logf("%d kills, %d events, %d repeated", killed, len(times), lines-len(times))
}

// uuids returns the uuids of the events in a file. Each line must be an event.
func uuids(t *testing.T, path string) iter.Seq[string] {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			uuid := gjson.GetBytes(lines.Bytes(), "uuid").String()
			if !gjson.ValidBytes(lines.Bytes()) || uuid == "" {
				t.Fatalf("not an event: %.100q", lines.Text())
			}
			if !yield(uuid) {
				return
			}
		}
	}
}

// TestOutput_OfEveryCommand_HasNoToken runs commands that succeed and commands that fail, with --log-level debug.
func TestOutput_OfEveryCommand_HasNoToken(t *testing.T) {
	t.Parallel()
	const token = "00ThisTokenMustNeverBePrinted_0123456789ab"
	org := oktatest.New(oktatest.Config{Token: token, Users: 5, Events: 20}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, token)
	dir := t.TempDir()
	pasted := filepath.Join(dir, "pasted.yaml")
	literal := filepath.Join(dir, "literal.yaml")
	for path, field := range map[string]string{pasted: "token_secret_ref: " + token, literal: "token: " + token} {
		text := "connections:\n  - name: okta\n    kind: okta\n    base_url: https://example.okta.com\n    " + field + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outputs := 0
	for i, line := range [][]string{
		{"check"},
		{"check", "--format", "json"},
		{"describe"},
		{"invoke", "validate"},
		{"invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`},
		{"invoke", "lookup_user", `{"user":"` + token[:20] + `"}`},
		{"invoke", "lookup_user", `{"usr":1}`},
		{"invoke", "nothing"},
		{"--grant", "write", "invoke", "create_user", `{"profile":{"login":"ada.lovelace@example.com","email":"ada@example.com","firstName":"A","lastName":"L"}}`},
		{"--grant", "destructive", "invoke", "deactivate_user", `{"user":"ada.lovelace@example.com"}`},
		{"table", "list_users", "--format", "json"},
		{"source", "poll_system_log_page", "--checkpoint", filepath.Join(dir, "cp.json"), "--unacknowledged"},
		{"source", "poll_system_log_page", "--checkpoint", filepath.Join(dir, "cp.json"), "--source-config", `{"q":"x"}`},
		{"--timeout", "1ns", "invoke", "lookup_user", `{"user":"ada"}`},
		{"--config", pasted, "check"},
		{"--config", pasted, "invoke", "validate"},
		{"--config", literal, "check"},
		{"--config", literal, "invoke", "validate"},
	} {
		formats := []string{"text", "json"}
		if testing.Short() {
			if i%4 == 1 || i%4 == 2 {
				continue // each line is a process
			}
			formats = formats[i%2:][:1]
		}
		for _, format := range formats {
			cmd := r.command(append([]string{"--log-level", "debug", "--log-format", format}, line...)...)
			text, _ := cmd.CombinedOutput() // many of them fail on purpose
			outputs += len(text)
			if bytes.Contains(text, []byte(token)) {
				t.Errorf("wasm-runner %s prints the token:\n%s", strings.Join(line, " "), text)
			}
		}
	}
	if outputs == 0 {
		t.Error("nothing was printed at all")
	}
	kept, err := os.ReadFile(filepath.Join(dir, "cp.json"))
	if err != nil || bytes.Contains(kept, []byte(token)) {
		t.Errorf("the checkpoint: %s, %v", kept, err)
	}
}
