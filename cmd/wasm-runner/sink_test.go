package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestATornLineIsCutOff(t *testing.T) {
	long := `{"uuid":"` + strings.Repeat("x", 200_000) + `"}`
	for name, c := range map[string]struct{ before, after string }{
		"nothing":                {"", ""},
		"whole lines":            {"{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"},
		"half a line":            {"{\"a\":1}\n{\"b\"", "{\"a\":1}\n"},
		"a line without its end": {"{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n"},
		"half a line alone":      {"{\"a\"", ""},
		"a long one":             {"{\"a\":1}\n" + long, "{\"a\":1}\n"},
		"one behind a long one":  {long + "\n{", long + "\n"},
		"zeros":                  {"{\"a\":1}\n\x00\x00\x00", "{\"a\":1}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			f, cut, err := openAppend(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			after, err := os.ReadFile(path)
			if err != nil || string(after) != c.after || int(cut) != len(c.before)-len(c.after) {
				t.Errorf("%d bytes cut, %d left, want %d left; %v", cut, len(after), len(c.after), err)
			}
		})
	}
}

// TestAReaderThatGoesAway closes the pipe that a source writes to.
func TestAReaderThatGoesAway(t *testing.T) {
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
	want := "wasm-runner: standard output was closed by its reader: the page in hand is not checkpointed and comes again\n"
	if cmd.ProcessState.ExitCode() != codeFailed || stderr.String() != want {
		t.Errorf("exit code %d, %v, stderr %q", cmd.ProcessState.ExitCode(), err, stderr.String())
	}
	if _, err := os.Stat(checkpoint); !os.IsNotExist(err) {
		t.Errorf("a checkpoint was saved: %v", err)
	}
}

// brokenPage is a page that cannot be written.
type brokenPage struct{ err error }

func (p brokenPage) WriteTo(io.Writer) (int64, error) { return 0, p.err }

func TestAPageThatFailsIsAnError(t *testing.T) {
	s, _, err := openSink("-", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(brokenPage{io.ErrShortWrite}); err == nil || !strings.Contains(err.Error(), "standard output") {
		t.Errorf("got %v", err)
	}
}
