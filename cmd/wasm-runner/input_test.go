//go:build unix

package main

import (
	"io"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/sql"
)

// silent is standard input on which nothing is typed. It says when it is read.
type silent struct {
	once sync.Once
	read chan struct{}
}

// Read implements io.Reader.
func (s *silent) Read([]byte) (int, error) {
	s.once.Do(func() { close(s.read) })
	select {}
}

// TestCtrlC_WhileStandardInputIsRead_EndsTheCommand interrupts commands that wait for standard input.
func TestCtrlC_WhileStandardInputIsRead_EndsTheCommand(t *testing.T) {
	t.Setenv("WASM_RUNNER_MODULE", module(t))
	t.Cleanup(func() { // what connect sets for a process that ends soon
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	for _, line := range []string{
		"--demo invoke lookup_user -", "--demo table list_users -", "--demo source poll_system_log_page --source-config -", "--config - check", "--config - invoke lookup_user",
		"--demo sql -", "audit -",
	} {
		if strings.Contains(line, "sql") && !sql.Available {
			continue
		}
		t.Run(line, func(t *testing.T) {
			stdin := &silent{read: make(chan struct{})}
			var stderr strings.Builder
			a := cli.NewApp(cli.Streams{Stdin: stdin, Stdout: io.Discard, Stderr: &stderr}, os.LookupEnv)
			go func() {
				<-stdin.read
				if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
					t.Error(err)
				}
			}()
			if code := run(a, strings.Fields(line)); code != cli.ExitInterrupted || stderr.String() != "wasm-runner: interrupted\n" {
				t.Errorf("exit code %d, stderr %q", code, stderr.String())
			}
		})
	}
}
