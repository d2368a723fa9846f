package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/build/embedded"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/internal/trust"
)

// moduleName is the module's file in build/ and beside the runner.
const moduleName = okta.Kind + ".wasm"

// moduleError is a module that could not be found, or was refused.
type moduleError struct{ error }

func (e moduleError) Unwrap() error { return e.error }

// loadModule finds, reads, checks and compiles the module.
func (a *app) loadModule(ctx context.Context) (*host.Module, error) {
	found, err := a.findModule()
	if err != nil {
		return nil, moduleError{err}
	}
	m, err := host.Load(ctx, found.wasm, host.LoadOptions{SHA256: a.flags.moduleSHA256, Minor0: minor0.Manifest(), Logger: a.logger()})
	if err != nil {
		return nil, moduleError{err}
	}
	return m, nil
}

// foundModule is a module before it is loaded.
type foundModule struct {
	wasm []byte
	from string // says where it was found
	sum  string // SHA-256 in hex; empty until somebody needs it
}

// located is the module of this run, found once, and what the runner must know of it before it is loaded.
type located struct {
	find  sync.Once
	found foundModule
	err   error

	read   sync.Once
	kind   string
	schema *connections.Schema
	bad    error
}

// kindOf returns the kind of the module, and the schema of its connections. It is safe for concurrent use. An error is a
// moduleError.
func (a *app) kindOf() (kind string, schema *connections.Schema, err error) {
	m := &a.module
	m.read.Do(func() {
		found, err := a.findModule()
		if err != nil {
			m.bad = moduleError{err}
			return
		}
		kind, text, err := host.ReadConfigSchema(found.wasm)
		if err == nil {
			m.kind = kind
			m.schema, err = connections.NewSchema(kind, text)
		}
		if err != nil {
			m.bad = moduleError{err}
		}
	})
	return m.kind, m.schema, m.bad
}

// folder is the name of the folders in which this user's files for connectors of the module's kind are.
func (a *app) folder() (string, error) {
	kind, _, err := a.kindOf()
	return kind + "-connector", err
}

// findModule finds the module once. It is safe for concurrent use.
func (a *app) findModule() (foundModule, error) {
	m := &a.module
	m.find.Do(func() { m.found, m.err = a.lookForModule() })
	return m.found, m.err
}

// lookForModule returns the module that --module or $WASM_RUNNER_MODULE names, else the embedded one, else the first file
// in modulePlaces.
func (a *app) lookForModule() (foundModule, error) {
	for _, named := range []struct{ by, path string }{
		{"--module", a.flags.module}, {"$WASM_RUNNER_MODULE", a.env("WASM_RUNNER_MODULE")},
	} {
		if named.path == "" {
			continue
		}
		wasm, err := os.ReadFile(named.path)
		if err != nil {
			return foundModule{}, usagef("%s: %w", named.by, err)
		}
		return foundModule{wasm: wasm, from: "from " + named.path}, nil
	}
	if wasm, sum, ok := embedded.Module(); ok {
		return foundModule{wasm: wasm, from: "embedded", sum: sum}, nil
	}
	places := modulePlaces()
	for _, path := range places {
		if err := a.found(path, "--module"); err != nil {
			return foundModule{}, err
		}
		wasm, err := os.ReadFile(path)
		if err == nil {
			return foundModule{wasm: wasm, from: "from " + path}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return foundModule{}, usagef("module: %w", err)
		}
	}
	return foundModule{}, usagef("no module: this program was built without one, and there is none at %s. "+
		"Build it with make build, which embeds the module, or name a file with --module", strings.Join(places, ", "))
}

// found judges a file that was found where it is looked for, and not named. It is nil for a file that is not there.
// check says which file of the working directory is taken: a folder can hold more than the person in it knows. Other
// commands do so at log level debug, since a line for every run would be noise in a session and mail from cron.
func (a *app) found(path, flag string) error {
	err := trust.File(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef("%w: look at it, and name it with %s if it is yours", err, flag)
	case filepath.IsAbs(path):
	case a.sayFound:
		a.note("taking %s of this folder (%s names another)", path, flag)
	default:
		a.logger().Debug("taking a file of this folder", "file", path, "flag", flag)
	}
	return nil
}

// modulePlaces are the paths at which a runner without an embedded module looks for one.
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
