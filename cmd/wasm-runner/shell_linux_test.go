package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mach5/okta-connector/host/sql"
)

// keyboard is the person's end of a terminal.
type keyboard struct {
	t    *testing.T
	pty  *os.File
	mu   sync.Mutex
	seen strings.Builder
	read int // of seen, by await
}

// onTerminal starts the runner on a terminal of its own.
func onTerminal(t *testing.T, state string, args ...string) (*keyboard, *exec.Cmd) {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = pty.Close() })
	fd := int(pty.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tty.Close() }()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"wasm-runner"}, args...), Stdin: tty, Stdout: tty, Stderr: tty,
		Env:         append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "TERM=xterm", "XDG_STATE_HOME="+state),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	k := &keyboard{t: t, pty: pty}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := pty.Read(b)
			k.mu.Lock()
			k.seen.Write(b[:n])
			k.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return k, cmd
}

// keys sends keys.
func (k *keyboard) keys(text string) {
	k.t.Helper()
	if _, err := k.pty.WriteString(text); err != nil {
		k.t.Fatal(err)
	}
}

// await waits until the screen shows what is wanted, behind what was awaited before.
func (k *keyboard) await(pattern string) {
	k.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		k.mu.Lock()
		text := k.seen.String()
		k.mu.Unlock()
		if at := wanted.FindStringIndex(text[k.read:]); at != nil {
			k.read += at[1]
			return
		}
	}
	k.t.Fatalf("%s did not come in %q", pattern, k.seen.String()[k.read:])
}

func TestShell(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	state := t.TempDir()
	k, cmd := onTerminal(t, state, "--demo", "sql")
	k.await(`lists what there is to read`)
	k.await(`sql> `)

	k.keys("SELECT 1 AS first,\r")
	k.await(`  -> `)
	k.keys("2 AS second;\r")
	k.await(`FIRST  SECOND\r\n1      2\r\n1 row, \d+ ms`)

	k.keys("SELECT login FROM okta.use\t") // completes a table
	k.await(`okta\.users`)
	k.keys(" WHERE status = 'LOCKED_OUT' AND first_n\t IS NOT NULL;\r") // and a column
	k.await(`AND first_name`)
	k.await(`hugo\.dvorak13@example\.com\r\n2 rows`)

	k.keys("SELECT * FROM nope;\r")
	k.await(`Catalog Error: Table with name nope does not exist!`)
	k.await(`LINE 1: SELECT \* FROM nope\r\n +\^\r\n`)

	k.keys(".mode csv\r.tables\r")
	k.await(`schema,name,description\r\n`)
	k.await(`okta,system_log,The System Log`)
	k.keys(".mode xml\r")
	k.await(`\.mode: no mode "xml": there are table`)
	k.keys(".frobnicate\r")
	k.await(`no command \.frobnicate: there are \.exit`)
	k.keys(".help\r")
	k.await(`A statement ends in a semicolon`)

	// Ctrl-C leaves a statement that is being written, and stops one that runs.
	k.keys("SELECT 'half\r")
	k.await(`  -> `)
	k.keys("\x03")
	k.await(`sql> `)
	k.keys("SELECT count(*) FROM range(100000000000) a, range(100000000000) b;\r")
	k.await(`b;\r\n`)
	k.keys("\x03")
	k.await(`stopped\r\n`)
	k.keys("\x03\x03.timer off\r.mode ndjson\rSELECT 7 AS last;\r")
	k.await(`\{"last":7\}\r\n`)
	k.await(`sql> `)

	k.keys("\x1b[A\r") // the last statement again
	k.await(`\{"last":7\}\r\n`)
	k.keys("CREATE TABLE t AS SELECT 1; .quit\r")
	k.await(`  -> `)
	k.keys("\x03.quit\r")
	if err := cmd.Wait(); err != nil {
		t.Errorf("leaving: %v", err)
	}

	path := filepath.Join(state, "okta-connector", "sql_history")
	history, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SELECT 1 AS first, 2 AS second;\n", "SELECT login FROM okta.users WHERE status = 'LOCKED_OUT' AND first_name IS NOT NULL;\n", ".mode csv\n"} {
		if !strings.Contains(string(history), statement) {
			t.Errorf("the history has no %q: %s", statement, history)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history has mode %v, %v", info.Mode(), err)
	}
}

func TestShellEndsInOrder(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	for _, end := range []struct {
		name string
		how  func(*keyboard, *exec.Cmd)
		code int
	}{
		{"Ctrl-D", func(k *keyboard, _ *exec.Cmd) { k.keys("\x04") }, 0},
		{"SIGTERM", func(_ *keyboard, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) }, codeInterrupted},
	} {
		t.Run(end.name, func(t *testing.T) {
			state := t.TempDir()
			k, cmd := onTerminal(t, state, "--demo", "sql")
			k.await(`sql> `)
			before, err := unix.IoctlGetTermios(int(k.pty.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			k.keys("SELECT 42 AS answer;\r")
			k.await(`42\r\n1 row`)
			k.await(`sql> `)
			end.how(k, cmd)
			_ = cmd.Wait() // the code says it
			if code := cmd.ProcessState.ExitCode(); code != end.code {
				t.Errorf("exit code %d, want %d", code, end.code)
			}
			after, err := unix.IoctlGetTermios(int(k.pty.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			if before.Lflag&unix.ICANON != 0 || after.Lflag&unix.ICANON == 0 || after.Lflag&unix.ECHO == 0 {
				t.Errorf("the terminal was %x and is left as %x", before.Lflag, after.Lflag)
			}
			history, err := os.ReadFile(filepath.Join(state, "okta-connector", "sql_history"))
			if err != nil || string(history) != "SELECT 42 AS answer;\n" {
				t.Errorf("the history is %q, %v", history, err)
			}
		})
	}
}
