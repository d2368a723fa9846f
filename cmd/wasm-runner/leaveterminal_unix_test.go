//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// leaveTerminal takes the terminal from this process and those that it starts. At a person's terminal, a runner would ask on it.
func leaveTerminal() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return // there is none
	}
	_ = unix.IoctlSetInt(int(tty.Fd()), unix.TIOCNOTTY, 0) // where it fails, the tests show it
	_ = tty.Close()
}
