package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

// TestSource_ReaderGoesAway_Ends closes the pipe that a source writes to.
func TestSource_ReaderGoesAway_Ends(t *testing.T) {
	r := newDemoRunner(t)
	checkpoint := filepath.Join(t.TempDir(), "cp.json")
	cmd := r.command("--demo", "source", "poll_system_log_page", "--checkpoint", checkpoint)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = write, &stderr
	err = cmd.Run()
	_ = write.Close()
	want := "wasm-runner: standard output was closed by its reader: the current page is not checkpointed and will be written again\n"
	if cmd.ProcessState.ExitCode() != cli.ExitFailed || stderr.String() != want {
		t.Errorf("exit code %d, %v, stderr %q", cmd.ProcessState.ExitCode(), err, stderr.String())
	}
	if _, err := os.Stat(checkpoint); !os.IsNotExist(err) {
		t.Errorf("a checkpoint was saved: %v", err)
	}

	cmd = r.command("--demo", "source", "poll_system_log_page", "--no-checkpoint")
	if read, write, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	stderr.Reset()
	cmd.Stdout, cmd.Stderr = write, &stderr
	_ = cmd.Run() // it fails with a message
	_ = write.Close()
	if want := "wasm-runner: standard output was closed by its reader\n"; stderr.String() != want {
		t.Errorf("without a checkpoint: %q", stderr.String())
	}
}
