//go:build !unix

// Package early receives SIGHUP before the rest of the program is initialized. This system does not have that signal.
package early

import "os"

// Hangups is nil.
var Hangups chan os.Signal
