//go:build !unix

package durable

import (
	"io/fs"
	"os"
)

// lock is left out: this system has no flock.
func lock(*os.File) error { return nil }

// syncFolder is left out: this system syncs no folders, and its file system keeps a journal of names.
func syncFolder(string) error { return nil }

// links reports false: such a system neither deletes nor renames a file that is open.
func links(fs.FileInfo) (uint64, bool) { return 0, false }

func id(fs.FileInfo) (ID, bool) { return ID{}, false }
