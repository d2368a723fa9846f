//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget drops what was typed on a terminal and not read yet.
func forget(tty *os.File) error {
	const input = 1 // FREAD
	return unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCFLUSH, input)
}
