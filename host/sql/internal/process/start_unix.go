//go:build unix

package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// firstPipe is the descriptor of the first of a child's four pipes.
const firstPipe = 3

// inherit gives a child its pipes.
func inherit(cmd *exec.Cmd, pipes []*os.File) {
	cmd.ExtraFiles = pipes
	cmd.SysProcAttr = diesWithParent()
}

// environment returns the whole environment of a child. Variables of this process may hold secrets.
func environment([]*os.File) []string {
	env := []string{Variable + "=1", "GOTRACEBACK=none"}
	if path := os.Getenv("LD_LIBRARY_PATH"); path != "" {
		env = append(env, "LD_LIBRARY_PATH="+path) // where the C++ library is
	}
	return env
}

// Files returns the pipes of this child.
func Files() (files [4]*os.File, err error) {
	for i := range files {
		fd := firstPipe + i
		syscall.CloseOnExec(fd)
		if files[i] = os.NewFile(uintptr(fd), fmt.Sprintf("pipe %d", i)); files[i] == nil {
			return files, fmt.Errorf("%s is set, and this is no SQL process: unset it", Variable)
		}
	}
	return files, nil
}

// KeepFilesPrivate makes files that DuckDB creates readable by this user alone.
func KeepFilesPrivate() { syscall.Umask(0o077) }

// IgnoreHangup ignores the signals of a terminal that goes away.
func IgnoreHangup() { signal.Ignore(syscall.SIGHUP, syscall.SIGQUIT) }
