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

// keyLock is a lock that one process of a machine holds, and one goroutine of it. The system lifts it when the process
// ends.
type keyLock struct{ f *os.File }

// lock waits for the lock of a file, which is there for as long as somebody holds it.
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

// release takes the file away while the lock is held: whoever waits for it sees that it is another by then.
func (l *keyLock) release() {
	_ = os.Remove(l.f.Name())
	_ = l.f.Close()
}
