package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/audit"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/query"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/source"
)

// newRoot returns the command wasm-runner with its commands.
func newRoot(a *cli.App) *cobra.Command {
	showVersion := false
	root := &cobra.Command{
		Use:   "wasm-runner",
		Short: "Run a connector module: actions, streams and tables, in a sandbox",
		Long: `Runs a connector module in a sandbox that lets it do what its operation was granted, and nothing else.

Records and results go to stdout, everything else to stderr. An operation may be written with its kind
(okta.lookup_user). Without a connection file, --demo runs against a simulated org inside the process.

Exit codes:
` + cli.ExitTable(),
		Example: `  wasm-runner --demo invoke lookup_user '{"user":"ada.lovelace@example.com"}'
  wasm-runner --demo table list_users --limit 10
  wasm-runner --demo sql "SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'"
  wasm-runner --demo source poll_system_log_page --checkpoint cp.json --once
  wasm-runner --config connections.yaml check`,
		SilenceErrors: true, // Finish reports them in one line
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return a.UnknownCommand(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				return printVersion(a)
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.Flags.Check() },
	}
	root.Flags().BoolVarP(&showVersion, "version", "v", false, "print the version and commit of this program, and the SHA-256 of the module that it would run")
	root.SetFlagErrorFunc(a.FlagError)
	cobra.EnableCommandSorting = false

	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.Flags.Config, "config", "", "connection `file`, - for stdin (default ./connections.yaml, then okta-connector/connections.yaml in $XDG_CONFIG_HOME or ~/.config)")
	f.StringVar(&a.Flags.Connection, "connection", "", "connection `name`, or a kind that has one connection (default the only one)")
	f.BoolVar(&a.Flags.Demo, "demo", false, "run against a fresh simulated org inside the process; needs no configuration")
	f.StringSliceVar(&a.Flags.Grants, "grant", nil, "safety `classes` to add to the connection's grants for this run: read, write, destructive, privileged")
	f.DurationVar(&a.Flags.Timeout, "timeout", 0, "most time for one call, or one page of a source or table, waiting included (default 5m)")
	f.StringVar(&a.Flags.Module, "module", "", "module `file` (default $WASM_RUNNER_MODULE, then the one that make build embeds, then okta.wasm next to this program or in build/)")
	f.StringVar(&a.Flags.ModuleSHA256, "module-sha256", "", "checksum in `hex` that the module must have")
	f.StringVar(&a.Flags.LogLevel, "log-level", "warn", "log to stderr from this `level` on: debug, info, warn, error")
	f.StringVar(&a.Flags.LogFormat, "log-format", "text", "what stderr has: text, or json, where every line is an object with time, level and msg")
	a.CompleteGlobals(root)

	root.AddCommand(newDescribeCommand(a), newInvokeCommand(a),
		source.NewSourceCommand(a), source.NewBackfillCommand(a), query.NewTableCommand(a), query.NewSQLCommand(a),
		newCheckCommand(a), audit.NewCommand(a), newSimulateCommand(a))
	root.SetHelpCommand(newHelpCommand(a))
	return root
}

// newHelpCommand returns the command help. Unlike cobra's, it fails for an unknown command.
func newHelpCommand(a *cli.App) *cobra.Command {
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
				return cli.Usagef("%v", err)
			case len(rest) > 0 && of == cmd.Root():
				return a.UnknownCommand(of, rest)
			case len(rest) > 0:
				return cli.Usagef("unknown command %q: %s has none of that name", strings.Join(args, " "), of.CommandPath())
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
