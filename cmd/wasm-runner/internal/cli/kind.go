package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/network"
)

// choose returns the connection with a name, or the only one of a kind. Without a name it returns the only connection that the
// module can use.
func (a *App) choose(configs []host.Config, path, nameOrKind string) (host.Config, error) {
	kind, err := a.kindOf()
	if err != nil {
		return host.Config{}, err
	}
	candidates := configs
	if nameOrKind == "" && len(configs) > 1 {
		candidates = nil
		var others []string
		for _, c := range configs {
			if c.Kind == kind {
				candidates = append(candidates, c)
			}
			others = append(others, c.Name+" ("+c.Kind+")")
		}
		if len(candidates) == 0 {
			return host.Config{}, Usagef("%s has no connection of kind %s, the kind of the module: it has %s. Add one, or name the module of another kind with --module FILE",
				path, kind, strings.Join(others, ", "))
		}
	}
	config, err := connections.Find(candidates, nameOrKind)
	if err != nil {
		return host.Config{}, Usagef("%s: %w: use --connection NAME", path, err)
	}
	return config, a.CheckKind(config, path)
}

// CheckKind returns an error if a connection of a file is not of the module's kind.
func (a *App) CheckKind(config host.Config, path string) error {
	kind, err := a.kindOf()
	if err != nil || config.Kind == kind {
		return err
	}
	if text, err := os.ReadFile(path); err == nil { // not the standard input
		if line := connections.LineOf(text, config.Name, "kind"); line > 0 {
			path = fmt.Sprintf("%s:%d", path, line)
		}
	}
	hint := "."
	if near := DidYouMean(config.Kind, []string{kind}); near != "" {
		hint = near
	}
	return Usagef("%s: connection %q has kind %s, but the module is for %s%s For another kind, name its module with --module FILE",
		path, config.Name, config.Kind, kind, hint)
}

// located is an error about a field of a connection file, with its place.
type located struct {
	place string // path:line
	text  string
	err   error
}

// Error implements error.
func (l located) Error() string { return l.place + ": " + l.text }

// Unwrap returns the error of the host.
func (l located) Unwrap() error { return l.err }

// Located adds the line of the connection file to an error of connecting to a connection, if it is about a file that a field
// names.
func (a *App) Located(config host.Config, err error) error {
	var file *network.FileError
	path := a.configPath()
	if path == "" || !errors.As(err, &file) {
		return err
	}
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		return err
	}
	line := connections.LineOf(text, config.Name, file.Setting)
	if line == 0 {
		return err
	}
	return located{fmt.Sprintf("%s:%d", path, line), file.Error(), err}
}

// checkDemo returns an error if --demo has no simulated org for the module.
func (a *App) checkDemo() error {
	kind, err := a.kindOf()
	if err != nil || !a.Flags.Demo || kind == demoKind {
		return err
	}
	return Usagef("--demo has a simulated org of kind %s, but the module is for %s: leave out --demo, and name a connection file with --config", demoKind, kind)
}
