//go:build unix

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// keyLock is a lock that one process of a machine holds, and one goroutine of it. The system lifts it when the process
// ends.
type keyLock struct{ f *os.File }

// lock waits for the lock of a file, which is there for as long as somebody holds it.
func lock(ctx context.Context, path string) (*keyLock, error) {
	for {
		f, err := tryLock(path)
		if err != nil {
			return nil, fmt.Errorf("journal: locking %s: %w", path, err)
		}
		if f != nil {
			return &keyLock{f}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ErrBusy
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tryLock is nil without an error where somebody else has the lock, or just took the file away.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		var mine, there os.FileInfo
		if mine, err = f.Stat(); err == nil {
			if there, err = os.Stat(path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
	}
	_ = f.Close()
	if err == nil || errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}

// release takes the file away while the lock is held: whoever waits for it sees that it is another by then.
func (l *keyLock) release() {
	_ = os.Remove(l.f.Name())
	_ = l.f.Close()
}
