//go:build unix

package main

import (
	"os"
	"syscall"
)

var hangupSignal os.Signal = syscall.SIGHUP
