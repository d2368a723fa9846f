package main

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
)

// globals are the flags that every command takes.
type globals struct {
	module, moduleSHA256 string
	config, connection   string
	demo                 bool
	grants               []string
	timeout              time.Duration
	logLevel, logFormat  string
	key, journal         string // of invoke
}

// root is the tree of commands.
func (a *app) root() *cobra.Command {
	printVersion := false
	root := &cobra.Command{
		Use:   "wasm-runner",
		Short: "Run a connector module: actions, streams and tables, in a sandbox",
		Long: `Runs a connector module in a sandbox that lets it do what its operation was granted, and nothing else.

Records and results go to stdout, everything else to stderr. An operation may be written with its kind
(okta.lookup_user). Without a connection file, --demo runs against a simulated org inside the process.

Exit codes:
` + exitTable(),
		Example: `  wasm-runner --demo invoke lookup_user '{"user":"ada.lovelace@example.com"}'
  wasm-runner --demo table list_users --limit 10
  wasm-runner --demo sql "SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'"
  wasm-runner --demo source poll_system_log_page --checkpoint cp.json --once
  wasm-runner --config connections.yaml check`,
		SilenceErrors: true, // run prints them, in one line
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return a.unknownCommand(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printVersion {
				return a.printVersion()
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.flags.check() },
	}
	root.Flags().BoolVarP(&printVersion, "version", "v", false, "print the version and commit of this program, and the SHA-256 of the module that it would run")
	root.SetFlagErrorFunc(a.flagError)
	cobra.EnableCommandSorting = false

	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.flags.config, "config", "", "connection `file`, - for stdin (default ./connections.yaml, then okta-connector/connections.yaml in $XDG_CONFIG_HOME or ~/.config)")
	f.StringVar(&a.flags.connection, "connection", "", "connection `name`, or a kind that has one connection (default the only one)")
	f.BoolVar(&a.flags.demo, "demo", false, "run against a fresh simulated org inside the process; needs no configuration")
	f.StringSliceVar(&a.flags.grants, "grant", nil, "safety `classes` to add to the connection's grants for this run: read, write, destructive, privileged")
	f.DurationVar(&a.flags.timeout, "timeout", 0, "most time for one call, or one page of a source or table, waiting included (default 5m)")
	f.StringVar(&a.flags.module, "module", "", "module `file` (default $WASM_RUNNER_MODULE, then the one that make build embeds, then okta.wasm next to this program or in build/)")
	f.StringVar(&a.flags.moduleSHA256, "module-sha256", "", "checksum in `hex` that the module must have")
	f.StringVar(&a.flags.logLevel, "log-level", "warn", "log to stderr from this `level` on: debug, info, warn, error")
	f.StringVar(&a.flags.logFormat, "log-format", "text", "what stderr has: text, or json, where every line is an object with time, level and msg")
	a.completeGlobals(root)

	root.AddCommand(a.describeCommand(), a.invokeCommand(), a.sourceCommand(), a.backfillCommand(), a.tableCommand(), a.sqlCommand(), a.checkCommand(), a.auditCommand(), a.simulateCommand())
	root.SetHelpCommand(a.helpCommand())
	return root
}

// helpCommand is cobra's, less its success where there is no such command.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if of, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range of.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return usagef("%v", err)
			case len(rest) > 0 && of == cmd.Root():
				return a.unknownCommand(of, rest)
			case len(rest) > 0:
				return usagef("unknown command %q: %s has none of that name", strings.Join(args, " "), of.CommandPath())
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// check refuses what no command can run with.
func (g *globals) check() error {
	for _, name := range g.grants {
		if !abi.Class(name).Valid() {
			return usagef("--grant: no class %q: there are %s%s", name, strings.Join(classNames(), ", "), didYouMean(name, classNames()))
		}
	}
	if g.demo && (g.config != "" || g.connection != "" && g.connection != demoName) {
		return usagef("--demo brings its own connection, %s: leave out --config and --connection, or --demo", demoName)
	}
	if g.timeout < 0 {
		return usagef("--timeout: %s is negative", g.timeout)
	}
	if s := strings.ToLower(g.moduleSHA256); s != "" && (len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "") {
		return usagef("--module-sha256: want 64 hex digits")
	}
	if !slices.Contains([]string{"text", "json"}, g.logFormat) {
		return usagef("--log-format: no format %q: there are text, json", g.logFormat)
	}
	if _, err := g.level(); err != nil {
		return usagef("--log-level: no level %q: there are debug, info, warn, error", g.logLevel)
	}
	return nil
}

func (g *globals) level() (slog.Level, error) {
	var l slog.Level
	return l, l.UnmarshalText([]byte(g.logLevel))
}

func classNames() []string {
	var names []string
	for _, c := range abi.Classes() {
		names = append(names, string(c))
	}
	return names
}

// logger logs to stderr as the flags say.
func (a *app) logger() *slog.Logger {
	level, _ := a.flags.level() // checked before
	opts := &slog.HandlerOptions{Level: level}
	if a.flags.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.status, opts))
	}
	return slog.New(&textLog{Handler: slog.NewTextHandler(a.status, opts), app: a})
}

// operation is the Args of a command that wants an operation and at most one more argument.
func operation(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s wants an operation (%s): wasm-runner describe lists them", cmd.Name(), cmd.UseLine())
		case len(args) > most:
			return usagef("%s takes at most %d arguments and got %d: put JSON into single quotes", cmd.Name(), most, len(args))
		}
		return nil
	}
}

// nothing is the Args of a command that takes none.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments and got %q: see %s --help", cmd.Name(), args[0], cmd.CommandPath())
	}
	return nil
}

// oneOf checks a flag that has few values.
func oneOf(flag, value string, values []string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return usagef("--%s: no %s %q: there are %s", flag, flag, value, strings.Join(values, ", "))
}
