//go:build unix && !linux

package child

import "syscall"

// inGroup puts a command into a process group of its own.
func inGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// diesWithParent returns nil: this system cannot kill a child with its parent. A child exits when its pipes are closed.
func diesWithParent() *syscall.SysProcAttr { return nil }
