//go:build !unix

package durable

import "os"

// lock is left out: this system has no flock.
func lock(*os.File) error { return nil }

// syncFolder is left out: this system syncs no folders, and its file system keeps a journal of names.
func syncFolder(string) error { return nil }
