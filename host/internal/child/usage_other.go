//go:build !linux

package child

import "time"

// MemoryGauge measures no process here.
type MemoryGauge struct{}

// NewMemoryGauge returns a gauge that measures nothing.
func NewMemoryGauge(int) *MemoryGauge { return &MemoryGauge{} }

// MemoryGauge returns a gauge that measures nothing.
func (*Process) MemoryGauge() *MemoryGauge { return &MemoryGauge{} }

// Base returns 0: it is not known.
func (*MemoryGauge) Base() int64 { return 0 }

// Used returns 0: it is not known.
func (*MemoryGauge) Used() int64 { return 0 }

// Close does nothing.
func (*MemoryGauge) Close() {}

// TimeUsed returns how much processor time a process has used. ok is false: it is not known here.
func TimeUsed(int) (used time.Duration, ok bool) { return 0, false }
