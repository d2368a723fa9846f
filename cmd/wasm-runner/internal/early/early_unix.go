//go:build unix

// Package early receives SIGHUP before the rest of the program is initialized, which takes longer than a service manager may wait
// before it sends one. It imports nothing but the standard library, so that it is initialized among the first.
package early

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// Hangups receives SIGHUP from the start of the process on, for the commands that read files again on it. It is nil for other
// commands, and if the process is to ignore the signal.
var Hangups = watch()

func watch() chan os.Signal {
	reads := func(arg string) bool { return arg == "source" || arg == "backfill" }
	if !slices.ContainsFunc(os.Args, reads) || signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}
