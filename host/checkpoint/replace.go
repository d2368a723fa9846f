package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
)

// files is how a checkpoint reaches the disk; tests give one that fails.
type files interface {
	replace(path string, content []byte) error
}

// system is the real disk.
type system struct{}

// replace makes content the content of path, whatever happens on the way. Whoever holds the lock is the only one to
// write, so that the name of the temporary file can be fixed and a crash leaves at most one.
func (system) replace(path string, content []byte) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // what is left of it; the first error counts
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
