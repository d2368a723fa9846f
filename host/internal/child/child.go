// Package child starts all processes of this program: the program itself again, as a process that does one job, and the
// commands that a configuration names.
//
// A program that starts children calls a function first in main that looks at Asked, and does the job then. Such children get
// pipes, and no variable of this process's environment, which may hold secrets.
//
// A confined process cannot start others. Before it confines itself, it makes a Starter, which is a process that does it for
// it. Start and Starter.Start take the same Spec, and a nil Starter is Start.
package child

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// A Job is what a child does. It is the name of the environment variable that asks for it.
type Job string

// The jobs.
const (
	SQL     Job = "MACH5_SQL_CHILD"
	Compile Job = "MACH5_COMPILE_CHILD"
	// starting is the job of a Starter.
	starting Job = "MACH5_STARTER"
)

// Asked reports whether this process was started to do a job.
func Asked(job Job) bool { return os.Getenv(string(job)) != "" }

// Spec says what to start: this program with a job, or a command.
type Spec struct {
	Job   Job
	Name  string     // how processes list the child
	Pipes []*os.File // the child finds them with Files; the caller closes its own after the start
	Home  string     // the variable HOME of the child; empty is none

	// Command is the program and its arguments. The child gets the environment of the process that starts it, and no pipes.
	Command []string
	env     []string // the environment of the command instead

	Stdin, Stdout *os.File  // nil is nothing
	Stderr        io.Writer // gets what the child writes until it ends; nil is nothing
}

// Process is a child that was started. Its methods are safe for concurrent use.
type Process struct {
	PID   int
	kill  func()
	statm *os.File // /proc/PID/statm, if another process opened it
}

// Kill ends the process, and does nothing if it has ended. A command's own children are ended too.
func (p *Process) Kill() { p.kill() }

// waitDelay is how long the pipes of a child that has ended are read: its own children may have them.
const waitDelay = time.Second

// command returns the command of a spec.
func (s Spec) command() (*exec.Cmd, error) {
	if len(s.Command) > 0 {
		cmd := exec.Command(s.Command[0], s.Command[1:]...)
		cmd.SysProcAttr, cmd.Env = inGroup(), s.env
		return cmd, nil
	}
	program, err := self()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Args = []string{os.Args[0], s.Name}
	cmd.Env = environment(s.Job, s.Pipes)
	if s.Home != "" {
		cmd.Env = append(cmd.Env, "HOME="+s.Home)
	}
	inherit(cmd, s.Pipes)
	return cmd, nil
}

// Start starts a child of this process. It calls ended with how the child ended, nil for success, in a goroutine of its own.
func Start(s Spec, ended func(error)) (*Process, error) {
	cmd, err := s.command()
	if err != nil {
		return nil, err
	}
	if s.Stdin != nil { // a nil *os.File would be a reader
		cmd.Stdin = s.Stdin
	}
	if s.Stdout != nil {
		cmd.Stdout = s.Stdout
	}
	cmd.Stderr, cmd.WaitDelay = s.Stderr, waitDelay
	started := make(chan error)
	go func() {
		// On Linux a child dies with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	kill := func() { _ = cmd.Process.Kill() } // it may have ended
	if len(s.Command) > 0 {
		kill = func() { killGroup(cmd) }
	}
	return &Process{PID: cmd.Process.Pid, kill: kill}, nil
}

// notAsked returns the error for a process whose environment asks for a job, and that has no pipes.
func notAsked(job Job) error {
	return fmt.Errorf("%s is set, but this process was not started for it: unset it", job)
}

// excerptSize is how many bytes Beginning keeps.
const excerptSize = 4 << 10

// Beginning is a writer that keeps the first 4 KiB. A crash says first what it is. It is safe for concurrent use.
type Beginning struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (s *Beginning) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, b[:min(len(b), excerptSize-len(s.b))]...)
	return len(b), nil
}

// String returns what was kept.
func (s *Beginning) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}
