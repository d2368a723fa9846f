package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/embedded"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/internal/trust"
)

// ModuleName is the name of the module's file in build/ and next to this program.
const ModuleName = okta.Kind + ".wasm"

// ModuleError means that the module was not found, or was refused.
type ModuleError struct{ error }

// Unwrap returns the error that was wrapped.
func (e ModuleError) Unwrap() error { return e.error }

// LoadModule finds, checks and compiles the module. An error is a ModuleError.
func (a *App) LoadModule(ctx context.Context) (*host.Module, error) {
	found, err := a.FindModule()
	if err != nil {
		return nil, ModuleError{err}
	}
	opts := host.LoadOptions{SHA256: a.Flags.ModuleSHA256, Minor0: minor0.Manifest(), Logger: a.Logger()}
	if n := a.Flags.MaxProcessMemory; n > 0 {
		opts.ProcessMemory = host.NewProcessMemory(n << 20)
	}
	m, err := host.Load(ctx, found.Wasm, opts)
	if err != nil {
		return nil, ModuleError{err}
	}
	return m, nil
}

// foundModule is a module before it is loaded.
type foundModule struct {
	Wasm []byte
	From string // says where it was found
	// relative means that the module was found in the working folder, without a flag that names it.
	relative bool
	Sum      string // SHA-256 in hex; empty where it is not known yet
}

// moduleFile caches the module of this run, its kind and the schema of its connections.
type moduleFile struct {
	find  sync.Once
	found foundModule
	err   error

	readKind sync.Once
	kind     string
	badKind  error

	read      sync.Once
	schema    *connections.Schema
	addresses *abi.BaseURL // what the manifest says of the service's addresses; may be nil
	bad       error
}

// kindOf returns the kind of the module. It is safe for concurrent use. An error is a ModuleError.
func (a *App) kindOf() (string, error) {
	m := &a.module
	m.readKind.Do(func() {
		found, err := a.FindModule()
		if err == nil {
			m.kind, err = host.ReadKind(found.Wasm)
		}
		if err != nil {
			m.badKind = ModuleError{err}
		}
	})
	return m.kind, m.badKind
}

// schemaOf returns the schema of the module's connections. It is safe for concurrent use. An error is a ModuleError.
func (a *App) schemaOf() (*connections.Schema, error) {
	m := &a.module
	m.read.Do(func() {
		found, err := a.FindModule()
		if err != nil {
			m.bad = ModuleError{err}
			return
		}
		manifest, err := host.ReadManifest(found.Wasm)
		if err == nil {
			m.schema, err = connections.NewSchema(manifest)
			m.addresses = manifest.BaseURL
		}
		if err != nil {
			m.bad = ModuleError{err}
		}
	})
	return m.schema, m.bad
}

// Folder returns the name of the folders that hold the user's files for this kind of connector.
func (a *App) Folder() (string, error) {
	kind, err := a.kindOf()
	return kind + "-connector", err
}

// FindModule finds the module once. It is safe for concurrent use.
func (a *App) FindModule() (foundModule, error) {
	m := &a.module
	m.find.Do(func() { m.found, m.err = a.lookForModule() })
	return m.found, m.err
}

// lookForModule returns the module that --module or $WASM_RUNNER_MODULE names, else the embedded one, else the first file
// in modulePlaces.
func (a *App) lookForModule() (foundModule, error) {
	for _, named := range []struct{ by, path string }{
		{"--module", a.Flags.Module}, {"$WASM_RUNNER_MODULE", a.Env("WASM_RUNNER_MODULE")},
	} {
		if named.path == "" {
			continue
		}
		wasm, err := os.ReadFile(named.path)
		if err != nil {
			return foundModule{}, OpenError(named.by, named.path, err, "name a module, or leave it out to use the embedded one")
		}
		return foundModule{Wasm: wasm, From: "from " + named.path}, nil
	}
	if wasm, sum, ok := embedded.Module(); ok {
		return foundModule{Wasm: wasm, From: "embedded", Sum: sum}, nil
	}
	places := modulePlaces()
	for _, path := range places {
		if err := a.found(path, "--module"); err != nil {
			return foundModule{}, err
		}
		wasm, err := os.ReadFile(path)
		if err == nil {
			return foundModule{Wasm: wasm, From: "from " + path, relative: !filepath.IsAbs(path)}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return foundModule{}, Usagef("module: %w", err)
		}
	}
	return foundModule{}, Usagef("no module: this program was built without one, and there is none at %s. "+
		"Build it with make build, which embeds the module, or name a file with --module", strings.Join(places, ", "))
}

// found checks a file that no flag names and that may have been planted: it returns an error if another user can write it.
// A missing file is no error. With NameFiles, found reports that it uses a file of the working directory. Otherwise only the
// log at level debug has it, because cron would mail a line for each run.
func (a *App) found(path, flag string) error {
	err := trustFound(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Usagef("%w: check it, and name it with %s if it is yours", err, flag)
	case filepath.IsAbs(path):
	case a.NameFiles:
		a.Notef("using %s of this folder (%s names another)", path, flag)
	default:
		a.Logger().Debug("using a file of this folder", "file", path, "flag", flag)
	}
	return nil
}

// trustFound is trust.File for a file that no flag names. If the path is relative, it also checks the folder and a
// symbolic link, because a user who controls these can replace the file after the check.
func trustFound(path string) error {
	link, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) {
		if err := trust.Info(path, link); err != nil {
			return err
		}
		if err := trust.File(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return trust.File(path)
}

// modulePlaces returns the paths at which a runner without an embedded module looks for one.
func modulePlaces() []string {
	var places []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, ModuleName), filepath.Join(dir, "..", "build", ModuleName))
	}
	return append(places, filepath.Join("build", ModuleName))
}

// BackfillOperation returns the operation that the manifest names for reading a range of time.
func BackfillOperation(m *abi.Manifest) (string, error) {
	var names []string
	for i := range m.Operations {
		if b := m.Operations[i].Backfill; b != nil && !slices.Contains(names, b.Operation) {
			names = append(names, b.Operation)
		}
	}
	switch len(names) {
	case 0:
		return "", Usagef("the module names no operation that reads a range: name one with --operation")
	case 1:
		return names[0], nil
	}
	return "", Usagef("the module has several operations that read a range: name one of %s with --operation", strings.Join(names, ", "))
}
