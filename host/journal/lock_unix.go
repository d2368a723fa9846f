//go:build unix

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// keyLock is an exclusive lock among the processes and goroutines of a machine. The system releases it when the process
// ends.
type keyLock struct{ f *os.File }

// lock waits for the lock of a file. It creates the file, which exists while the lock is held. It returns ErrBusy when
// ctx ends.
func lock(ctx context.Context, path string) (*keyLock, error) {
	for {
		f, err := durable.Hold(path, os.O_RDWR|os.O_CREATE)
		if err == nil {
			return &keyLock{f}, nil
		}
		if !errors.Is(err, durable.ErrLocked) {
			return nil, fmt.Errorf("journal: locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, ErrBusy
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// release deletes the file before it unlocks it, so that a waiting process notices that it must lock a new file.
func (l *keyLock) release() {
	_ = os.Remove(l.f.Name())
	_ = l.f.Close()
}
