package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/trust"
)

// moduleName is the file that make build leaves in build/.
const moduleName = "okta.wasm"

// moduleError is a module that could not be found, or was refused.
type moduleError struct{ error }

func (e moduleError) Unwrap() error { return e.error }

// loadModule finds, reads, checks and compiles the module.
func (a *app) loadModule(ctx context.Context) (*host.Module, error) {
	wasm, err := a.readModule()
	if err != nil {
		return nil, moduleError{err}
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{SHA256: a.flags.moduleSHA256, Logger: a.logger()})
	if err != nil {
		return nil, moduleError{err}
	}
	return m, nil
}

// readModule reads the module that --module or $WASM_RUNNER_MODULE names, else the first that lies where modules lie.
func (a *app) readModule() ([]byte, error) {
	for _, named := range []struct{ by, path string }{
		{"--module", a.flags.module}, {"$WASM_RUNNER_MODULE", a.env("WASM_RUNNER_MODULE")},
	} {
		if named.path == "" {
			continue
		}
		wasm, err := os.ReadFile(named.path)
		if err != nil {
			return nil, usagef("%s: %w", named.by, err)
		}
		return wasm, nil
	}
	places := modulePlaces()
	for _, path := range places {
		if err := a.found(path, "--module"); err != nil {
			return nil, err
		}
		wasm, err := os.ReadFile(path)
		if err == nil {
			return wasm, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("module: %w", err)
		}
	}
	return nil, usagef("no module: looked for %s. Run make build, or name one with --module", strings.Join(places, ", "))
}

// found judges a file that is taken for lying where it is looked for, and says so of one in the working directory: whoever
// steps into a folder has not looked at what is in it. It is nil for a file that is not there.
func (a *app) found(path, flag string) error {
	err := trust.File(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef("%w: look at it, and name it with %s if it is yours", err, flag)
	case !filepath.IsAbs(path):
		a.say("taking %s of this folder (%s names another)", path, flag)
	}
	return nil
}

// modulePlaces are the paths at which a module is looked for.
func modulePlaces() []string {
	var places []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, moduleName), filepath.Join(dir, "..", "build", moduleName))
	}
	return append(places, filepath.Join("build", moduleName))
}
