//go:build unix

package confine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limit sets the resource limits of this process. It forbids core dumps, since a dump would contain what the process read.
// If p.Data is not 0, it limits the data segment to that many bytes.
func limit(p Policy) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("setrlimit: core: %w", err)
	}
	if p.Data == 0 {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &now); err != nil {
		return fmt.Errorf("getrlimit: data: %w", err)
	}
	if uint64(now.Max) > p.Data {
		now.Max = toLimit(now.Max, p.Data)
	}
	now.Cur = now.Max
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &now); err != nil {
		return fmt.Errorf("setrlimit: data: %w", err)
	}
	return nil
}

// toLimit converts n to T, the type of the fields of unix.Rlimit on this system.
func toLimit[T int64 | uint64](_ T, n uint64) T { return T(n) }
