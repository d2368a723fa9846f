// Package child starts all child processes of this program. A child is either this program again, for one job, or a
// command that a configuration names.
//
// At the start of its main, a program that starts children must call Asked for each job, and do the job if Asked returns
// true. A child with a job gets pipes. It gets no variable of this process's environment, since those may hold secrets.
//
// A confined process cannot start other processes. Before it confines itself, it makes a Starter: a process that starts
// others on request. Start and Starter.Start take the same Spec. A nil Starter works like Start.
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

// A Job is what a child does. Its value is the name of the environment variable that tells a child to do the job.
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
	Name  string     // the child's name in lists of processes
	Pipes []*os.File // the child finds them with Files. The caller closes its copies after the start
	Home  string     // the variable HOME of the child; empty sets none

	// Command is the program and its arguments. The child gets the environment of the process that starts it, and no pipes.
	Command []string
	env     []string // if not nil, the environment of the command

	Stdin, Stdout *os.File  // nil means the null device
	Stderr        io.Writer // gets what the child writes to stderr until it ends; nil discards it
}

// Process is a child that was started. Its methods are safe for concurrent use.
type Process struct {
	PID   int
	kill  func()
	statm *os.File // /proc/PID/statm, if another process opened it
}

// Kill kills the process, and does nothing if the process has ended. If the process runs a command, Kill also kills the
// other processes of its group.
func (p *Process) Kill() { p.kill() }

// waitDelay is how long this process goes on reading the pipes of a child that has ended. The child's own children may
// keep the pipes open.
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

// Start starts a child of this process. When the child ends, Start calls ended in another goroutine, with nil if the child
// succeeded.
func Start(s Spec, ended func(error)) (*Process, error) {
	cmd, err := s.command()
	if err != nil {
		return nil, err
	}
	if s.Stdin != nil { // a nil *os.File in cmd.Stdin would not be a nil io.Reader
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

// notAsked returns the error for a process whose environment names a job, but which has no pipes.
func notAsked(job Job) error {
	return fmt.Errorf("the environment variable %s is set, but this process has no pipes for that job: unset the variable", job)
}

// excerptSize is how many bytes Beginning keeps.
const excerptSize = 4 << 10

// Beginning is a writer that keeps the first 4 KiB, since a crash report begins with the cause. It is safe for concurrent use.
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

// String returns the kept bytes.
func (s *Beginning) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}
