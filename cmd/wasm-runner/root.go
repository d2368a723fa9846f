package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/audit"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/inventory"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/login"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/query"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/source"
)

// newRoot returns the command wasm-runner with its commands.
func newRoot(a *cli.App) *cobra.Command {
	showVersion := false
	root := &cobra.Command{
		Use:   "wasm-runner",
		Short: "Run a connector module: actions, streams and tables, in a sandbox",
		Long: `Runs a connector module in a sandbox. An operation can do only what it was granted.

Records and results go to stdout, everything else goes to stderr. At a terminal, results are for people; in a pipe, they are
for programs. The name of an operation may begin with its kind (okta.lookup_user). --demo needs no connection file: it
runs against a simulated org inside the process.

Exit codes:
` + cli.ExitTable(),
		Example: `  wasm-runner --demo invoke lookup_user '{"user":"ada.lovelace@example.com"}'
  wasm-runner --demo table list_users --limit 10
  wasm-runner --demo sql "SELECT login FROM okta.users LIMIT 5"
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
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.EndOnHangup(cmd.Annotations)
			if err := cli.CheckNotEmpty(cmd.Flags()); err != nil {
				return err
			}
			return a.Flags.Check()
		},
	}
	root.Flags().BoolVarP(&showVersion, "version", "v", false, "print the version and commit of this program, and the SHA-256 of its module")
	root.SetFlagErrorFunc(a.FlagError)
	cobra.EnableCommandSorting = false

	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.Flags.Config, "config", "", "connection `file`; - is stdin (default $WASM_RUNNER_CONFIG, ./connections.yaml, then KIND-connector/connections.yaml in $XDG_CONFIG_HOME or ~/.config, where KIND is the kind of the module)")
	f.StringVar(&a.Flags.Connection, "connection", "", "`name` of the connection, or a kind that has one connection (default the only connection)")
	f.BoolVar(&a.Flags.Demo, "demo", false, "run against a new simulated org inside the process, without a connection file")
	cli.ListVar(f, &a.Flags.Grants, "grant", "add safety `classes` to the connection's grants for this run: read, write, destructive, privileged")
	f.DurationVar(&a.Flags.Timeout, "timeout", 0, "longest `time` for one call, or for one page of a source or table, waits included (default, and with 0: call_seconds of the connection's limits, or 5m)")
	f.StringVar(&a.Flags.Module, "module", "", "module `file` (default $WASM_RUNNER_MODULE, then the embedded module, then okta.wasm next to this program or in build/)")
	f.Int64Var(&a.Flags.MaxProcessMemory, "max-process-memory", 0, "most memory that all calls hold together, in `MiB`; calls over it are refused (default: half of the machine's, the container's or GOMEMLIMIT)")
	f.StringVar(&a.Flags.ModuleSHA256, "module-sha256", "", "refuse a module without this checksum, in `hex`")
	f.StringVar(&a.Flags.LogLevel, "log-level", "warn", "lowest `level` to log to stderr: debug, info, warn, error")
	f.StringVar(&a.Flags.LogFormat, "log-format", "text", "`format` of stderr: text, or json: an object with time, level and msg on each line")
	f.BoolVar(&a.Flags.NoConfine, "no-confine", false, "keep all rights of this user, and do not have the kernel restrict this process to the files that it needs")
	a.CompleteGlobals(root)

	root.AddCommand(newDescribeCommand(a), newInvokeCommand(a),
		source.NewSourceCommand(a), source.NewBackfillCommand(a), query.NewTableCommand(a), query.NewSQLCommand(a),
		login.NewCommand(a, checkForLogin(a)), newCheckCommand(a), audit.NewCommand(a), inventory.NewCommand(a), newSimulateCommand(a), newCompletionCommand(a), newManCommand(a))
	root.SetHelpCommand(newHelpCommand(a))
	a.SetHelp(root)
	return root
}

// newHelpCommand returns the command help. Unlike cobra's, it fails for an unknown command.
func newHelpCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Show the help of a command",
		Long:  "Shows the help of a command, as --help does. Without a command it shows the help of wasm-runner.",
		Example: `  wasm-runner help invoke
  wasm-runner help completion bash`,
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
				return cli.Usagef("unknown command %q: %s --help shows what it takes", strings.Join(args, " "), of.CommandPath())
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
