// Package limits has the limits of a connection's calls.
package limits

import (
	"fmt"
	"reflect"
	"time"
)

// Limits bound each call of a connection. A zero field means its default. A connection file sets them under limits,
// and errors use the same names: limits.requests, limits.call_seconds.
type Limits struct {
	CallTimeout time.Duration `yaml:"call_seconds"` // duration of one call, waits included; default 5 minutes
	Requests    int           `yaml:"requests"`     // requests per call; default 2,000
	// RequestTimeout is the time for one request, from dialling to the last byte of the response. Default 60 s.
	RequestTimeout time.Duration `yaml:"request_seconds"`
	BodyBytes      int64         `yaml:"body_bytes"`   // size of one decoded response body; default 64 MiB
	HeldBytes      int64         `yaml:"held_bytes"`   // memory that the host holds for one call: bodies, envelopes, records; default 512 MiB
	ResultBytes    int64         `yaml:"result_bytes"` // total size of the records of one call; default 256 MiB
	Records        int           `yaml:"records"`      // records per call; default 100,000
	Concurrency    int           `yaml:"concurrency"`  // concurrent calls; default 16
	MemoryBytes    int64         `yaml:"memory_bytes"` // memory of one instance, messages included, in whole pages of 64 KiB; default 64 MiB, at most LoadOptions.Memory
	LogBytes       int           `yaml:"log_bytes"`    // log output that one call may cause; default 64 KiB
}

// Default returns the default limits.
func Default() Limits {
	return Limits{CallTimeout: 5 * time.Minute, Requests: 2_000, RequestTimeout: time.Minute, BodyBytes: 64 << 20, HeldBytes: 512 << 20, ResultBytes: 256 << 20, Records: 100_000,
		Concurrency: 16, MemoryBytes: 64 << 20, LogBytes: 64 << 10}
}

// Or returns l with its zero fields set from o.
func (l Limits) Or(o Limits) Limits {
	to, from := reflect.ValueOf(&l).Elem(), reflect.ValueOf(o)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return l
}

// Complete returns l with the defaults, or an error if a limit is negative or over the memory that the module was loaded
// with, in bytes.
func (l Limits) Complete(memory int64) (Limits, error) {
	for i, v := 0, reflect.ValueOf(l); i < v.NumField(); i++ {
		if n := v.Field(i).Int(); n < 0 {
			return l, fmt.Errorf("limits.%s: must not be negative, found %d", v.Type().Field(i).Tag.Get("yaml"), n)
		}
	}
	if l.MemoryBytes > memory {
		return l, fmt.Errorf("limits.memory_bytes: %d is more than the %d that the module was loaded with (LoadOptions.Memory)", l.MemoryBytes, memory)
	}
	return l.Or(Default()), nil
}
