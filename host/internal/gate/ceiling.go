package gate

import (
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/journal"
)

// CeilingError is the error for a write that a ceiling blocks.
type CeilingError struct {
	journal.Ceiling
	Wait time.Duration // until the next write may be sent
}

// Error implements error.
func (e CeilingError) Error() string {
	name := "max_writes_per_minute"
	if e.Kind == string(abi.Destructive) {
		name = "max_destructive_per_hour"
	}
	return fmt.Sprintf("the connection's ceiling is reached (%s: %d): the next write is allowed in %s", name, e.Most, e.Wait.Round(time.Second))
}

// RetryAfter returns the time until the next write is allowed, in milliseconds.
func (e CeilingError) RetryAfter() int64 { return max(e.Wait.Milliseconds(), 1) }

// Kinds returns the ceilings that a write of a class counts under.
func Kinds(class abi.Class) []string {
	switch class {
	case abi.Destructive, abi.Privileged: // privileged writes are as dangerous
		return []string{"write", string(abi.Destructive)}
	}
	return []string{"write"}
}
