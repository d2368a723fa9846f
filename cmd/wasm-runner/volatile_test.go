package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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

// volatileEnv makes the test binary a service that acknowledges records before it stores them. Its value is "ADDRESS FILE".
const volatileEnv = "VOLATILE_SERVICE"

// keepsFor is how long that service keeps records only in memory.
const keepsFor = 300 * time.Millisecond

// TestVolatileService_AsAProcess_Serves is that service, when another test starts it as a process.
func TestVolatileService_AsAProcess_Serves(t *testing.T) {
	address, path, ok := strings.Cut(os.Getenv(volatileEnv), " ")
	if !ok {
		t.Skip("is run by TestSource_VolatileServiceIsKilled_LosesNothing")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var memory []string
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		memory = append(memory, string(body))
		n := len(memory)
		mu.Unlock()
		time.AfterFunc(keepsFor, func() { // stores the records so far
			mu.Lock()
			defer mu.Unlock()
			_, _ = f.WriteString(memory[n-1])
		})
	})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*time.Minute, func() { os.Exit(1) })
	_ = server.Serve(l)
}

// TestSource_VolatileServiceIsKilled_LosesNothing kills the service and the runner with SIGKILL again and again. The checkpoint
// delay is longer than the service keeps records in memory, so no record may be missing. It is much longer, so that a busy
// machine does not decide.
func TestSource_VolatileServiceIsKilled_LosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a delay after each of many kills: run it without -short")
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: 8000, EventSize: 1500, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Latency: 15 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // the service listens on it
	dir := t.TempDir()
	file := filepath.Join(dir, "kept.ndjson")
	service := func() *exec.Cmd {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestVolatileService_AsAProcess_Serves$", "-test.timeout=10m")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", volatileEnv, address, file))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	r := newRunner(t, org, org.Token())
	start := func() *exec.Cmd {
		t.Helper()
		cmd := r.command("source", "poll_system_log_page", "--follow", "--poll-limit", "200ms", "--source-config", `{"page_size":40}`,
			"--checkpoint", filepath.Join(dir, "cp.json"), "--checkpoint-delay", (10 * keepsFor).String(), "--out", "http://"+address+"/insert")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s, run := service(), start()
	defer func() { end(s); end(run) }()
	kills := 0
	for at := 1000; reached(t, dir) < org.EventCount(); time.Sleep(5 * time.Millisecond) {
		if reached(t, dir) < at {
			continue
		}
		at += 1000
		end(s)
		if kills++; kills%3 == 0 {
			end(run)
			run = start()
		}
		s = service()
	}
	end(s) // the checkpoint covers all records, so they are stored
	kept := map[string]bool{}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		kept[gjson.GetBytes(line, "uuid").String()] = true
	}
	lost := 0
	for e := range org.Events() {
		if !kept[gjson.GetBytes(e, "uuid").String()] {
			lost++
		}
	}
	if lost > 0 || kills < 4 {
		t.Errorf("%d of %d events are lost after %d kills", lost, org.EventCount(), kills)
	}
}
