package child

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// inherit gives a child its pipes, whose handles its environment names.
func inherit(cmd *exec.Cmd, pipes []*os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	for _, p := range pipes {
		cmd.SysProcAttr.AdditionalInheritedHandles = append(cmd.SysProcAttr.AdditionalInheritedHandles, syscall.Handle(p.Fd()))
	}
}

// inGroup has nothing to set: a command has no group here.
func inGroup() *syscall.SysProcAttr { return nil }

// killGroup ends a command.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended

func environment(job Job, pipes []*os.File) []string {
	var handles []string
	for _, p := range pipes {
		_ = syscall.SetHandleInformation(syscall.Handle(p.Fd()), syscall.HANDLE_FLAG_INHERIT, 1) // else the child finds none
		handles = append(handles, strconv.FormatUint(uint64(p.Fd()), 10))
	}
	return []string{string(job) + "=" + strings.Join(handles, ","), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
}

// Files returns the n pipes of this child.
func Files(job Job, n int) ([]*os.File, error) {
	handles := strings.Split(os.Getenv(string(job)), ",")
	if len(handles) != n {
		return nil, notAsked(job)
	}
	var files []*os.File
	for _, h := range handles {
		handle, err := strconv.ParseUint(h, 10, 64)
		if err != nil {
			return nil, notAsked(job)
		}
		files = append(files, os.NewFile(uintptr(handle), "pipe "+h))
	}
	return files, nil
}

// KeepFilesPrivate has nothing to do: files have the access list of their folder.
func KeepFilesPrivate() {}

// IgnoreHangup ignores the signals of a terminal that goes away.
func IgnoreHangup() {}
