// Package child starts this program again as a process that does one job.
//
// A program that starts children calls a function first in main that looks at Asked, and does the job then. Children get
// pipes, and no variable of this process's environment, which may hold secrets.
package child

import (
	"fmt"
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
)

// Asked reports whether this process was started to do a job.
func Asked(job Job) bool { return os.Getenv(string(job)) != "" }

// Command returns the command that starts this program with a job. Processes are listed as name. The child finds the pipes
// with Files; this process closes them after Start.
func Command(job Job, name string, pipes []*os.File) (*exec.Cmd, error) {
	program, err := self()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Args = []string{os.Args[0], name}
	cmd.Env = environment(job, pipes)
	cmd.WaitDelay = time.Second
	inherit(cmd, pipes)
	return cmd, nil
}

// Start starts a command. It calls ended with the result of Wait, in a goroutine of its own, when the process has ended.
func Start(cmd *exec.Cmd, ended func(error)) error {
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
	return <-started
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
