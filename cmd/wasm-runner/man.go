package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

// newManCommand returns the command man, which packagers use. cobra has a generator, but it reads help as Markdown, in
// which _id and * have a meaning.
func newManCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write a manual page for each command",
		Long: `Writes a manual page for each command to a folder, which is made if it is not there. man -l reads one:
man -l man1/wasm-runner-invoke.1.`,
		Example: `  wasm-runner man build/man
  wasm-runner man man1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("man needs the FOLDER to write to")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return cli.Usagef("man: %w", err)
			}
			v, _ := a.Build()
			return writeManPages(cmd.Root(), args[0], v)
		},
	}
}

// writeManPages writes the pages of a command and of those below it.
func writeManPages(c *cobra.Command, folder, version string) error {
	page := filepath.Join(folder, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
	if err := os.WriteFile(page, []byte(manPage(c, version)), 0o644); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.Hidden {
			continue
		}
		if err := writeManPages(sub, folder, version); err != nil {
			return err
		}
	}
	return nil
}

// manPage returns the manual page of a command, in the macros of man(7).
func manPage(c *cobra.Command, version string) string {
	c.InitDefaultHelpFlag()
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"wasm-runner %s\" \"User Commands\"\n", strings.ToUpper(roff(name)), roff(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	b.WriteString(".SH EXAMPLES\n" + manText(c.Example))
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + manText(long))
	var below []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			below = append(below, roff(name+"-"+sub.Name())+"(1)")
		}
	}
	manFlags(&b, "OPTIONS", c.LocalFlags())
	manFlags(&b, "GLOBAL OPTIONS", c.InheritedFlags())
	if c.HasParent() {
		below = append(below, roff(strings.ReplaceAll(c.Parent().CommandPath(), " ", "-"))+"(1)")
	}
	if len(below) > 0 {
		b.WriteString(".SH SEE ALSO\n" + strings.Join(below, ", ") + "\n")
	}
	return b.String()
}

// manText returns paragraphs. Lines that begin with a space stay as they are.
func manText(text string) string {
	var b strings.Builder
	verbatim := false
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		switch indented := strings.HasPrefix(line, " "); {
		case indented && !verbatim:
			b.WriteString(".PP\n.nf\n")
		case !indented && verbatim:
			b.WriteString(".fi\n")
		}
		verbatim = strings.HasPrefix(line, " ")
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if verbatim {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// manFlags writes a section with flags.
func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString(".SH " + title + "\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(names+" "+value)), roff(usage))
	})
}

// roff escapes text for man(7).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
