package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
)

// ReadConnections reads the connection file. It also returns the file's path, for messages.
func (a *App) ReadConnections() ([]host.Config, string, error) {
	schema, err := a.schemaOf()
	if err != nil {
		return nil, "", err
	}
	if a.Flags.Config == "-" {
		text, err := io.ReadAll(io.LimitReader(a.Interruptible(a.Stdin), connections.MaxFile+1))
		if err != nil {
			return nil, "-", err
		}
		configs, err := schema.Parse(text)
		if err == nil && slices.ContainsFunc(configs, connections.HasCommand) {
			err = Usagef("standard input: a reference exec: runs a command, so it must be in a file that only this user can write: name one with --config")
		}
		return configs, "standard input", err
	}
	for _, named := range []struct{ by, path string }{{"--config", a.Flags.Config}, {"$WASM_RUNNER_CONFIG", a.Env("WASM_RUNNER_CONFIG")}} {
		if named.path == "" {
			continue
		}
		a.readConfig = named.path
		configs, err := schema.ReadFile(named.path)
		if err != nil && !errors.Is(err, connections.ErrFile) {
			err = OpenError(named.by, named.path, err, "name the connection file, or try --demo")
		}
		return configs, named.path, err
	}
	places, err := a.connectionPlaces()
	if err != nil {
		return nil, "", err
	}
	for _, path := range places {
		if err := a.found(path, "--config"); err != nil {
			return nil, path, err
		}
		configs, err := schema.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		a.readConfig = path
		if err == nil && !filepath.IsAbs(path) {
			err = a.judgeFound(path, configs)
		}
		return configs, path, err
	}
	start := " (wasm-runner simulate prints one to start from), or try --demo"
	if kind := schema.Kind(); kind != demoKind {
		start = ", with a connection of kind " + kind
	}
	return nil, "", Usagef("no connection file: looked for %s. Name one with --config%s", strings.Join(places, " and "), start)
}

// NewConnections says where a command writes a connection, and how one must be written.
type NewConnections struct {
	Path      string // the connection file, which may be missing
	Hidden    bool   // commands in this folder read another file, unless --config names Path
	Kind      string
	Schema    *connections.Schema
	Addresses *abi.BaseURL // what the manifest says of the service's addresses; may be nil
}

// NewConnections returns the connection file that the flags or the environment name, else that of the user.
func (a *App) NewConnections() (NewConnections, error) {
	schema, err := a.schemaOf()
	if err != nil {
		return NewConnections{}, err
	}
	n := NewConnections{Kind: schema.Kind(), Schema: schema, Addresses: a.module.addresses}
	for _, path := range []string{a.Flags.Config, a.Env("WASM_RUNNER_CONFIG")} {
		if path == "-" {
			return n, Usagef("--config: this command writes the connection file: name a file")
		}
		if path != "" {
			n.Path = path
			return n, nil
		}
	}
	places, err := a.connectionPlaces()
	if err != nil {
		return n, err
	}
	if len(places) < 2 {
		return n, Usagef("there is no home folder for the connection file: name one with --config")
	}
	_, err = os.Stat(places[0])
	n.Path, n.Hidden = places[1], err == nil
	return n, nil
}

// connectionPlaces returns the paths at which a connection file is looked for.
func (a *App) connectionPlaces() ([]string, error) {
	places := []string{"connections.yaml"}
	folder, err := a.Folder()
	if err != nil {
		return nil, err
	}
	base := a.Env("XDG_CONFIG_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return places, nil
		}
		base = filepath.Join(home, ".config")
	}
	return append(places, filepath.Join(base, folder, "connections.yaml")), nil
}

// judgeFound checks the connections of a file that was found in the working folder.
func (a *App) judgeFound(path string, configs []host.Config) error {
	known := a.module.addresses
	if a.module.found.relative {
		known = nil // the module may be the stranger's, too
	}
	err := connections.CheckFound(path, configs, known)
	if e := (*connections.Error)(nil); errors.As(err, &e) {
		e.What += ": if you wrote the file, name it with --config " + path + " or $WASM_RUNNER_CONFIG"
	}
	return err
}
