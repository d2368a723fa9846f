package cli

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/journal"
)

// Session is a loaded module with its connections. Close it when done.
type Session struct {
	Module *host.Module
	Conn   *host.Connection
	others []*host.Connection // where a command uses several, those after conn
	Org    *DemoOrg           // the org of --demo, else nil
	Config host.Config        // Conn's, as the connection file has it
}

// Connections returns the session's connections.
func (s *Session) Connections() []*host.Connection {
	return append([]*host.Connection{s.Conn}, s.others...)
}

// Add appends a connection.
func (s *Session) Add(c *host.Connection) {
	if s.Conn == nil {
		s.Conn = c
	} else {
		s.others = append(s.others, c)
	}
}

// ConnectOptions is what a command asks of a connection. The zero value can neither approve nor audit a write.
type ConnectOptions struct {
	Approver host.Approver
	Auditor  host.Auditor
	Journal  string // file of the journal; by default the user's
	Keyed    bool   // the command needs the journal, even if the connection does not
	Need     Need   // what the command needs after it is confined
}

// Connect loads the module and connects it to the connection that the flags name.
func (a *App) Connect(ctx context.Context, want ConnectOptions) (*Session, error) {
	// A start makes some 30 MB of garbage. Collecting it would take a tenth of the time of a start. LimitMemory restores
	// Go's behaviour for commands that run longer than one call.
	debug.SetGCPercent(1000)
	debug.SetMemoryLimit(80 << 20)
	type loaded struct {
		module *host.Module
		err    error
	}
	loading := make(chan loaded, 1)
	go func() { // while the connection file is read or the simulated org starts
		m, err := a.LoadModule(ctx)
		loading <- loaded{m, err}
	}()
	s := &Session{}
	opts := host.ConnectOptions{Approver: want.Approver, Auditor: want.Auditor, Limits: host.Limits{CallTimeout: a.Flags.Timeout}}
	var config host.Config
	var err error
	if a.Flags.Demo {
		if s.Org, err = a.StartDemo(); err != nil {
			return nil, err
		}
		config, opts.Secrets = s.Org.Config(), s.Org
	} else if config, err = a.readConnection(); err != nil {
		return nil, err // the process ends, which also ends the loading
	}
	s.Config = config
	config.Grants = a.Grants(config.Grants)
	if want.Keyed || config.MaxWritesPerMinute > 0 || config.MaxDestructivePerHour > 0 {
		if opts.Journal, err = a.openJournal(want.Journal, &want.Need.Files); err != nil {
			return nil, err
		}
	}
	l := <-loading
	if l.err != nil {
		s.Close()
		return nil, l.err
	}
	s.Module = l.module
	if err := a.Confine(want.Need, config); err != nil {
		s.Close()
		return nil, err
	}
	if opts.Secrets == nil {
		opts.Secrets = a.Secrets()
	}
	if s.Conn, err = s.Module.Connect(ctx, config, opts); err != nil {
		s.Close()
		return nil, a.Located(config, err)
	}
	return s, nil
}

// openJournal opens a journal, by default the user's, and adds it to the files that are needed.
func (a *App) openJournal(path string, files *confinement.Files) (*journal.File, error) {
	if path == "" {
		dir := a.Env("XDG_STATE_HOME")
		if dir == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, Usagef("no folder for the journal: %w: name a file with --journal", err)
			}
			dir = filepath.Join(home, ".local", "state")
		}
		folder, err := a.Folder()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, folder, "journal")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, Usagef("journal: %w: name another file with --journal", err)
		}
	}
	f, err := journal.Open(path, journal.Options{})
	if err != nil {
		return nil, Usagef("%w", err)
	}
	files.Rewrite(path)
	return f, nil
}

// LimitMemory makes memory count more than time, for commands that run longer than one call. They make little garbage, so
// collecting it early costs next to nothing.
func (s *Session) LimitMemory() {
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(math.MaxInt64)
}

// Close ends the session. It ignores errors: nothing is left to write.
func (s *Session) Close() {
	ctx := context.Background()
	for _, c := range s.Connections() {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
	if s.Module != nil {
		_ = s.Module.Close(ctx)
	}
	if s.Org != nil {
		_ = s.Org.Server.Close()
	}
}

// ForReading returns the configuration with the grants of --grant, for commands that never write. It drops the approvals
// and ceilings of writes, because those need a journal.
func (a *App) ForReading(config host.Config) host.Config {
	config.Grants, config.Approve, config.MaxWritesPerMinute, config.MaxDestructivePerHour = a.Grants(config.Grants), nil, 0, 0
	return config
}

// Grants returns the grants of a connection, read by default, with those of --grant.
func (a *App) Grants(own []abi.Class) []abi.Class {
	all := slices.Clone(own)
	if len(all) == 0 {
		all = []abi.Class{abi.Read}
	}
	for _, name := range a.Flags.Grants {
		if class := abi.Class(name); !slices.Contains(all, class) {
			all = append(all, class)
		}
	}
	return all
}

// readConnection returns the connection that the flags name.
func (a *App) readConnection() (host.Config, error) {
	configs, path, err := a.ReadConnections()
	if err != nil {
		return host.Config{}, err
	}
	return a.choose(configs, path, a.Flags.Connection)
}

// ConnectionsOf returns the connection that the flags name, or all connections of the file. It also returns the file's path.
func (a *App) ConnectionsOf() ([]host.Config, string, error) {
	configs, path, err := a.ReadConnections()
	if err != nil || a.Flags.Connection == "" {
		return configs, path, err
	}
	config, err := a.choose(configs, path, a.Flags.Connection)
	return []host.Config{config}, path, err
}
