//go:build !unix

package journal

import (
	"context"
	"errors"
)

type keyLock struct{}

// lock fails: it needs flock, which this system does not have.
func lock(context.Context, string) (*keyLock, error) {
	return nil, errors.New("journal: idempotency keys need flock, which this system does not have: run on Linux, macOS or a BSD")
}

func (*keyLock) release() {}
