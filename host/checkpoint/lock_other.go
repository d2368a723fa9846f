//go:build !unix

package checkpoint

import (
	"errors"
	"io"
	"os"
)

var errHeld = errors.New("locked by another process")

// acquire makes the lock file and leaves the locking out: this system has no flock.
func acquire(path string) (io.Closer, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
