//go:build unix && !linux

package child

import "syscall"

// diesWithParent has nothing to set here: a child ends when its pipes do.
func diesWithParent() *syscall.SysProcAttr { return nil }
