package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget drops what was typed on a terminal and not read yet.
func forget(tty *os.File) error {
	return unix.IoctlSetInt(int(tty.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
