package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mach5/okta-connector/host/internal/confine"
)

// StarterOptions say what a Starter may start, and how it is confined.
type StarterOptions struct {
	// Jobs are the jobs that this program may be started for.
	Jobs []Job
	// Commands are the commands that may be started, each with its arguments. Others are refused.
	Commands [][]string
	// Env is the environment of the commands.
	Env []string
	// Policy confines the Starter and all that it starts. Start and Execute are set by the Starter.
	Policy confine.Policy
}

var (
	errStarterEnded = errors.New("the process that starts others has ended")
	errNotNamed     = errors.New("it may not be started: it was not named when this program began")
)

// Output starts a command, and returns what it writes to its standard output. It fails if the command fails, writes over limit
// bytes, or runs when ctx ends. The error holds nothing that the command wrote. Nothing else keeps the returned bytes, so that
// the caller can clear a secret.
func (s *Starter) Output(ctx context.Context, command []string, limit int) ([]byte, error) {
	return output(ctx, s.Start, Spec{Command: command}, limit)
}

// Commands are started by this process. They get this environment, even if it is empty.
type Commands []string

// Output does what Starter.Output does.
func (env Commands) Output(ctx context.Context, command []string, limit int) ([]byte, error) {
	return output(ctx, Start, Spec{Command: command, env: append([]string{}, env...)}, limit)
}

// output is Output for a command of spec, which start starts.
func output(ctx context.Context, start func(Spec, func(error)) (*Process, error), spec Spec, limit int) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	ended := make(chan error, 1)
	spec.Stdout = w
	p, err := start(spec, func(err error) { ended <- err })
	_ = w.Close() // the command has its own
	if err != nil {
		return nil, err
	}
	out, read := make([]byte, limit+1), 0 // does not grow: what is outgrown cannot be cleared
	written := make(chan error, 1)
	go func() {
		n, err := io.ReadFull(r, out)
		switch {
		case n > limit:
			err = fmt.Errorf("it wrote over %d bytes", limit)
			p.Kill()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			err = nil
		}
		read = n
		written <- err
	}()
	var failed error
	select {
	case failed = <-ended:
	case <-ctx.Done():
		failed = context.Cause(ctx)
		p.Kill()
		<-ended
	}
	_ = r.SetReadDeadline(deadlineOf(waitDelay)) // a child of the command may have the pipe
	if err := <-written; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		failed = err
	}
	if failed != nil {
		clear(out)
		return nil, failed
	}
	return out[:read:read], nil
}

// deadlineOf returns the time after d.
func deadlineOf(d time.Duration) time.Time { return time.Now().Add(d) }

// sameCommand reports whether two commands have the same words.
func sameCommand(a, b []string) bool {
	return len(a) == len(b) && strings.Join(a, "\x00") == strings.Join(b, "\x00")
}
