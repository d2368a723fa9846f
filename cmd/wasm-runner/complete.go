package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
)

// completeOperation completes the names of operations on a surface; an empty one means all.
func (a *app) completeOperation(surface abi.Surface) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault // a file for @file
		}
		m, err := a.loadModule(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer func() { _ = m.Close(cmd.Context()) }()
		var names []cobra.Completion
		for i := range m.Manifest().Operations {
			op := &m.Manifest().Operations[i]
			if surface == "" || op.On(surface) {
				names = append(names, cobra.CompletionWithDesc(op.Name, firstSentence(op.Summary)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeGlobals completes the values of the global flags.
func (a *app) completeGlobals(root *cobra.Command) {
	fixed(root, "log-format", []string{"text", "json"})
	fixed(root, "log-level", []string{"debug", "info", "warn", "error"})
	register(root, "connection", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		configs, _, err := a.readConnections()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, c := range configs {
			names = append(names, cobra.CompletionWithDesc(c.Name, c.BaseURL))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	register(root, "grant", func(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
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

// fixed completes a flag that has few values.
func fixed(cmd *cobra.Command, flag string, values []string) {
	register(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// register panics on a flag that does not exist: a mistake of this program alone.
func register(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}
