package host

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/host/internal/input"
)

// MaxInput is the size limit of an operation's input, in bytes.
const MaxInput = input.Max

// Limits bound every call of a connection. A zero field means its default. In a connection file they stand under limits,
// by the names that the errors use: limits.requests, limits.call_seconds.
type Limits struct {
	CallTimeout time.Duration `yaml:"call_seconds"` // wall time of one call of the guest, waiting included; default 5 minutes
	Requests    int           `yaml:"requests"`     // requests a call; default 2,000
	// RequestTimeout is the time of one request, from dialling to the last byte of its answer; default 60 s.
	RequestTimeout time.Duration `yaml:"request_seconds"`
	BodyBytes      int64         `yaml:"body_bytes"`   // of one decoded answer; default 64 MiB
	HeldBytes      int64         `yaml:"held_bytes"`   // of memory behind all answers of one call, which stay until it ends; default 512 MiB
	ResultBytes    int64         `yaml:"result_bytes"` // of all records of one call; default 256 MiB
	Records        int           `yaml:"records"`      // of one call; default 100,000
	Concurrency    int           `yaml:"concurrency"`  // calls at once; default 16
	MemoryBytes    int64         `yaml:"memory_bytes"` // of one instance, in pages of 64 KiB; default 64 MiB, and at most LoadOptions.Memory
	LogBytes       int           `yaml:"log_bytes"`    // that one call may cause in the log; default 64 KiB
}

// DefaultLimits are the limits of a connection that names none.
func DefaultLimits() Limits {
	return Limits{CallTimeout: 5 * time.Minute, Requests: 2_000, RequestTimeout: time.Minute, BodyBytes: 64 << 20, HeldBytes: 512 << 20, ResultBytes: 256 << 20, Records: 100_000,
		Concurrency: 16, MemoryBytes: 64 << 20, LogBytes: 64 << 10}
}

// or fills the fields that are zero from other limits.
func (l Limits) or(o Limits) Limits {
	return Limits{
		CallTimeout: cmp.Or(l.CallTimeout, o.CallTimeout),
		Requests:    cmp.Or(l.Requests, o.Requests),

		RequestTimeout: cmp.Or(l.RequestTimeout, o.RequestTimeout),

		BodyBytes:   cmp.Or(l.BodyBytes, o.BodyBytes),
		HeldBytes:   cmp.Or(l.HeldBytes, o.HeldBytes),
		ResultBytes: cmp.Or(l.ResultBytes, o.ResultBytes),
		Records:     cmp.Or(l.Records, o.Records),
		Concurrency: cmp.Or(l.Concurrency, o.Concurrency),
		MemoryBytes: cmp.Or(l.MemoryBytes, o.MemoryBytes),
		LogBytes:    cmp.Or(l.LogBytes, o.LogBytes),
	}
}

// check wants every limit to be one.
func (l Limits) check() error {
	for name, v := range map[string]int64{"call_seconds": int64(l.CallTimeout), "requests": int64(l.Requests), "request_seconds": int64(l.RequestTimeout), "body_bytes": l.BodyBytes,
		"held_bytes": l.HeldBytes, "result_bytes": l.ResultBytes, "records": int64(l.Records), "concurrency": int64(l.Concurrency), "memory_bytes": l.MemoryBytes,
		"log_bytes": int64(l.LogBytes)} {
		if v < 0 {
			return fmt.Errorf("limits.%s: %d is negative", name, v)
		}
	}
	return nil
}
