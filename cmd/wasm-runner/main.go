// Command wasm-runner runs a connector module: one action or read (invoke), a checkpointed stream of records (source),
// rows (table), SQL (sql). It also says what a module is (describe), whether a connection works (check), what an audit holds
// (audit), and serves a simulated org to try it all against (simulate).
//
// The way of a command: main → root.go → the command's own file → session.go, which loads the module and connects.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
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

	args      []string // the command line
	flags     globals
	status    *term.Console  // stderr
	json      bool           // stderr is JSON: --log-format json
	interrupt func()         // ends the command in good order, as the first SIGTERM does
	hangup    chan os.Signal // takes SIGHUP, where that ends the command

	module located // the module that this run is about

	ctx       context.Context // of the command; a signal ends it
	sayFound  bool            // the command says which files it found; others do at log level debug
	shellOpen atomic.Bool     // Ctrl-C is the shell's
}

// run executes a command line and returns the exit code.
func (a *app) run(args []string) int {
	a.status = term.NewConsole(a.stderr)
	a.args, a.json = args, wantsJSON(args)
	ctx, stop := a.interruptible()
	defer stop()
	a.ctx, a.interrupt = ctx, stop

	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(messages{a})
	err := root.ExecuteContext(ctx)
	code, silent := exitCode(ctx, err)
	if err != nil && !silent {
		a.message(slog.LevelError, "%s", final(code, err))
	}
	return code
}

// interruptible returns a context that the first signal ends, so that the command ends in good order. A second one has
// its usual effect. What the terminal echoed of a Ctrl-C stays on its own line. A SIGHUP is such a signal too, unless the
// process is to ignore it (nohup): it comes of a terminal that was closed. watchHangups gives it another meaning.
func (a *app) interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	a.hangup = make(chan os.Signal, 1)
	notifyHangup(a.hangup)
	go func() {
		select {
		case <-signals:
			if !a.shellOpen.Load() {
				a.status.BreakLine()
			}
			cancel()
		case <-a.hangup:
			cancel()
		case <-ctx.Done():
		}
		signal.Stop(signals)
		signal.Stop(a.hangup)
	}()
	return ctx, cancel
}

// notifyHangup gives SIGHUP to a channel, unless the process is to ignore it.
func notifyHangup(c chan<- os.Signal) {
	if hangupSignal != nil && !signal.Ignored(hangupSignal) {
		signal.Notify(c, hangupSignal)
	}
}

// final is what the last line says of an error. One that comes of a signal is said to.
func final(code int, err error) string {
	var outcome host.OutcomeError
	switch {
	case code != codeInterrupted:
	case errors.As(err, &outcome) && outcome.Detail != nil:
		return fmt.Sprintf("%s: interrupted: %s", outcome.Operation, outcome.Detail.Message)
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

// env is an environment variable, empty when it is not set.
func (a *app) env(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}
