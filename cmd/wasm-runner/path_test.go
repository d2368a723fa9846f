package main

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestInvoke_ToTheSocket_PassesTheHostsFiles: with the two files of the module (guest/okta/path_test.go), these are the six that
// the comment of package host names. The sandbox is the wall between them.
func TestInvoke_ToTheSocket_PassesTheHostsFiles(t *testing.T) {
	t.Setenv("WASM_RUNNER_MODULE", module(t))
	t.Cleanup(func() { // what connect sets for a process that ends soon
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	org := oktatest.New(oktatest.Config{})
	var mu sync.Mutex
	var stack []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all := make([]byte, 4<<20)
		all = all[:runtime.Stack(all, true)]
		mu.Lock()
		for _, goroutine := range bytes.Split(all, []byte("\n\n")) {
			if bytes.Contains(goroutine, []byte("egress.(*Client).attempt(")) {
				stack = goroutine
			}
		}
		mu.Unlock()
		org.ServeHTTP(w, r)
	}))
	defer server.Close()
	config := filepath.Join(t.TempDir(), "connections.yaml")
	text := "connections:\n  - {name: a, kind: okta, base_url: '" + server.URL + "', token_secret_ref: env:PATH_TEST_TOKEN, allow_private_network: true}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH_TEST_TOKEN", org.Token())
	var stderr strings.Builder
	a := cli.NewApp(cli.Streams{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr}, os.LookupEnv)
	if code := run(a, []string{"--config", config, "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	mu.Lock()
	defer mu.Unlock()
	var files []string
	for _, m := range regexp.MustCompile(`(?m)^\t\S*/((?:cmd|host|abi|internal)/\S+\.go):\d+`).FindAllSubmatch(stack, -1) {
		file := string(m[1])
		aside := strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "host/internal/sandbox/") || file == "cmd/wasm-runner/main.go" // main.go runs any command
		if !aside && !slices.Contains(files, file) && exists(file) {
			files = append(files, file)
		}
	}
	slices.Reverse(files)
	if want := []string{"cmd/wasm-runner/invoke.go", "host/invoke.go", "host/run.go", "host/egress/send.go"}; !slices.Equal(files, want) {
		t.Errorf("the request passed %v, want %v: shorten the way, or correct the comment of package host", files, want)
	}
}

// exists reports whether a file is one of this repository.
func exists(file string) bool {
	_, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(file)))
	return err == nil
}
