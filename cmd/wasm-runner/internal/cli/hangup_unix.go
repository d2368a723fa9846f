//go:build unix

package cli

import (
	"os"
	"syscall"
)

var hangupSignal os.Signal = syscall.SIGHUP
