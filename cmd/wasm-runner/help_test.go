package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

// commands returns a new root command and all commands below it.
func commands(out *bytes.Buffer) (all []*cobra.Command) {
	a := cli.NewApp(cli.Streams{Stdout: out, Stderr: out}, os.LookupEnv)
	root := newRoot(a)
	root.SetOut(out)
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return all
}

// TestHelp_OfEveryCommand_BeginsWithExamplesAndFits reads what --help prints. TestHelp_EveryExample_Runs runs the examples.
func TestHelp_OfEveryCommand_BeginsWithExamplesAndFits(t *testing.T) {
	var out bytes.Buffer
	for _, c := range commands(&out) {
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if n := len(examplesOf(c)); !strings.HasPrefix(text, "Examples:\n  wasm-runner ") || n < 2 {
			t.Errorf("%s: %d examples, and its help begins %.40q", c.CommandPath(), n, text)
		}
		for line := range strings.Lines(text) {
			if n := runewidth.StringWidth(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: a line of %d columns: %s", c.CommandPath(), n, line)
			}
		}
		if !strings.Contains(text, "\nUsage:\n") || !strings.Contains(text, "--help") {
			t.Errorf("%s: no usage or flags in\n%s", c.CommandPath(), text)
		}
	}
}

// oldWords are words that style.md says to avoid, in text that people read.
var oldWords = regexp.MustCompile(`(?i)\b(stands?|told|lest|dear|whoever|somebody|no such|none that|waits? out|waited out|mend|anew and)\b|\bis no (time|name|file|column)\b|^[a-z ]* < [a-z]`)

func TestHelp_OfEveryCommand_IsPlainEnglish(t *testing.T) {
	var out bytes.Buffer
	for _, c := range commands(&out) {
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for _, word := range oldWords.FindAllString(out.String(), -1) {
			t.Errorf("%s: %q", c.CommandPath(), word)
		}
	}
}

// TestCompletion_OfEachShell_Parses gives the scripts to the shells that are on this machine.
func TestCompletion_OfEachShell_Parses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, shell, flag, has string }{
		{"bash", "bash", "-n", "complete -o default"}, {"zsh", "zsh", "-n", "#compdef wasm-runner"},
		{"fish", "fish", "-n", "complete -c wasm-runner"}, {"powershell", "", "", "Register-ArgumentCompleter"},
	} {
		for _, more := range [][]string{nil, {"--no-descriptions"}} {
			got := runIn(t, dir, module(t), "", nil, append([]string{"completion", c.name}, more...)...)
			if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, c.has) || strings.Contains(got.stdout, "__completeNoDesc") != (more != nil) {
				t.Errorf("%s %q: exit code %d, %q, %.200q", c.name, more, got.code, got.stderr, got.stdout)
			}
			path, err := exec.LookPath(c.shell)
			if c.shell == "" || err != nil {
				continue
			}
			check := exec.Command(path, c.flag)
			check.Stdin = strings.NewReader(got.stdout)
			if text, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", c.name, err, text)
			}
		}
	}
}

// manFolder is where TestManPages_OfEveryCommand_Parse leaves its pages, for a look at them.
var manFolder = flag.String("man", "", "folder for the manual pages")

// TestManPages_OfEveryCommand_Parse writes the manual pages and gives them to groff where it is installed.
func TestManPages_OfEveryCommand_Parse(t *testing.T) {
	dir := *manFolder
	if dir == "" {
		dir = t.TempDir()
	}
	if got := runIn(t, dir, module(t), "", nil, "man", "."); got.code != 0 || got.stdout+got.stderr != "" {
		t.Fatalf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
	}
	groff, noGroff := exec.LookPath("groff")
	var out bytes.Buffer
	for _, c := range commands(&out) {
		if c.Hidden {
			continue
		}
		path := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, section := range []string{"NAME", "SYNOPSIS", "EXAMPLES", "DESCRIPTION", "OPTIONS"} {
			if !strings.Contains(string(text), "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", path, section)
			}
		}
		if noGroff != nil {
			continue
		}
		cmd := exec.Command(groff, "-man", "-ww", "-Kutf8", "-Tutf8", path)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		page, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", path, err, &complaints)
		}
		if first := examplesOf(c)[0]; !strings.Contains(string(page), strings.Fields(first)[0]) {
			t.Errorf("%s has no example", path)
		}
	}
}
