package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// self returns this program, even if its file was replaced since it started.
func self() (string, error) { return "/proc/self/exe", nil }

func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// widen gives a pipe room for a page, so that writing one takes fewer turns.
func widen(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) }) // else it is slower
	}
}

// memoryGauge measures a process.
type memoryGauge struct {
	file *os.File
	base int64 // bytes at the beginning
}

// newMemoryGauge returns nil if the process cannot be measured.
func newMemoryGauge(pid int) *memoryGauge {
	f, err := os.Open(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return &memoryGauge{}
	}
	m := &memoryGauge{file: f}
	m.base = m.used()
	return m
}

// used returns how many bytes of memory the process has of its own, 0 if that is not known.
func (m *memoryGauge) used() int64 {
	if m.file == nil {
		return 0
	}
	var b [256]byte
	n, _ := m.file.ReadAt(b[:], 0) // the text ends before the buffer
	fields := bytes.Fields(b[:n])
	if len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(fields[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

func (m *memoryGauge) close() {
	if m != nil && m.file != nil {
		_ = m.file.Close() // read only
	}
}
