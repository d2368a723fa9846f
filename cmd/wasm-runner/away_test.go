package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestReadiness_SinkIsAway_IsNotReady checks /healthz and /readyz while the receiver is down: the process is healthy, but not ready.
func TestReadiness_SinkIsAway_IsNotReady(t *testing.T) {
	away := atomic.Bool{}
	away.Store(true)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer service.Close()
	org := oktatest.New(oktatest.Config{Events: 250}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	cmd := r.command("--log-level", "info", "source", "poll_system_log_page", "--follow", "--poll-limit", "100ms", "--checkpoint", filepath.Join(dir, "cp.json"), "--out", service.URL, "--metrics", "0")
	var stderr kept
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	address := ""
	get := func(path string) (int, string) {
		if _, rest, found := strings.Cut(stderr.text(), "address="); found {
			address, _, _ = strings.Cut(rest, "\n")
		}
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	await := func(path string, code int, want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			got, body := get(path)
			if got == code && strings.Contains(body, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d %s, want %d %s\n%s", path, got, body, code, want, stderr.text())
			}
		}
	}
	const labels = `{connection="okta",operation="poll_system_log_page"}`
	await("/metrics", 200, "wasm_runner_sink_up"+labels+" 0\n")
	await("/readyz", http.StatusServiceUnavailable, "503 Service Unavailable")
	await("/healthz", 200, `"status":"ok"`)
	away.Store(false)
	await("/metrics", 200, "wasm_runner_sink_up"+labels+" 1\n")
	await("/readyz", 200, `"status":"ready"`)
	if _, body := get("/metrics"); strings.Contains(body, "wasm_runner_sink_retries_total"+labels+" 0\n") {
		t.Error("no retry is counted")
	}
}
