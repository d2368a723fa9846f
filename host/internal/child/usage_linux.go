package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// MemoryGauge measures the memory of a process. The zero value measures nothing.
type MemoryGauge struct {
	file *os.File
	base int64
}

// NewMemoryGauge returns a gauge of a process. If it cannot measure the process, the gauge measures nothing.
func NewMemoryGauge(pid int) *MemoryGauge { return newMemoryGauge(openStatm(pid)) }

// MemoryGauge returns a gauge of the process. Call it at most once for a process.
func (p *Process) MemoryGauge() *MemoryGauge {
	if p.statm != nil {
		return newMemoryGauge(p.statm)
	}
	return NewMemoryGauge(p.PID)
}

// openStatm opens the file that says how much memory a process uses. It returns nil if it cannot open the file.
func openStatm(pid int) *os.File {
	f, err := os.Open(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return nil
	}
	return f
}

func newMemoryGauge(f *os.File) *MemoryGauge {
	if f == nil {
		return &MemoryGauge{}
	}
	m := &MemoryGauge{file: f}
	m.base = m.Used()
	return m
}

// Base returns how many bytes of private memory the process used when the gauge was made.
func (m *MemoryGauge) Base() int64 { return m.base }

// Used returns how many bytes of private memory the process uses, or 0 if that is not known.
func (m *MemoryGauge) Used() int64 {
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

// Close frees the gauge. A nil gauge may be closed.
func (m *MemoryGauge) Close() {
	if m != nil && m.file != nil {
		_ = m.file.Close() // read only
	}
}

// TimeUsed returns how much processor time a process has used. ok is false if that is not known.
func TimeUsed(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from the third field on
	if len(fields) < 13 {
		return 0, false
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go knows
	return time.Duration(user+system) * tick, err == nil && err2 == nil
}
