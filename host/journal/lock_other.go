//go:build !unix

package journal

import (
	"context"
	"errors"
	"os"
)

// lock needs flock, which this system does not have.
func lock(context.Context, string) (*os.File, error) {
	return nil, errors.New("journal: idempotency keys need a system with flock")
}
