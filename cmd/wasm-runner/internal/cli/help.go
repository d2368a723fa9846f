package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// helpWidth is the width of help, in columns. A narrower terminal has narrower help.
const helpWidth = 80

// SetHelp makes all commands below root print help that begins with their examples and fits the terminal.
func (a *App) SetHelp(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		width := helpWidth
		if columns, is := term.Columns(a.Stdout); is && columns < width {
			width = max(columns, 40)
		}
		cmd.InitDefaultHelpFlag()
		_, _ = io.WriteString(cmd.OutOrStdout(), helpText(cmd, width)) // there is no other place to report an error
	})
}

// helpText returns the help of a command in lines of at most so many columns.
func helpText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, "%s:\n%s\n\n", title, text)
		}
	}
	section("Examples", cmd.Example)
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	b.WriteString(Reflow(strings.TrimSpace(long), width) + "\n\n")
	usage := "  " + cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage = "  " + cmd.CommandPath() + " [flags]\n  " + cmd.CommandPath() + " COMMAND"
	}
	section("Usage", Reflow(usage, width))
	var commands strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			fmt.Fprintf(&commands, "  %-*s  %s\n", cmd.NamePadding(), c.Name(), c.Short)
		}
	}
	section("Available Commands", Reflow(commands.String(), width))
	section("Flags", flagText(cmd.LocalFlags(), width))
	section("Global Flags", flagText(cmd.InheritedFlags(), width))
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// flagIndent is where the descriptions of flags begin, in columns.
const flagIndent = 27

// flagText returns the flags with their descriptions next to them, or below where a flag is long.
func flagText(flags *pflag.FlagSet, width int) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		short := "    "
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		line := strings.TrimRight("  "+short+"--"+f.Name+" "+name, " ")
		if byDefault := defaultOf(f); byDefault != "" {
			usage += " (default " + byDefault + ")"
		}
		if len(line)+2 > flagIndent {
			b.WriteString(line + "\n")
			line = ""
		}
		line += strings.Repeat(" ", flagIndent-len(line))
		b.WriteString(strings.Join(term.Wrap(line+usage, width, flagIndent), "\n") + "\n")
	})
	return b.String()
}

// defaultOf returns the default of a flag as help shows it, "" where there is none or the usage says it.
func defaultOf(f *pflag.Flag) string {
	switch {
	case strings.Contains(f.Usage, "(default"):
		return ""
	case f.DefValue == "", f.DefValue == "false", f.DefValue == "0", f.DefValue == "[]", f.DefValue == "0s":
		return ""
	case f.Value.Type() == "duration":
		return strings.TrimSuffix(strings.TrimSuffix(f.DefValue, "0s"), "0m")
	}
	return f.DefValue
}

// Reflow breaks text into lines of at most so many columns. It joins the lines of a paragraph first. A line that begins with a
// space is not joined: it is indented where it continues, after its first word if spaces set that apart.
func Reflow(text string, width int) string {
	var lines, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			lines = append(lines, term.Wrap(strings.Join(paragraph, " "), width, 0)...)
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			flush()
			lines = append(lines, "")
		case line[0] == ' ':
			flush()
			lines = append(lines, term.Wrap(line, width, hangingIndent(line, width))...)
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return strings.Join(lines, "\n")
}

// hangingIndent returns where the second column of a line begins, or four columns behind its indent.
func hangingIndent(line string, width int) int {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	if gap := strings.Index(line[indent:], "  "); gap > 0 {
		at := indent + gap
		at += len(line[at:]) - len(strings.TrimLeft(line[at:], " "))
		if at < width/2 {
			return at
		}
	}
	return indent + 4
}
