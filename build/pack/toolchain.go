package pack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// flags are the flags of the build. With them, the module does not depend on the machine or the time.
var flags = []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-buildmode=c-shared"}

// fixed is the part of the build's environment that is always the same.
var fixed = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOENV=off", "GOFLAGS=", "GOWORK=off"}

// removed are the variables of the caller's environment that would change the module.
var removed = []string{"GOOS", "GOARCH", "CGO_ENABLED", "GOENV", "GOFLAGS", "GOWORK", "GOWASM", "GOEXPERIMENT",
	"GOFIPS140", "GODEBUG", "GO111MODULE"}

// settingNames are Go's settings of folders and servers, which do not change the module. They are read with go env, since
// GOENV=off hides those that `go env -w` wrote.
var settingNames = []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE",
	"GOINSECURE", "GOVCS", "GOAUTH", "GOTOOLCHAIN"}

// toolchain is the installed Go, for a folder with a Go module.
type toolchain struct {
	dir     string
	env     []string
	version string // "go1.26.8"
}

func newToolchain(ctx context.Context, dir string) (*toolchain, error) {
	t := &toolchain{dir: dir, env: append(os.Environ(), "GOWORK=off")}
	out, err := t.run(ctx, append([]string{"env", "-json", "GOVERSION"}, settingNames...)...)
	if err != nil {
		return nil, err
	}
	var settings map[string]string
	if err := json.Unmarshal(out, &settings); err != nil {
		return nil, fmt.Errorf("reading the output of go env: %w", err)
	}
	t.version = settings["GOVERSION"]
	t.env = without(os.Environ(), slices.Concat(removed, settingNames))
	for _, name := range settingNames {
		if v := settings[name]; v != "" {
			t.env = append(t.env, name+"="+v)
		}
	}
	t.env = append(t.env, fixed...)
	return t, nil
}

// build compiles a package to a Wasm reactor.
func (t *toolchain) build(ctx context.Context, pkg string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "okta-pack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "guest.wasm")
	if _, err := t.run(ctx, append(slices.Clone(flags), "-o", out, pkg)...); err != nil {
		return nil, fmt.Errorf("building %s for Wasm: %w", pkg, err)
	}
	return os.ReadFile(out)
}

// manifest builds a package's command for this machine and runs it with the argument manifest. If the command fails, the
// error is an ErrManifest with the command's error output.
func (t *toolchain) manifest(ctx context.Context, pkg string) ([]byte, error) {
	native := *t
	native.env = append(without(t.env, []string{"GOOS", "GOARCH"}), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	tmp, err := os.MkdirTemp("", "okta-pack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	program := filepath.Join(tmp, "connector.exe") // the ending is for Windows
	if _, err := native.run(ctx, "build", "-o", program, pkg); err != nil {
		return nil, fmt.Errorf("building %s for this machine: %w", pkg, err)
	}
	cmd := exec.CommandContext(ctx, program, "manifest")
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("asking %s for its manifest: %w", pkg, context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %s", ErrManifest, pkg, cmp.Or(strings.TrimSpace(stderr.String()), err.Error()))
	}
	return stdout.Bytes(), nil
}

// run runs a go command and returns its output. If it fails, the error contains its error output.
func (t *toolchain) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = t.dir, t.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // then go also ends its compilers
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("go %s in %s: %w", args[0], t.dir, context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("packing needs the go command in PATH: install Go, or use a module that is already packed: %w", err)
	}
	return nil, fmt.Errorf("go %s in %s: %w\n%s", args[0], t.dir, err, bytes.TrimSpace(stderr.Bytes()))
}

func without(env, names []string) []string {
	var kept []string
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(names, name) {
			kept = append(kept, v)
		}
	}
	return kept
}
