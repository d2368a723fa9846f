package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
)

// CompleteOperation completes the names of the operations on a surface, or of all operations when it is empty.
func (a *App) CompleteOperation(surface abi.Surface) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault // a file for @file
		}
		m, err := a.LoadModule(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer func() { _ = m.Close(cmd.Context()) }()
		var names []cobra.Completion
		for i := range m.Manifest().Operations {
			op := &m.Manifest().Operations[i]
			if surface == "" || op.On(surface) {
				names = append(names, cobra.CompletionWithDesc(op.Name, FirstSentence(op.Summary)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteGlobals completes the values of the global flags.
func (a *App) CompleteGlobals(root *cobra.Command) {
	CompleteFixed(root, "log-format", []string{"text", "json"})
	CompleteFixed(root, "log-level", []string{"debug", "info", "warn", "error"})
	CompleteFlag(root, "connection", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		configs, _, err := a.ReadConnections()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, c := range configs {
			names = append(names, cobra.CompletionWithDesc(c.Name, c.BaseURL))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	CompleteFlag(root, "grant", func(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		given := strings.Split(toComplete, ",")
		before := strings.Join(given[:len(given)-1], ",")
		if before != "" {
			before += ","
		}
		var lists []cobra.Completion
		for _, class := range classNames() {
			if !slices.Contains(given[:len(given)-1], class) {
				lists = append(lists, before+class)
			}
		}
		return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// CompleteFixed completes a flag that takes one of several words.
func CompleteFixed(cmd *cobra.Command, flag string, values []string) {
	CompleteFlag(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// CompleteFlag sets the completion of a flag. It panics if the command does not have the flag, which is a bug of this program.
func CompleteFlag(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// FirstSentence returns the first sentence of a text.
func FirstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}
