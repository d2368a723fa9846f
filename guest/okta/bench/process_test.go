//go:build long

package bench

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host/hosttest"
)

// runner builds wasm-runner like make build, and returns a function that makes commands for it.
func runner(b *testing.B) (command func(cache string, args ...string) *exec.Cmd) {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "bin", "wasm-runner")
	if err := pack.Runner(b.Context(), path, hosttest.Connector.Bytes(b), ""); err != nil {
		b.Fatal(err)
	}
	return func(cache string, args ...string) *exec.Cmd {
		cmd := exec.Command(path, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "OKTA_API_TOKEN="+token, "XDG_CACHE_HOME="+cache)
		return cmd
	}
}

// BenchmarkStart compares the time of a process that does an invoke with that of one that prints its version.
func BenchmarkStart(b *testing.B) {
	command := runner(b)
	cache := b.TempDir()
	invoke := []string{"--demo", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`}
	took := func(cache string, args ...string) time.Duration {
		cmd := command(cache, args...)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return time.Since(start)
	}
	for b.Loop() {
		var cold, warm, version []time.Duration
		for range 3 {
			cold = append(cold, took(b.TempDir(), invoke...))
		}
		took(cache, invoke...)
		for range 21 {
			version = append(version, took(cache, "--version"))
			warm = append(warm, took(cache, invoke...))
		}
		v, w := median(version), median(warm)
		b.ReportMetric(float64(w)/float64(v), "×version")
		b.ReportMetric(float64(v.Microseconds())/1000, "ms-version")
		b.ReportMetric(float64(w.Microseconds())/1000, "ms-warm")
		b.ReportMetric(float64(median(cold).Microseconds())/1000, "ms-cold")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkMemory measures the memory of a process that drains 1,000,000 events of about 2 KB: its peak, and its growth in the
// second half.
func BenchmarkMemory(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc")
	}
	const pages = 1000
	command := runner(b)
	server := httptest.NewServer(distinct(pages))
	defer server.Close()
	for b.Loop() {
		dir := b.TempDir()
		config := filepath.Join(dir, "connections.yaml")
		text := fmt.Sprintf("connections:\n  - {name: bench, kind: okta, base_url: %q, token_secret_ref: env:OKTA_API_TOKEN, allow_private_network: true}\n", server.URL)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		out := filepath.Join(dir, "events.ndjson")
		cache := b.TempDir()
		if err := command(cache, "--config", config, "invoke", "lookup_user", `{"user":"00u00000000000000001"}`).Run(); err != nil {
			b.Fatal(err) // compile before: that takes more memory than a drain
		}
		cmd := command(cache, "--config", config, "source", "poll_system_log_page", "--checkpoint", filepath.Join(dir, "cp.json"), "--out", out, "--once")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		total := int64(pages * (len(page()) - 1)) // line breaks replace commas, and there are no brackets
		var half, peak int64
		for running := true; running; {
			select {
			case err := <-ended:
				if err != nil {
					b.Fatal(err)
				}
				running = false
			case <-time.After(5 * time.Millisecond):
				if n := highWater(cmd.Process.Pid); n > peak {
					peak = n
				}
				if info, err := os.Stat(out); err == nil && info.Size() < total/2 {
					half = peak
				}
			}
		}
		if info, err := os.Stat(out); err != nil || info.Size() < total {
			b.Fatalf("the output is incomplete: %v", err)
		}
		_ = os.Remove(out)
		b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
		b.ReportMetric(float64(peak)/float64(half), "×half-way")
		b.ReportMetric(0, "ns/op")
		if peak > 128<<20 {
			b.Errorf("the process used %d MiB, more than its limit of 128", peak>>20)
		}
	}
}

// highWater returns the peak resident memory of a process in bytes, or 0 if it has ended.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, " kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return n << 10
}
