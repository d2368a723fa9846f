package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen gives a pipe room for a page, so that writer and reader wait for each other less often.
func widen(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) }) // if it fails, the pipe is only slower
	}
}
