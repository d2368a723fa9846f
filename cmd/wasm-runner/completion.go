package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

// newCompletionCommand returns the command completion. Unlike cobra's, its help begins with examples.
func newCompletionCommand(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Print a script that completes command lines in a shell",
		Long: `Prints a script for the shell. With it, Tab completes commands, flags, operations, connections and columns. The help of
each shell says where its script belongs.`,
		Example: `  wasm-runner completion bash
  wasm-runner completion zsh > _wasm-runner`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, shell := range []struct {
		name, install, file string
		write               func(root *cobra.Command, w io.Writer, descriptions bool) error
	}{
		{"bash", "Write it to a file in /etc/bash_completion.d or ~/.local/share/bash-completion/completions. It needs the package bash-completion.", "wasm-runner.bash",
			func(root *cobra.Command, w io.Writer, d bool) error { return root.GenBashCompletionV2(w, d) }},
		{"zsh", "Write it to a file with the name _wasm-runner in a folder of $fpath, and run compinit.", "_wasm-runner",
			func(root *cobra.Command, w io.Writer, d bool) error {
				if d {
					return root.GenZshCompletion(w)
				}
				return root.GenZshCompletionNoDesc(w)
			}},
		{"fish", "Write it to ~/.config/fish/completions/wasm-runner.fish.", "wasm-runner.fish",
			func(root *cobra.Command, w io.Writer, d bool) error { return root.GenFishCompletion(w, d) }},
		{"powershell", "Run the script in your profile.", "wasm-runner.ps1",
			func(root *cobra.Command, w io.Writer, d bool) error {
				if d {
					return root.GenPowerShellCompletionWithDesc(w)
				}
				return root.GenPowerShellCompletion(w)
			}},
	} {
		without := false
		sub := &cobra.Command{
			Use:   shell.name,
			Short: "Print the completion script for " + shell.name,
			Long:  "Prints the completion script for " + shell.name + ". " + shell.install + " Then begin a new shell.",
			Example: "  wasm-runner completion " + shell.name + " > " + shell.file + "\n" +
				"  wasm-runner completion " + shell.name + " --no-descriptions > " + shell.file,
			Args:                  cli.NoArgs,
			ValidArgsFunction:     cobra.NoFileCompletions,
			DisableFlagsInUseLine: true,
			RunE:                  func(cmd *cobra.Command, _ []string) error { return shell.write(cmd.Root(), a.Stdout, !without) },
		}
		sub.Flags().BoolVar(&without, "no-descriptions", false, "complete without descriptions")
		cmd.AddCommand(sub)
	}
	return cmd
}
