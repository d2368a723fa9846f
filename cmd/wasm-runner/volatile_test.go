package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// volatileEnv makes the test binary a service that acknowledges from memory: "ADDRESS FILE".
const volatileEnv = "VOLATILE_SERVICE"

// keepsFor is how long that service keeps records in memory alone.
const keepsFor = 300 * time.Millisecond

// TestVolatileService is the service, in a process of its own. It notes what it acknowledges, and when, in a file. What of it
// was in memory alone when the service was killed is for volatileKept to say: a timer here would be late on a busy machine.
func TestVolatileService(t *testing.T) {
	address, path, ok := strings.Cut(os.Getenv(volatileEnv), " ")
	if !ok {
		t.Skip("is run by TestAVolatileServiceMayBeKilled")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(f, "%d\n%s\n", time.Now().UnixNano(), body); err != nil { // one write
			panic(http.ErrAbortHandler)
		}
	})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*time.Minute, func() { os.Exit(1) })
	_ = server.Serve(l)
}

// volatileKept adds the events that a service, which was killed before a time, had for longer than in memory alone. It
// returns how many others it had.
func volatileKept(t *testing.T, path string, killed time.Time, kept map[string]bool) (lost int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	durable := false
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		if at, err := strconv.ParseInt(line, 10, 64); err == nil {
			durable = killed.Sub(time.Unix(0, at)) >= keepsFor
		} else if whole && durable && line != "" {
			kept[gjson.Get(line, "uuid").String()] = true
		} else if line != "" {
			lost++
		}
	}
	return lost
}

// TestAVolatileServiceMayBeKilled: with a checkpoint delay as long as a service keeps records in memory, nothing is missing
// there when it is killed with SIGKILL again and again, and the runner, too. How fast either is does not matter: the service
// comes back once the runner has noticed.
func TestAVolatileServiceMayBeKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits out a delay after each of many kills: without -short")
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: 8000, EventSize: 1500, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Latency: 15 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // the service takes it
	dir := t.TempDir()
	file := func(kills int) string { return filepath.Join(dir, fmt.Sprintf("kept-%d", kills)) }
	service := func(kills int) *exec.Cmd {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestVolatileService$", "-test.timeout=10m")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", volatileEnv, address, file(kills)))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	r := newRunner(t, org, org.Token())
	var stderr kept
	start := func() *exec.Cmd {
		t.Helper()
		cmd := r.command("source", "poll_system_log_page", "--follow", "--poll-limit", "200ms", "--source-config", `{"page_size":40}`,
			"--checkpoint", filepath.Join(dir, "cp.json"), "--checkpoint-delay", keepsFor.String(), "--out", "http://"+address+"/insert")
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s, run := service(0), start()
	defer func() { end(s); end(run) }()
	inFiles := map[string]bool{}
	kills, inMemory := 0, 0
	for at := 1000; reached(t, dir) < org.EventCount(); time.Sleep(5 * time.Millisecond) {
		if reached(t, dir) < at {
			continue
		}
		at += 1000
		said := len(stderr.text())
		end(s)
		inMemory += volatileKept(t, file(kills), time.Now(), inFiles)
		if kills++; kills%3 == 0 {
			end(run)
			run = start()
		} else {
			for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				if text := stderr.text()[said:]; strings.Contains(text, "was away") || strings.Contains(text, "connection refused") {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("the runner does not notice that the service is gone: %s", text)
				}
			}
		}
		s = service(kills)
	}
	end(s) // the checkpoint is past everything: so is the disk
	inMemory += volatileKept(t, file(kills), time.Now(), inFiles)
	lost := 0
	for e := range org.Events() {
		if !inFiles[gjson.GetBytes(e, "uuid").String()] {
			lost++
		}
	}
	if lost > 0 || kills < 4 || inMemory == 0 {
		t.Errorf("%d of %d events are lost after %d kills, with %d in the service's memory", lost, org.EventCount(), kills, inMemory)
	}
}
