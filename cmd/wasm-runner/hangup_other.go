//go:build !unix

package main

import "os"

var hangupSignal os.Signal // this system has none
