//go:build unix

package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// InForeground reports whether this process may read from a terminal. The kernel stops a background process that tries.
func InForeground(tty *os.File) bool {
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}
