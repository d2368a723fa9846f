package child

import "syscall"

// self returns this program, even if its file was replaced since it started.
func self() (string, error) { return "/proc/self/exe", nil }

// inGroup puts a command into a process group of its own.
func inGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
