package process

import (
	"fmt"
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

func environment(pipes []*os.File) []string {
	var handles []string
	for _, p := range pipes {
		_ = syscall.SetHandleInformation(syscall.Handle(p.Fd()), syscall.HANDLE_FLAG_INHERIT, 1) // else the child finds none
		handles = append(handles, strconv.FormatUint(uint64(p.Fd()), 10))
	}
	return []string{Variable + "=" + strings.Join(handles, ","), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
}

// Files returns the pipes of this child.
func Files() (files [4]*os.File, err error) {
	handles := strings.Split(os.Getenv(Variable), ",")
	if len(handles) != len(files) {
		return files, fmt.Errorf("%s is set, and this is no SQL process: unset it", Variable)
	}
	for i, h := range handles {
		handle, err := strconv.ParseUint(h, 10, 64)
		if err != nil {
			return files, fmt.Errorf("%s is set, and this is no SQL process: unset it", Variable)
		}
		files[i] = os.NewFile(uintptr(handle), "pipe "+h)
	}
	return files, nil
}

// KeepFilesPrivate has nothing to do: files have the access list of their folder.
func KeepFilesPrivate() {}

// IgnoreHangup ignores the signals of a terminal that goes away.
func IgnoreHangup() {}
