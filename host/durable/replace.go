package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Replace replaces the content of the file at path atomically: until the last step it is the old content, and from then on the
// new one. Only one process may do so at a time. So the name of the temporary file, path+".new", is fixed, and a crash leaves at
// most one.
func Replace(d Disk, path string, content []byte) error {
	temp := path + ".new"
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := d.Create(temp)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync() // or the name would lead to a file of nothing
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = d.Rename(temp, path)
	}
	if err != nil {
		_ = d.Remove(temp) // what is left of it; the first error counts
		return err
	}
	return d.SyncFolder(filepath.Dir(path))
}
