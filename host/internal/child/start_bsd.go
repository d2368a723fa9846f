//go:build unix && !linux

package child

import "syscall"

// inGroup puts a command into a process group of its own.
func inGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// diesWithParent has nothing to set here: a child ends when its pipes do.
func diesWithParent() *syscall.SysProcAttr { return nil }
