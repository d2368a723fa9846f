//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// DiscardInput drops what was typed on a terminal and not read yet.
func DiscardInput(tty *os.File) error {
	const input = 1 // FREAD
	return unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCFLUSH, input)
}
