//go:build !unix

package journal

import (
	"context"
	"errors"
)

type keyLock struct{}

// lock needs flock, which this system does not have.
func lock(context.Context, string) (*keyLock, error) {
	return nil, errors.New("journal: idempotency keys need a system with flock")
}

func (*keyLock) release() {}
