// Package trust checks files that a program uses by default, since the user who wrote such a file controls what the
// program does.
package trust

import (
	"fmt"
	"io/fs"
	"os"
)

// File returns an error if a file or folder is controlled by a user other than this process's or root: they own it,
// or everyone may write it.
func File(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return Info(path, info)
}

// Info is File for a file whose information is already known. With it, a symbolic link can be checked apart from its
// target.
func Info(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&(fs.ModeSticky|fs.ModeSymlink) == 0 {
		return fmt.Errorf("%s is writable by everyone (mode %s)", path, info.Mode().Perm())
	}
	if owner, known := ownerOf(info); known && owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, but this process runs as user %d", path, owner, os.Geteuid())
	}
	return nil
}
