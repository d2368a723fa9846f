//go:build !unix

// Package early receives SIGHUP before the rest of the program is initialized. This system has no such signal.
package early

import "os"

// Hangups is nil.
var Hangups chan os.Signal
