//go:build !linux

package child

import "os"

// self returns this program.
func self() (string, error) { return os.Executable() }
