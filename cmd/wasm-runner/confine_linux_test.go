package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/sql"
)

// compromisedEnv makes the runner of a test hostile once it is confined: it tries what a module would that broke out of the
// sandbox, and prints the results to descriptor 3. The value is a folder that the run does not need.
const compromisedEnv = "WASM_RUNNER_COMPROMISED"

// compromised is main of a runner that is hostile once it is confined.
func compromised() {
	a := cli.NewApp(cli.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, os.LookupEnv)
	a.Build = build
	results := os.NewFile(3, "results")
	a.Enter = func(f confinement.Files) (confinement.Report, error) {
		r, err := confinement.Enter(f)
		dir := os.Getenv(compromisedEnv)
		for _, name := range slices.Sorted(maps.Keys(misdeeds)) {
			verdict := "done"
			switch err := misdeeds[name](dir); {
			case errors.Is(err, fs.ErrPermission):
				verdict = "refused"
			case err != nil:
				verdict = err.Error()
			}
			fmt.Fprintf(results, "%s: %s\n", name, verdict)
		}
		return r, err
	}
	os.Exit(run(a, os.Args[1:]))
}

// misdeeds are what a hostile process tries.
var misdeeds = map[string]func(dir string) error{
	"read a file of another folder":  func(dir string) error { _, err := os.ReadFile(filepath.Join(dir, "secret")); return err },
	"list another folder":            func(dir string) error { _, err := os.ReadDir(dir); return err },
	"write into another folder":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "left"), nil, 0o600) },
	"read /etc/passwd":               func(string) error { _, err := os.ReadFile("/etc/passwd"); return err },
	"read /etc/shadow":               func(string) error { _, err := os.ReadFile("/etc/shadow"); return err },
	"read the parent's environment":  func(string) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid())); return err },
	"open the parent's memory":       func(string) error { _, err := os.Open(fmt.Sprintf("/proc/%d/mem", os.Getppid())); return err },
	"trace the parent":               func(string) error { return syscall.PtraceAttach(os.Getppid()) },
	"signal the parent":              func(string) error { return syscall.Kill(os.Getppid(), 0) },
	"start a program":                func(string) error { return exec.Command("/bin/true").Run() },
	"become another program":         func(string) error { return syscall.Exec("/bin/true", []string{"true"}, nil) },
	"mount":                          func(string) error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") },
	"make a namespace":               func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"load a program into the kernel": func(string) error { _, _, errno := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return unlessZero(errno) },
	"make an io_uring": func(string) error {
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		return unlessZero(errno)
	},
	"ask another program by its socket": func(dir string) error {
		c, err := net.Dial("unix", filepath.Join(dir, "socket"))
		if err == nil {
			_ = c.Close()
		}
		return err
	},
	"make a pair of sockets": func(string) error { // one of them could be connected to another program
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err == nil {
			_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		}
		return err
	},
	"talk to the kernel's cryptography": func(string) error {
		fd, err := unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	},
	"read the memory of another":  func(string) error { _, err := unix.ProcessVMReadv(os.Getppid(), nil, nil, 0); return err },
	"allow core dumps":            func(string) error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}) },
	"run the runner of this test": func(string) error { return exec.Command("/proc/self/exe", "-h").Run() },
	"read the module again":       func(string) error { _, err := os.ReadFile(os.Getenv("WASM_RUNNER_MODULE")); return err },
}

func unlessZero(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// keyStore is the run of a connection whose token is in the key store.
const keyStore = "key store"

// hostile runs a compromised runner, which must succeed unless it may fail, and returns what became of each misdeed.
func hostile(t *testing.T, dir string, mayFail bool, args ...string) map[string]string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(linked(t, t.TempDir()), args...)
	cmd.Env = append(os.Environ(), compromisedEnv+"="+dir, "WASM_RUNNER_MODULE="+module(t))
	cmd.ExtraFiles = []*os.File{w}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); failed && mayFail {
		err = nil
	}
	_ = w.Close()
	text := new(bytes.Buffer)
	_, readErr := text.ReadFrom(r)
	if err := errors.Join(err, readErr, r.Close()); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, &out)
	}
	became := map[string]string{}
	for line := range strings.Lines(text.String()) {
		name, verdict, _ := strings.Cut(strings.TrimSpace(line), ": ")
		became[name] = verdict
	}
	return became
}

func TestConfine_CompromisedRunner_ReachesNothing(t *testing.T) {
	if !confinement.Supported().Whole() {
		t.Skipf("this kernel has %s", confinement.Supported().Walls)
	}
	dir, run := t.TempDir(), t.TempDir()
	program, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(oktatest.Config{}).Start()
	defer func() { _ = org.Close() }()
	config := filepath.Join(run, "okta.yaml")
	text := fmt.Sprintf("connections:\n  - {name: okta, kind: okta, base_url: %q, token_secret_ref: %q, allow_private_network: true}\n", org.URL, "file:"+filepath.Join(run, "token"))
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.WriteFile(filepath.Join(run, "token"), []byte(org.Token()), 0o600)); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(run, name) }
	commands := map[string][]string{
		"invoke":       {"--demo", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`, "--audit", in("audit")},
		"table":        {"--config", config, "table", "list_users", "--limit", "2"},
		"check":        {"--config", config, "check"},
		"source":       {"--config", config, "source", "poll_system_log_page", "--once", "--checkpoint", in("cp.json"), "--out", in("out.ndjson")},
		"source --all": {"--config", config, "source", "poll_system_log_page", "--once", "--all", "--checkpoint-dir", in("state"), "--out", in("{connection}.ndjson"), "--rotate-size", "32KiB"},
		"backfill":     {"--config", config, "backfill", "--since", "yesterday", "--until", "now", "--checkpoint", in("back.json"), "--out", in("back.ndjson.zst")},
		"simulate":     {"simulate", "--connection-file", in("sim.yaml"), "--duration", "10ms"},
	}
	if sql.Available {
		commands["sql"] = []string{"--config", config, "sql", "--database", in("kept.duckdb"), "CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS x; FROM t"}
		commands["sql with files"] = []string{"--config", config, "sql", "--allow-files=" + run, "COPY (SELECT 1) TO '" + in("x.csv") + "'"}
	}
	// A run that needs the key store, which is reached over a Unix socket. It fails, because there is none.
	stored := in("stored.yaml")
	text = strings.Replace(text, "file:"+filepath.Join(run, "token"), "keyring:none", 1)
	commands[keyStore] = []string{"--config", stored, "table", "list_users"}
	if err := os.WriteFile(stored, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			became := hostile(t, dir, name == keyStore, args...)
			for _, misdeed := range slices.Sorted(maps.Keys(misdeeds)) {
				want := "refused"
				if name == keyStore && (misdeed == "ask another program by its socket" || misdeed == "make a pair of sockets") {
					want = "done"
				}
				if got := became[misdeed]; got != want {
					t.Errorf("%s: %s, want %s", misdeed, got, want)
				}
			}
		})
	}
	if left, err := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("the other folder has %v, %v", left, err)
	}
	t.Run("turned off", func(t *testing.T) { // without this, the others prove nothing
		cmd := exec.Command(linked(t, t.TempDir()), "--no-confine", "--config", config, "check")
		cmd.Env = append(os.Environ(), "WASM_RUNNER_MODULE="+module(t))
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--no-confine: this process keeps all rights of its user")) ||
			!bytes.Contains(out, []byte("WARN process")) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
