// Package durable changes files so that a crash at any moment leaves a known state: it has the steps whose order matters, and
// the lock of the process that takes them.
//
// The content of a file is durable after the file is synced. Its name is durable after its folder is synced. Before that, a
// crash may leave any part of the content, or none.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLocked is wrapped when a file is held already, by another process or by this one.
var ErrLocked = errors.New("locked by another process")

// Disk changes files. OS is the real one; host/durable/crashtest has one that computes what a crash would leave.
type Disk interface {
	// Append opens a file to append to. A new file gets exactly this mode, whatever the umask;
	// mode 0 means Mode, less the umask. A regular file is held, as by Hold.
	Append(path string, mode fs.FileMode) (File, error)
	// Create makes a file. It fails if the file exists.
	Create(path string) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncFolder makes the names in a folder durable.
	SyncFolder(path string) error
}

// File is an open file of a Disk. It only grows: other programs read it meanwhile, and take a shorter file for a new one.
type File interface {
	io.Writer
	Stat() (fs.FileInfo, error)
	Sync() error
	Close() error
}

// OS is the system's disk.
var OS Disk = system{}

type system struct{}

func (system) Append(path string, mode fs.FileMode) (File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a device or a pipe has many writers
		return opened(os.OpenFile(path, flags, Mode))
	}
	if err := makeFile(path, mode); err != nil {
		return nil, err
	}
	f, err := Hold(path, flags)
	if errors.Is(err, errors.ErrUnsupported) { // a file system without locks, such as some of a network
		f, err = os.OpenFile(path, flags, Mode)
	}
	return opened(f, err)
}

// makeFile makes an empty file with exactly a mode. It does nothing for mode 0 and for a file that exists.
func makeFile(path string, mode fs.FileMode) error {
	if mode == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, Mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Close())
}

func (system) Create(path string) (File, error) {
	return opened(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, Mode))
}

func (system) Rename(from, to string) error { return os.Rename(from, to) }
func (system) Remove(path string) error     { return os.Remove(path) }
func (system) SyncFolder(path string) error { return syncFolder(path) }

// opened keeps a nil *os.File from becoming a File that is not nil.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mode is the default mode of new files: they hold a company's data.
const Mode fs.FileMode = 0o600

// Links returns how many names a file has, or false if the system does not report it. A file with 0 names is deleted: it exists
// only until it is closed.
func Links(info fs.FileInfo) (n uint64, known bool) { return links(info) }

// ID is the identity of a file on this machine. It stays when the file is renamed. A later file may get the ID of a deleted one.
type ID [16]byte

// IDOf returns the identity of a file, or false if the system does not report it.
func IDOf(info fs.FileInfo) (ID, bool) { return id(info) }

// Hold opens a file and locks it until it is closed or the process ends in any way. The lock is on the file, not on its name: a
// process that renames the file and makes another one of that name has to hold that one, too. The error wraps ErrLocked, or
// errors.ErrUnsupported if the file system has no locks.
func Hold(path string, flag int) (*os.File, error) {
	const tries = 10
	for range tries {
		f, err := os.OpenFile(path, flag, Mode)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			_ = f.Close() // nothing was written
			return nil, err
		}
		mine, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		_ = f.Close() // between opening and locking it was renamed or removed
	}
	return nil, &fs.PathError{Op: "lock", Path: path, Err: ErrLocked}
}

// NoFolder returns err, or a FolderError if err says that the folder of the file at path does not exist.
func NoFolder(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(Resolve(path))
	if _, missing := os.Stat(dir); !errors.Is(missing, fs.ErrNotExist) {
		return err
	}
	return FolderError(dir)
}

// FolderError is the error for a folder that does not exist. It wraps fs.ErrNotExist.
type FolderError string

// Error implements error.
func (n FolderError) Error() string {
	return "folder " + string(n) + " does not exist: create it, or name another file"
}

// Unwrap returns fs.ErrNotExist.
func (n FolderError) Unwrap() error { return fs.ErrNotExist }

// Resolve returns the path at which the file of a path is, or would be made. It follows links: those of the folders, and the
// file itself if it is a link. It returns the path unchanged if something other than a regular file is there: a link such as
// /dev/stdout leads to no path.
func Resolve(path string) string {
	given, err := os.Stat(path)
	if err == nil && !given.Mode().IsRegular() {
		return path
	}
	to := path
	for range 40 { // as many links as a system follows
		target, err := os.Readlink(to)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(to), target)
		}
		to = target
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(to)); err == nil {
		to = filepath.Join(folder, filepath.Base(to))
	}
	if err != nil {
		return to
	}
	if found, err := os.Stat(to); err != nil || !os.SameFile(given, found) { // a file of /proc that has no name any more
		return path
	}
	return to
}
