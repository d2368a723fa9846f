package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// rsyslogConfig has rsyslog read a file line by line and write each message to another.
const rsyslogConfig = `global(workDirectory="%[1]s" maxMessageSize="64k")
module(load="imfile" mode="inotify")
template(name="raw" type="string" string="%%msg%%\n")
ruleset(name="received") { action(type="omfile" file="%[1]s/received" template="raw") }
input(type="imfile" file="%[1]s/events.ndjson" tag="okta:" ruleset="received")
`

// TestRsyslog_ReadsAlongThroughCrashes_GetsEveryRecordOnce follows the output with rsyslog's imfile. Some crashes leave half of a
// record that the file has already: that file is renamed. Others leave half of the next record, which is continued. rsyslog may
// see no fragment but the one in a renamed file.
func TestRsyslog_ReadsAlongThroughCrashes_GetsEveryRecordOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("kills many runs: without -short")
	}
	t.Parallel()
	rsyslogd, err := exec.LookPath("rsyslogd")
	if err != nil {
		if rsyslogd, err = exec.LookPath("/usr/sbin/rsyslogd"); err != nil {
			t.Skip("rsyslogd is not installed (Debian: apt-get install rsyslog)")
		}
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: 300, EventSize: 1500, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson")
	config := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	var said kept
	daemon := exec.Command(rsyslogd, "-n", "-f", config, "-i", filepath.Join(dir, "rsyslogd.pid"))
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	defer func() {
		_ = daemon.Process.Kill() // it may have ended
	}()

	received := func() (times map[string]int, fragments []string) {
		text, err := os.ReadFile(filepath.Join(dir, "received"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		times = map[string]int{}
		for line := range bytes.Lines(text) {
			if key := gjson.GetBytes(line, "uuid").String(); gjson.ValidBytes(line) && key != "" {
				times[key]++
			} else {
				fragments = append(fragments, string(line))
			}
		}
		return times, fragments
	}
	run := func() {
		t.Helper()
		cmd := r.command("source", "poll_system_log_page", "--source-config", `{"page_size":20}`, "--checkpoint", filepath.Join(dir, "cp.json"), "--out", out)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			times, _ := received()
			if len(times) == org.EventCount() {
				return
			}
			select {
			case err := <-ended:
				t.Fatalf("rsyslogd ended: %v\n%s", err, said.text())
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("rsyslog received %d of %d events; it said %s", len(times), org.EventCount(), said.text())
			}
		}
	}
	run()
	var halves []string
	for round := range 4 {
		before := org.EventCount()
		org.AppendEvents(50)
		var half []byte
		if round%2 == 0 { // head -1 f | head -c 900 >> f
			text, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			half = text[:900]
			halves = append(halves, string(half))
		} else {
			n := 0
			for event := range org.Events() {
				if n++; n > before {
					half = event[:700]
					break
				}
			}
		}
		f, err := os.OpenFile(out, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(half); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		run()
	}
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("rsyslogd: %v\n%s", err, said.text())
	}
	times, fragments := received()
	for key, n := range times {
		if n != 1 {
			t.Errorf("event %s was received %d times", key, n)
		}
	}
	for _, f := range fragments {
		if half := strings.TrimSuffix(f, "\n"); len(halves) == 0 || half != halves[0] {
			t.Errorf("a fragment: %.100q", f)
		} else {
			halves = halves[1:]
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "events.0*.ndjson")); len(aside) != 2 {
		t.Errorf("renamed: %q, want 2 files", aside)
	}
}
