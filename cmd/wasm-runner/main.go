// Command wasm-runner runs a connector module: one action or read (invoke), a checkpointed stream of records (source),
// rows (table), SQL (sql). It also says what a module is (describe), whether a connection works (check), and serves a
// simulated org to try it all against (simulate).
//
// The way of a command: main → root.go → the command's own file → session.go, which loads the module and connects.
package main

import (
	"context"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv}
	log.SetFlags(0)
	log.SetOutput(messages{a}) // what a library logs, such as net/http
	os.Exit(a.run(os.Args[1:]))
}

// app is one run of the command line: its surroundings and its global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)

	flags  globals
	status console // stderr
	json   bool    // stderr is JSON: --log-format json
}

// run executes a command line and returns the exit code.
func (a *app) run(args []string) int {
	a.status.w = a.stderr
	a.json = wantsJSON(args)
	// The first signal ends the command in good order; a second one, by then, has its usual effect.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(messages{a})
	err := root.ExecuteContext(ctx)
	code, silent := exitCode(ctx, err)
	if err != nil && !silent {
		a.message(slog.LevelError, "%s", err)
	}
	return code
}

// env is an environment variable, empty when it is not set.
func (a *app) env(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}
