package durable

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
)

// Replace replaces the content of the file at path atomically: a reader finds either the old or the new content. When
// it has returned nil, the new content is durable. Only one process may call it for a path at a time. So the name of
// the temporary file, path+".new", is fixed, and a crash leaves at most one.
func Replace(d Disk, path string, content []byte) error {
	return ReplaceBy(d, path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// ReplaceBy is Replace for content that a function writes. If the function fails, the old content stays.
func ReplaceBy(d Disk, path string, write func(io.Writer) error) error {
	temp := path + ".new"
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := d.Create(temp)
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync() // otherwise, after a crash, the name could lead to an empty file
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = d.Rename(temp, path)
	}
	if err != nil {
		_ = d.Remove(temp) // the first error is the one to return
		return err
	}
	return d.SyncFolder(filepath.Dir(path))
}
