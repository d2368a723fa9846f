//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// leaveTerminal detaches this process and its children from the terminal. Otherwise a runner would ask the person who runs the tests.
func leaveTerminal() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return // there is none
	}
	_ = unix.IoctlSetInt(int(tty.Fd()), unix.TIOCNOTTY, 0) // if it fails, the tests fail
	_ = tty.Close()
}
