//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package term

import "os"

// DiscardInput does nothing: this system has no call for it.
func DiscardInput(*os.File) error { return nil }
