package cli

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mach5/okta-connector/abi"
)

// Flags are the flags that every command takes.
type Flags struct {
	Module, ModuleSHA256 string
	MaxProcessMemory     int64 // MiB; 0 is the default
	Config, Connection   string
	Demo                 bool
	Grants               []string
	Timeout              time.Duration
	LogLevel, LogFormat  string
	NoConfine            bool
}

// Check returns an error for flags that no command can run with.
func (g *Flags) Check() error {
	for _, name := range g.Grants {
		if !abi.Class(name).Valid() {
			return Usagef("--grant: want %s: found %q%s", either(classNames()), name, DidYouMean(name, classNames()))
		}
	}
	if g.Demo && (g.Config != "" || g.Connection != "" && g.Connection != demoName) {
		return Usagef("--demo brings its own connection, %s: leave out --config and --connection, or --demo", demoName)
	}
	if g.Timeout < 0 {
		return Usagef("--timeout: want 0 or more: found %s", g.Timeout)
	}
	if n := g.MaxProcessMemory; n < 0 || n > 0 && n < 64 || n > 1<<30 {
		return Usagef("--max-process-memory: want at least 64 MiB: found %d", n)
	}
	if s := strings.ToLower(g.ModuleSHA256); s != "" && (len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "") {
		return Usagef("--module-sha256: want 64 hex digits: found %q", g.ModuleSHA256)
	}
	if !slices.Contains([]string{"text", "json"}, g.LogFormat) {
		return Usagef("--log-format: want text or json: found %q", g.LogFormat)
	}
	if _, err := g.level(); err != nil {
		return Usagef("--log-level: want debug, info, warn or error: found %q", g.LogLevel)
	}
	return nil
}

// level returns the level of --log-level.
func (g *Flags) level() (slog.Level, error) {
	var l slog.Level
	return l, l.UnmarshalText([]byte(g.LogLevel))
}

// classNames returns the names of the safety classes.
func classNames() []string {
	var names []string
	for _, c := range abi.Classes() {
		names = append(names, string(c))
	}
	return names
}

// OperationArgs returns the Args of a command that takes an operation, and at most so many arguments in all.
func OperationArgs(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return Usagef("%s needs an operation (%s): wasm-runner describe lists them", cmd.Name(), cmd.UseLine())
		case len(args) > most:
			return Usagef("%s takes at most %d arguments and got %d: put JSON into single quotes", cmd.Name(), most, len(args))
		}
		return nil
	}
}

// NoArgs is the Args of a command that takes no arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if names := cmd.Commands(); len(names) > 0 {
		var all []string
		for _, c := range names {
			if c.IsAvailableCommand() {
				all = append(all, c.Name())
			}
		}
		return Usagef("%s: want %s, found %q", cmd.Name(), either(all), args[0])
	}
	if cmd.Flags().Lookup("operation") != nil {
		return Usagef("%s takes no arguments and got %q: name an operation with --operation", cmd.Name(), args[0])
	}
	return Usagef("%s takes no arguments and got %q: see %s --help", cmd.Name(), args[0], cmd.CommandPath())
}

// ListVar defines a flag of texts with commas between them, and drops the spaces around each: people write "a, b".
func ListVar(f *pflag.FlagSet, to *[]string, name, usage string) {
	f.StringSliceVar(to, name, nil, usage)
	flag := f.Lookup(name)
	flag.Value = list{flag.Value, flag.Value.(pflag.SliceValue)}
}

// list is the value of ListVar.
type list struct {
	pflag.Value
	pflag.SliceValue
}

// Set implements pflag.Value.
func (l list) Set(text string) error {
	if err := l.Value.Set(text); err != nil {
		return err
	}
	all := l.GetSlice()
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return l.Replace(all)
}

// OneOf checks the value of a flag that takes one of several words.
func OneOf(flag, value string, values []string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return Usagef("--%s: want %s: found %q", flag, either(values), value)
}

// either returns words with commas and an "or" between them.
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
