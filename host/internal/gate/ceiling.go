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

// Ceilings returns a connection's limits on the number of writes. 0 is no limit.
func Ceilings(writesPerMinute, destructivePerHour int) []journal.Ceiling {
	var all []journal.Ceiling
	if writesPerMinute > 0 {
		all = append(all, journal.Ceiling{Kind: "write", Most: writesPerMinute, Window: time.Minute})
	}
	if destructivePerHour > 0 {
		all = append(all, journal.Ceiling{Kind: string(abi.Destructive), Most: destructivePerHour, Window: time.Hour})
	}
	return all
}
