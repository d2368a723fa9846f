package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// kept is a buffer that is safe for concurrent use.
type kept struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (k *kept) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.Write(b)
}

func (k *kept) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.String()
}

// TestTail_AcrossCrashes_PrintsEachEventOnce follows the output with tail -F while the runner is killed with SIGKILL again and again. Some
// kills leave half a record. tail must print every event once, and nothing else.
func TestTail_AcrossCrashes_PrintsEachEventOnce(t *testing.T) {
	t.Parallel()
	if text, err := exec.Command("tail", "--version").Output(); err != nil || !bytes.Contains(text, []byte("GNU")) {
		t.Skip("no GNU tail")
	}
	events, rounds := 4000, 25
	if testing.Short() {
		events, rounds = 1300, 8
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: events, EventSize: 1500, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson")
	if err := os.WriteFile(out, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var printed, complaints kept
	tail := exec.Command("tail", "-n", "+1", "-s", "0.05", "-F", out)
	tail.Stdout, tail.Stderr = &printed, &complaints
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = tail.Process.Kill()
		_ = tail.Wait()
	}()
	command := func() *exec.Cmd {
		return r.command("source", "poll_system_log_page", "--source-config", `{"page_size":20}`, "--checkpoint", filepath.Join(dir, "cp.json"), "--out", out)
	}
	random := rand.New(rand.NewPCG(5, 6))
	const pages = "GET /api/v1/logs"
	torn := 0
	for round := range rounds {
		cmd := command()
		last := org.Count(pages) + 1 + random.IntN(10)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for running := true; running && org.Count(pages) < last; {
			select {
			case err := <-ended:
				ended <- err
				running = false
			case <-time.After(time.Millisecond):
			}
		}
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if round%2 == 0 { // a write that the kill cut: so much of the next event as it had written
			torn += tearNext(t, org.Org, out, 1+random.IntN(1400))
		}
	}
	if text, err := command().CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, text)
	}
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "events.0*.ndjson")); len(aside) > 0 {
		t.Fatalf("renamed: %q", aside)
	}
	for deadline := time.Now().Add(patience); printed.text() != string(whole); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("tail printed %d bytes, the file has %d; it said %q", len(printed.text()), len(whole), complaints.text())
		}
	}
	if text := complaints.text(); strings.Contains(text, "truncated") || strings.Contains(text, "replaced") {
		t.Errorf("tail said %q", text)
	}
	times, lines := map[string]int{}, 0
	for line := range strings.Lines(printed.text()) {
		if !gjson.Valid(line) {
			t.Fatalf("tail printed %.100q", line)
		}
		lines++
		times[gjson.Get(line, "uuid").String()]++
	}
	if lines != org.EventCount() || len(times) != lines || torn == 0 {
		t.Errorf("%d lines with %d keys, %d half records; want each of %d events once", lines, len(times), torn, org.EventCount())
	}
}

// tearNext appends the first n bytes of the next event, as an interrupted write does. It returns the number of bytes.
func tearNext(t *testing.T, org *oktatest.Org, path string, n int) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return 0 // the kill cut one
	}
	for e := range org.Events() {
		if bytes.Contains(text, []byte(gjson.GetBytes(e, "uuid").String())) {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		n = min(n, len(e)-1)
		if _, err := f.Write(e[:n]); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		return n
	}
	return 0
}

// TestFollower_FileIsMoved_LosesNoEvent renames, compresses and deletes the file while the runner writes to it. No event may be
// lost, and the run must go on.
func TestFollower_FileIsMoved_LosesNoEvent(t *testing.T) {
	t.Parallel()
	events := 6000
	if testing.Short() {
		events = 3000
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: events, EventSize: 1500, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Latency: 2 * time.Millisecond})
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson")
	cmd := r.command("source", "poll_system_log_page", "--follow", "--poll-limit", "200ms", "--source-config", `{"page_size":10}`,
		"--checkpoint", filepath.Join(dir, "cp.json"), "--out", out)
	var stderr kept
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	times := map[string]int{}
	count := func(path string) {
		for uuid := range uuids(t, path) {
			times[uuid]++
		}
	}
	var renamed []string
	for i := 0; reached(t, dir) < org.EventCount(); i++ {
		select {
		case err := <-ended:
			t.Fatalf("the run ended before its time: %v\n%s", err, stderr.text())
		case <-time.After(30 * time.Millisecond):
		}
		if info, err := os.Stat(out); err != nil || info.Size() == 0 || len(renamed) >= 40 { // a busy machine may write nothing in 30 ms
			continue
		}
		name := fmt.Sprintf("%s.%d", out, i)
		if err := os.Rename(out, name); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // compressed and deleted, as logrotate does at once without delaycompress
			if text, err := exec.Command("cp", name, name+".copy").CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, text)
			}
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			name += ".copy"
			// The copy may have half a page. That page has no checkpoint yet, and comes again.
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(name, int64(bytes.LastIndexByte(text, '\n')+1)); err != nil {
				t.Fatal(err)
			}
		}
		renamed = append(renamed, name)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, stderr.text())
	}
	for _, name := range append(renamed, out) {
		if _, err := os.Stat(name); err == nil {
			count(name)
		}
	}
	lost := 0
	for e := range org.Events() {
		if times[gjson.GetBytes(e, "uuid").String()] == 0 {
			lost++
		}
	}
	if lost > 0 || len(renamed) < 5 {
		t.Errorf("%d events are in none of the %d files; it said:\n%s", lost, len(renamed), stderr.text())
	}
}
