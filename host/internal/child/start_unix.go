//go:build unix

package child

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// firstPipe is the descriptor of the first of a child's pipes.
const firstPipe = 3

// inherit gives a child its pipes.
func inherit(cmd *exec.Cmd, pipes []*os.File) {
	cmd.ExtraFiles = pipes
	cmd.SysProcAttr = diesWithParent()
}

// killGroup ends a command and its children.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // they may have ended

// environment returns the whole environment of a child. Variables of this process may hold secrets.
func environment(job Job, _ []*os.File) []string {
	env := []string{string(job) + "=1", "GOTRACEBACK=none"}
	if path := os.Getenv("LD_LIBRARY_PATH"); path != "" {
		env = append(env, "LD_LIBRARY_PATH="+path) // where the C++ library is
	}
	return env
}

// Files returns the n pipes of this child.
func Files(job Job, n int) ([]*os.File, error) {
	files := make([]*os.File, n)
	for i := range files {
		fd := firstPipe + i
		syscall.CloseOnExec(fd)
		if files[i] = os.NewFile(uintptr(fd), fmt.Sprintf("pipe %d", i)); files[i] == nil {
			return nil, notAsked(job)
		}
	}
	return files, nil
}

// KeepFilesPrivate makes files that this process creates readable by this user alone.
func KeepFilesPrivate() { syscall.Umask(0o077) }

// IgnoreHangup ignores the signals of a terminal that goes away.
func IgnoreHangup() { signal.Ignore(syscall.SIGHUP, syscall.SIGQUIT) }
