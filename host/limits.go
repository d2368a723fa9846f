package host

import (
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/internal/limits"
)

// MaxInput is the size limit of an operation's input, in bytes.
const MaxInput = input.Max

// Limits bound each call of a connection. A zero field means its default.
type Limits = limits.Limits

// DefaultLimits returns the default limits.
func DefaultLimits() Limits { return limits.Default() }

// ProcessMemory limits the total memory of all calls of the modules that share it: linear memory, messages, response bodies
// and records. A call over the limit ends as unavailable, and can be repeated.
type ProcessMemory = budget.Process

// NewProcessMemory returns a limit of so many bytes.
func NewProcessMemory(bytes int64) *ProcessMemory { return budget.NewProcess(bytes) }
