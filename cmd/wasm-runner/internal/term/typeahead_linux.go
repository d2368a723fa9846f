package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// DiscardInput drops what was typed on a terminal and not read yet.
func DiscardInput(tty *os.File) error {
	return unix.IoctlSetInt(int(tty.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
