package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// TestMain runs the tests, or the runner if a test started the binary as wasm-runner. It checks the requests and answers of the
// simulated orgs against Okta's OpenAPI document.
func TestMain(m *testing.M) {
	sql.RunChildIfAsked()
	testscript.Main(judged{m}, map[string]func(){"wasm-runner": func() {
		orgs.Watch()
		if os.Getenv(compromisedEnv) != "" {
			compromised()
		}
		main()
	}})
}

type judged struct{ *testing.M }

// Run implements testscript.TestingM.
func (j judged) Run() int {
	leaveTerminal()
	code := orgs.Main(j.M)
	_ = os.RemoveAll(builtDir) // builtDir is empty if nothing was built
	return code
}

// linked makes a link to the test binary with the name wasm-runner, whose orgs are checked.
func linked(t *testing.T, dir string) (path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "wasm-runner")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// module writes the module to a file of the test. The module is packed once for all tests.
func module(t *testing.T) (path string) {
	t.Helper()
	wasm := hosttest.Connector.Bytes(t)
	path = filepath.Join(t.TempDir(), cli.ModuleName)
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestScripts_InTestdata_Pass runs testdata/script/*.txtar. Besides testscript's own commands they have:
//
//	exits CODE PROGRAM ARGS…   like exec, and the exit code is CODE
//	org tls|html|dead FILE     a connection file for a bad server: an unknown certificate, a web page, or no server
//	await FILE                 wait until FILE is there
//	await FILE TEXT            wait until FILE holds TEXT
//	search                     a service with a _bulk API at $SEARCH, whose index refuses some records
//
// A short run leaves out lines that begin with [!short]: each is a process, and other lines show the same kind of behaviour.
//
// The conditions are [tmpfs] (this user can mount a small file system in a name space) and [sql] (DuckDB is in this build).
func TestScripts_InTestdata_Pass(t *testing.T) {
	path := module(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("WASM_RUNNER_MODULE", path)
			env.Setenv("XDG_CACHE_HOME", cache) // compiled code
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("TOKEN", oktatest.DefaultToken)
			env.Setenv("EARLIER", time.Now().Add(-10*time.Minute).UTC().Format(time.RFC3339))
			env.Setenv("YESTERDAY", time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339))
			env.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
			env.Setenv("TOMORROW", time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))
			env.Vars = append(env.Vars, orgs.Variables()...)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  execExits,
			"org":    badOrg,
			"await":  await,
			"search": startSearch,
		},
		Condition: func(condition string) (bool, error) {
			switch condition {
			case "tmpfs":
				return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt").Run() == nil, nil
			case "sql":
				return sql.Available, nil
			}
			return false, fmt.Errorf("unknown condition %s", condition)
		},
	})
}

func execExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	ts.Logf("[exit code %d]\n%s%s", got, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func badOrg(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: org tls|html|dead FILE")
	}
	var url string
	switch args[0] {
	case "tls":
		server := oktatest.New(oktatest.Config{}).StartTLS()
		ts.Defer(func() { _ = server.Close() })
		url = server.URL
	case "html":
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "<!doctype html><title>It works</title>")
		}))
		ts.Defer(server.Close)
		url = server.URL
	case "dead":
		server := httptest.NewServer(http.NotFoundHandler())
		url = server.URL
		server.Close()
	default:
		ts.Fatalf("no org %s", args[0])
	}
	text := "connections:\n  - {name: okta, kind: okta, base_url: " + strconv.Quote(url) + ", token_secret_ref: env:TOKEN, allow_private_network: true}\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// patience is how long tests wait for what must happen. It allows for a slow machine.
const patience = 2 * time.Minute

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [TEXT]")
	}
	wanted := ""
	if len(args) == 2 {
		wanted = args[1]
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), wanted) {
			return
		}
	}
	ts.Fatalf("%s did not come", strings.Join(args, " "))
}
