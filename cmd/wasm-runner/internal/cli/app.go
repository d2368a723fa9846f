// Package cli connects a command to the process that runs it.
//
// A command is a struct of options: the app, the arguments and the flags. Its constructor takes an App and returns a cobra
// command, which fills the struct and calls its method run. Streams, environment and clock come from the App, so a test can
// run a command without a process. A group of commands is a package next to this one: see query for an example.
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/early"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/secrets"
)

// App is one run of the command line. Commands get their streams, flags, clock and messages from it.
type App struct {
	Streams
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	Build     func() (version, commit string) // version and commit of this program

	Flags Flags
	// Enter confines this process. Nil, as in tests, never does.
	Enter     func(confinement.Files) (confinement.Report, error)
	NameFiles bool // report which files of the working directory are used, not only at log level debug

	Console *term.Console // writes to Stderr
	JSON    bool          // Stderr gets JSON: --log-format json

	args    []string // the command line
	signals signals
	module  moduleFile

	confined   confined
	resolver   secrets.Resolver
	readConfig string // the connection file that was read
}

// Streams are the standard streams of a process.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Output returns where records and results go: standard output. At a terminal it escapes what could move the cursor or change the
// direction of writing, because the text may be hostile. A file or pipe gets the exact bytes.
func (a *App) Output() io.Writer {
	if _, is := term.Columns(a.Stdout); is {
		return term.NewPlainLines(a.Stdout)
	}
	return a.Stdout
}

// signals holds how signals reach a command.
type signals struct {
	ctx       context.Context // ends with the first signal
	interrupt func()          // ends ctx
	hangup    chan os.Signal  // receives SIGHUP, until a command takes it
	ownEcho   atomic.Bool     // see TakeEcho

	decide  sync.Once
	decided chan struct{}    // closed when it is known what SIGHUP does
	taker   chan<- os.Signal // gets SIGHUP; nil if it ends the command
}

// NewApp returns an app on the given streams.
func NewApp(s Streams, lookupEnv func(string) (string, bool)) *App {
	return &App{Streams: s, LookupEnv: lookupEnv, Now: time.Now, Console: term.NewConsole(s.Stderr),
		Build: func() (version, commit string) { return "(devel)", "unknown" }}
}

// Begin prepares the app for a command line. The first signal ends the context, so that the command can end in good order;
// a second one has its usual effect. So does SIGHUP, which comes when a terminal is closed, unless nohup has the process
// ignore it.
func (a *App) Begin(args []string) (ctx context.Context, stop func()) {
	a.args, a.JSON = args, wantsJSON(args)
	ctx, cancel := context.WithCancel(context.Background())
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	hangups := early.Hangups
	if hangups == nil {
		hangups = make(chan os.Signal, 1)
		NotifyHangup(hangups)
	}
	s := &a.signals
	s.ctx, s.interrupt, s.hangup, s.decided = ctx, cancel, hangups, make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			select {
			case <-interrupts:
				if !s.ownEcho.Load() {
					a.Console.BreakLine()
				}
				cancel()
			case hangup := <-hangups:
				s.hangUp(hangup)
			case <-ctx.Done():
			}
		}
		signal.Stop(interrupts)
		signal.Stop(hangups)
	}()
	return ctx, cancel
}

// hangUp does what SIGHUP does for the command, once that is known.
func (s *signals) hangUp(hangup os.Signal) {
	select {
	case <-s.decided:
	case <-s.ctx.Done():
		return
	}
	if s.taker == nil {
		s.interrupt()
		return
	}
	select {
	case s.taker <- hangup:
	default: // one is waiting already
	}
}

// TakesHangups is the annotation of a command that calls TakeHangups. SIGHUP waits until it does.
const TakesHangups = "takes-hangups"

// EndOnHangup makes SIGHUP end the command, unless the annotations of the command say otherwise.
func (a *App) EndOnHangup(annotations map[string]string) {
	if annotations[TakesHangups] == "" {
		a.signals.decide.Do(func() { close(a.signals.decided) })
	}
}

// Interrupt ends the command in good order, as the first SIGTERM does.
func (a *App) Interrupt() { a.signals.interrupt() }

// TakeEcho makes the caller responsible for the line on which a terminal echoes Ctrl-C.
func (a *App) TakeEcho() { a.signals.ownEcho.Store(true) }

// TakeHangups sends SIGHUP to c from now on, with one that came before, and no longer ends the command with it. Systems without that signal send none.
func (a *App) TakeHangups(c chan<- os.Signal) {
	if hangupSignal != nil {
		signal.Notify(c, hangupSignal)
		signal.Stop(a.signals.hangup)
	}
	a.signals.decide.Do(func() {
		a.signals.taker = c
		close(a.signals.decided)
	})
}

// NotifyHangup sends SIGHUP to c as well, unless the process is to ignore that signal.
func NotifyHangup(c chan<- os.Signal) {
	if hangupSignal != nil && !signal.Ignored(hangupSignal) {
		signal.Notify(c, hangupSignal)
	}
}

// Finish reports the error that a command returned, if it has not done so itself. It returns the exit code.
func (a *App) Finish(ctx context.Context, err error) (code int) {
	code, silent := exitCode(ctx, err)
	if err != nil && !silent {
		a.message(slog.LevelError, "%s%s", final(code, err), a.Outside(err))
		var in interface{ Position() string }
		if errors.As(err, &in) && !a.JSON {
			_, _ = io.WriteString(a.Text(), position(in.Position())) // there is no other place to report an error
		}
	}
	return code
}

// Env returns an environment variable, empty when it is not set.
func (a *App) Env(name string) string {
	v, _ := a.LookupEnv(name)
	return v
}
