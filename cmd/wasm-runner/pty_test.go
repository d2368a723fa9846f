//go:build linux || darwin

package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// ptyOptions describe the terminal of a test. The zero value is an xterm of 120 columns.
type ptyOptions struct {
	columns int
	unsized bool     // the terminal says that it has 0 rows and 0 columns
	dir     string   // working directory of the runner
	state   string   // its XDG_STATE_HOME; default a fresh folder
	env     []string // added to the environment
	stdin   string   // goes through a pipe; "" is the terminal
}

const ptyRows = 40

// keyboard is the person's end of a pseudo-terminal. It types keys, and records the bytes and the screen that they draw.
type keyboard struct {
	t    *testing.T
	pty  *os.File
	cmd  *exec.Cmd
	gone chan struct{} // closed at the end of the output

	mu     sync.Mutex
	seen   strings.Builder
	screen vt10x.Terminal
	read   int // bytes of seen that await has consumed
}

// onPty starts the runner on a pseudo-terminal of its own.
func onPty(t *testing.T, o ptyOptions, args ...string) *keyboard {
	t.Helper()
	if o.columns == 0 {
		o.columns = 120
	}
	if o.state == "" {
		o.state = t.TempDir()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"wasm-runner"}, args...), Dir: o.dir}
	cmd.Env = append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "TERM=xterm", "NO_COLOR=", "XDG_STATE_HOME="+o.state)
	cmd.Env = append(cmd.Env, o.env...)
	if o.stdin != "" {
		cmd.Stdin = strings.NewReader(o.stdin)
		cmd.SysProcAttr = &syscall.SysProcAttr{Ctty: 1} // standard output, since standard input is no terminal
	}
	size := &pty.Winsize{Rows: ptyRows, Cols: uint16(o.columns)}
	if o.unsized {
		size = &pty.Winsize{}
	}
	master, err := pty.StartWithSize(cmd, size)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyboard{t: t, pty: master, cmd: cmd, gone: make(chan struct{}), screen: vt10x.New(vt10x.WithSize(o.columns, ptyRows))}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = master.Close()
	})
	go func() {
		defer close(k.gone)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			k.mu.Lock()
			k.seen.Write(b[:n])
			_, _ = k.screen.Write(b[:n])
			k.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return k
}

// keys types keys.
func (k *keyboard) keys(text string) {
	k.t.Helper()
	if _, err := k.pty.WriteString(text); err != nil {
		k.t.Fatal(err)
	}
}

// await waits for bytes that match a pattern, after those of the last await.
func (k *keyboard) await(pattern string) {
	k.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if at := wanted.FindStringIndex(k.raw()[k.read:]); at != nil {
			k.read += at[1]
			return
		}
	}
	k.t.Fatalf("%s did not come in %q", pattern, k.raw()[k.read:])
}

// wait waits until the runner has ended and its output has arrived. It returns the exit code.
func (k *keyboard) wait() int {
	k.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- k.cmd.Wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			k.t.Fatal(err)
		}
	case <-time.After(patience):
		k.t.Fatalf("the runner does not end: %q", k.raw())
	}
	<-k.gone
	return k.cmd.ProcessState.ExitCode()
}

// raw returns all bytes so far.
func (k *keyboard) raw() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen.String()
}

// lines returns the lines of the screen, without those that are empty at its end.
func (k *keyboard) lines() []string {
	k.mu.Lock()
	text := k.screen.String()
	k.mu.Unlock()
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		lines = append(lines, strings.TrimRight(line, " \x00"))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// unwrapped returns the lines as the runner wrote them, however wide the screen is, without escape codes. Each redrawing of a
// line counts as a line.
func (k *keyboard) unwrapped() []string {
	text := regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]").ReplaceAllString(k.raw(), "")
	return regexp.MustCompile("\r*\n|\r").Split(text, -1)
}
