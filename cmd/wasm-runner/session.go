package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/journal"
)

// session is a loaded module and a connection to an org. Close it when done.
type session struct {
	module *host.Module
	conn   *host.Connection
	others []*host.Connection // of --all, besides conn
	org    *demoOrg           // of --demo, else nil
}

// all are the session's connections.
func (s *session) all() []*host.Connection { return append([]*host.Connection{s.conn}, s.others...) }

// connect loads the module and connects it as the flags say. The module is loaded while the connection file is read or
// the demo's org started, since each takes its time.
func (a *app) connect(ctx context.Context, more ...func(*host.ConnectOptions)) (*session, error) {
	// A start makes some 30 MB of garbage, and collecting it would take a tenth of its time. What goes on for longer
	// than a call goes back to Go's default: see steady.
	debug.SetGCPercent(1000)
	debug.SetMemoryLimit(80 << 20)
	type loaded struct {
		module *host.Module
		err    error
	}
	loading := make(chan loaded, 1)
	go func() {
		m, err := a.loadModule(ctx)
		loading <- loaded{m, err}
	}()
	s := &session{}
	opts := host.ConnectOptions{Limits: host.Limits{CallTimeout: a.flags.timeout}}
	for _, set := range more {
		set(&opts)
	}
	var config host.Config
	var err error
	if a.flags.demo {
		if s.org, err = startDemo(); err != nil {
			return nil, err
		}
		config, opts.Secrets = s.org.config(), s.org
	} else if config, err = a.readConnection(); err != nil {
		return nil, err // the process ends, and with it the loading
	}
	config.Grants = a.grants(config.Grants)
	if a.flags.key != "" || config.MaxWritesPerMinute > 0 || config.MaxDestructivePerHour > 0 {
		if opts.Journal, err = a.openJournal(); err != nil {
			return nil, err
		}
	}
	l := <-loading
	if l.err != nil {
		s.close()
		return nil, l.err
	}
	s.module = l.module
	if s.conn, err = s.module.Connect(ctx, config, opts); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openJournal opens the journal that --journal names, else the user's.
func (a *app) openJournal() (*journal.File, error) {
	path := a.flags.journal
	if path == "" {
		dir := a.env("XDG_STATE_HOME")
		if dir == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, usagef("no place for a journal: %w: name one with --journal", err)
			}
			dir = filepath.Join(home, ".local", "state")
		}
		folder, err := a.folder()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, folder, "journal")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, usagef("journal: %w: name another with --journal", err)
		}
	}
	f, err := journal.Open(path, journal.Options{})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return f, nil
}

// steady is for commands that run for longer than a call: from here on, memory counts more than time. They make little
// garbage, so that collecting it sooner than by default costs next to nothing.
func (s *session) steady() {
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(math.MaxInt64)
}

// close ends the session. What it could complain of no longer matters.
func (s *session) close() {
	ctx := context.Background()
	for _, c := range s.all() {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
	if s.module != nil {
		_ = s.module.Close(ctx)
	}
	if s.org != nil {
		_ = s.org.server.Close()
	}
}

// grants are those of the connection and what --grant adds.
func (a *app) grants(own []abi.Class) []abi.Class {
	all := slices.Clone(own)
	if len(all) == 0 {
		all = []abi.Class{abi.Read}
	}
	for _, name := range a.flags.grants {
		if class := abi.Class(name); !slices.Contains(all, class) {
			all = append(all, class)
		}
	}
	return all
}

// readConnection reads the connection that the flags name.
func (a *app) readConnection() (host.Config, error) {
	configs, path, err := a.readConnections()
	if err != nil {
		return host.Config{}, err
	}
	config, err := connections.Find(configs, a.flags.connection)
	if err != nil {
		return host.Config{}, usagef("%s: %w: use --connection NAME", path, err)
	}
	return config, nil
}

// readConnections reads the connection file, and says which.
func (a *app) readConnections() ([]host.Config, string, error) {
	_, schema, err := a.kindOf()
	if err != nil {
		return nil, "", err
	}
	if a.flags.config == "-" {
		text, err := io.ReadAll(io.LimitReader(a.patient(a.stdin), connections.MaxFile+1))
		if err != nil {
			return nil, "-", err
		}
		configs, err := schema.Parse(text)
		return configs, "standard input", err
	}
	if a.flags.config != "" {
		configs, err := schema.ReadFile(a.flags.config)
		if err != nil && !errors.Is(err, connections.ErrFile) {
			err = usagef("--config: %w", err)
		}
		return configs, a.flags.config, err
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
		return configs, path, err
	}
	return nil, "", usagef("no connection file: looked for %s. Name one with --config (wasm-runner simulate prints one to start from), or try --demo",
		strings.Join(places, " and "))
}

// connectionPlaces are the paths at which a connection file is looked for.
func (a *app) connectionPlaces() ([]string, error) {
	places := []string{"connections.yaml"}
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	base := a.env("XDG_CONFIG_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return places, nil
		}
		base = filepath.Join(home, ".config")
	}
	return append(places, filepath.Join(base, folder, "connections.yaml")), nil
}
