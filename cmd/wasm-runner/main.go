// Command wasm-runner runs a connector module: one action or read (invoke), a checkpointed stream of records (source),
// rows (table), SQL (sql). It also says what a module is (describe), whether a connection works (check), and serves a
// simulated org to try it all against (simulate).
//
// The way of a command: main → root.go → the command's own file → session.go, which loads the module and connects.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv}
	os.Exit(a.run(os.Args[1:]))
}

// app is one run of the command line: its surroundings and its global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)

	flags  globals
	status console // what is written to stderr, also while a progress line stands there
}

// run executes a command line and returns the exit code.
func (a *app) run(args []string) int {
	a.status.w = a.stderr
	// The first signal ends the command in good order; a second one, by then, has its usual effect.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	code, silent := exitCode(ctx, err)
	if err != nil && !silent {
		a.say("%s", err)
	}
	return code
}

// longestLine is where a message is cut, in bytes: a service's error can be long. Results hold all of it.
const longestLine = 600

// say writes one line to stderr, in the form of every message of this program.
func (a *app) say(format string, args ...any) {
	line := oneLine(fmt.Sprintf(format, args...))
	if len(line) > longestLine {
		line = strings.ToValidUTF8(line[:longestLine], "") + "…"
	}
	_, _ = fmt.Fprintf(&a.status, "wasm-runner: %s\n", line) // nowhere left to complain to
}

// env is an environment variable, empty when it is not set.
func (a *app) env(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}

// oneLine keeps a message on its line, and off the terminal what is none of its business: control characters of either
// kind, and marks that turn the direction of writing.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// eachLine is oneLine for a text of lines.
func eachLine(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}
