package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/hosttest"
)

// TestBuiltRunner_CopiedElsewhere_NeedsNothingElse copies the built binary to an empty folder, and runs it in / with an empty
// home folder.
func TestBuiltRunner_CopiedElsewhere_NeedsNothingElse(t *testing.T) {
	t.Parallel()
	wasm := hosttest.Connector.Bytes(t)
	sum := fmt.Sprintf("%x", sha256.Sum256(wasm))
	home, binary := t.TempDir(), filepath.Join(t.TempDir(), "wasm-runner")
	copyFile(t, binary, built(t))
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(env []string, args ...string) (string, error) {
		cmd := exec.Command(binary, args...)
		cmd.Dir = "/"
		cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	lookup := []string{"--demo", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`}

	out, err := run(nil, "--version")
	want := "(?m)^wasm-runner " + regexp.QuoteMeta(builtVersion) + ", commit " + builtCommit + ` \(modified\), ABI .*\nmodule SHA-256 ` + sum + ", embedded$"
	if err != nil || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("--version: %v: %s, want %s", err, out, want)
	}
	out, err = run(nil, lookup...)
	if err != nil || !strings.Contains(out, `"outcome":"succeeded"`) || strings.Contains(out, "wasm-runner:") {
		t.Fatalf("the first start: %v: %s", err, out)
	}
	compiled := files(t, home)
	if len(compiled) == 0 {
		t.Error("no compiled code was kept under $HOME")
	}
	if out, err = run(nil, lookup...); err != nil {
		t.Fatalf("the second start: %v: %s", err, out)
	}
	if again := files(t, home); fmt.Sprint(again) != fmt.Sprint(compiled) {
		t.Errorf("the second start compiled again: %v, and before %v", again, compiled)
	}

	// A module that is named replaces the embedded one.
	for name, named := range map[string]struct{ env, args []string }{
		"--module":            {nil, []string{"--module", text}},
		"$WASM_RUNNER_MODULE": {[]string{"WASM_RUNNER_MODULE=" + text}, nil},
	} {
		if out, err := run(named.env, append(named.args, "describe")...); err == nil || !strings.Contains(out, "module refused") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if out, err := run(named.env, append(named.args, "--version")...); err != nil || !strings.HasSuffix(out, ", from "+text+"\n") {
			t.Errorf("%s --version: %v: %s", name, err, out)
		}
	}
	if out, err := run(nil, "--module-sha256", strings.Repeat("0", 64), "describe"); err == nil || !strings.Contains(out, "its SHA-256 is "+sum) {
		t.Errorf("a pin of another module: %v: %s", err, out)
	}
}

// files lists the files under a folder with their times.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			found[path] = info.ModTime().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
