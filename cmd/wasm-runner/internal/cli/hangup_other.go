//go:build !unix

package cli

import "os"

var hangupSignal os.Signal // this system has none
