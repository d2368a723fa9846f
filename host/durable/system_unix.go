//go:build unix

package durable

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock takes an advisory lock that ends with the process, however it ends.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrLocked
		}
		return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func links(info fs.FileInfo) (uint64, bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(sys.Nlink), true //nolint:unconvert // its type differs between systems
}

func id(info fs.FileInfo) (id ID, ok bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return id, false
	}
	binary.BigEndian.PutUint64(id[:8], uint64(sys.Dev)) //nolint:unconvert // its type differs between systems
	binary.BigEndian.PutUint64(id[8:], sys.Ino)
	return id, true
}
