package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/audit"
)

// reported runs wasm-runner audit and returns its rows.
func reported(t *testing.T, r *runner, args ...string) (rows []map[string]any, stderr string, err error) {
	t.Helper()
	cmd := r.command(append([]string{"audit", "--format", "ndjson"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	for line := range bytes.Lines(out) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows, errs.String(), err
}

// TestAudit_OfKilledProcesses_ShowsThem kills some processes with SIGKILL during their write, and lets others end. Each
// killed one is an interrupted invoke with its target. The chain of all lines is intact.
func TestAudit_OfKilledProcesses_ShowsThem(t *testing.T) {
	t.Parallel()
	org := oktatest.New(oktatest.Config{Events: 10, RateLimits: map[string]int{"*": -1}})
	at := &door{org: org, bells: map[string]func(){}}
	server := httptest.NewServer(at)
	defer server.Close()
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	command := func(name string) *exec.Cmd {
		return r.command("--grant", "write", "invoke", "create_group", `{"name":`+strconv.Quote(name)+`}`, "--audit", path)
	}
	const each = 4
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Method: "POST", Latency: time.Hour, Times: each})
	var wg sync.WaitGroup
	for i := range each {
		wg.Go(func() {
			name := fmt.Sprintf("Killed %d", i)
			cmd := command(name)
			at.when(strconv.Quote(name), func() { _ = cmd.Process.Kill() })
			if err := cmd.Run(); err == nil {
				t.Errorf("%s ended by itself", name)
			}
		})
	}
	wg.Wait()
	org.ClearFaults()
	for i := range each {
		wg.Go(func() {
			if out, err := command(fmt.Sprintf("Done %d", i)).CombinedOutput(); err != nil {
				t.Errorf("%v %s", err, out)
			}
		})
	}
	wg.Wait()
	rows, stderr, err := reported(t, r, path)
	if err != nil || !strings.Contains(stderr, fmt.Sprintf("%d invokes, %d of them interrupted or still running, in %d lines, whose chain is intact", 2*each, each, 3*each)) {
		t.Errorf("%v %s", err, stderr)
	}
	seen := map[any]int{}
	for _, row := range rows {
		seen[row["outcome"]]++
		killed := strings.HasPrefix(fmt.Sprint(row["target"]), "Killed")
		if killed != (row["outcome"] == "interrupted") || row["account"] != "robin.keeper@example.com" || row["pid"] == nil || row["started"] == nil {
			t.Errorf("%v", row)
		}
	}
	if seen["interrupted"] != each || seen["succeeded"] != each {
		t.Errorf("%v", seen)
	}
	// --join adds the events of the invokes that ended.
	rows, stderr, err = reported(t, r, path, "--join", "--outcome", "succeeded")
	if err != nil || len(rows) != each || strings.Contains(stderr, "no event of") {
		t.Errorf("%v %s", err, stderr)
	}
	for _, row := range rows {
		if events, _ := row["events"].([]any); len(events) != 1 || events[0].(map[string]any)["event_type"] != "group.lifecycle.create" {
			t.Errorf("%v", row["events"])
		}
	}
}

// TestAudit_OfTheFirstVersion_IsRead reads a file that was written before lines had hashes.
func TestAudit_OfTheFirstVersion_IsRead(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "v0", "audit.ndjson")
	rows, stderr, err := reported(t, newDemoRunner(t), path)
	if err != nil || len(rows) == 0 || !strings.Contains(stderr, "of an earlier version, which has no chain") {
		t.Fatalf("%v %d rows %s", err, len(rows), stderr)
	}
	for _, row := range rows {
		if row["operation"] == nil || row["outcome"] == nil || row["time"] == nil || row["target"] == nil || row["started"] == nil || row["process"] != nil {
			t.Errorf("%v", row)
		}
	}
}

// hostileText moves the cursor, sets the title of the terminal, and changes the direction of writing.
const hostileText = "\x1b]0;owned\x07\x1b[2J\u009b2J\u202eevil\r\nsucceeded\x00\x7f"

func hostileAudit(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.ndjson")
	f, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	input, err := json.Marshal(map[string]string{"user": hostileText + strings.Repeat("é", 5000)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r := audit.Record{Time: time.Unix(int64(i), 0), Run: hostileText, Connection: hostileText, BaseURL: "https://" + hostileText, Operation: hostileText, Input: input,
			Process: &audit.Process{User: hostileText, UID: "0", Host: hostileText}, Account: &audit.Account{ID: hostileText, Name: hostileText},
			Outcome: abi.Outcome(hostileText), Error: &abi.Error{Code: hostileText, Message: hostileText}, ApprovedBy: hostileText,
			Requests: []abi.RequestMeta{{Endpoint: "POST /" + hostileText, RequestID: hostileText}}}
		if err := f.Audit(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines[0] = bytes.Replace(lines[0], []byte(`"prev":""`), []byte(`"prev":"\u001b[2J"`), 1)
	text = append(bytes.Join(lines, nil), []byte(`{"prev":"\u001b[2J`+"\x1b[2J")...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// moves returns the first character of a text that would control the terminal.
func moves(text string) rune {
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) || r == utf8.RuneError {
			return r
		}
	}
	return 0
}
