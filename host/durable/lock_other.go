//go:build !unix

package durable

import "os"

// lock is left out: this system has no flock.
func lock(*os.File) error { return nil }
