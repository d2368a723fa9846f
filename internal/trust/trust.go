// Package trust judges files that a program takes without being told to: whoever could have put one there decides what
// the program does.
package trust

import (
	"fmt"
	"io/fs"
	"os"
)

// File reports why a file or folder could have been made by somebody who is neither this process's user nor root: it is
// theirs, or everybody may write it.
func File(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return Info(path, info)
}

// Info reports the same of a file that was looked at already. A symbolic link can be judged so, apart from its target.
func Info(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&(fs.ModeSticky|fs.ModeSymlink) == 0 {
		return fmt.Errorf("%s can be written by everybody (mode %s)", path, info.Mode().Perm())
	}
	if owner, known := ownerOf(info); known && owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, and this runs as %d", path, owner, os.Geteuid())
	}
	return nil
}
