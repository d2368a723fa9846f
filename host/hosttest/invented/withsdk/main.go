//go:build wasip1

package main

import (
	"github.com/mach5/okta-connector/guest/module"
	invented "github.com/mach5/okta-connector/host/hosttest/invented/withsdk/depot"
)

// depot is created once, when the module initialises. Every call starts from a snapshot taken after that.
var depot = invented.Connector()

//go:wasmexport describe
func describe() int32 { return module.Describe(depot) }

//go:wasmexport invoke
func invoke() int32 { return module.Invoke(depot) }

//go:wasmexport source
func source() int32 { return module.Source(depot) }

//go:wasmexport table
func table() int32 { return module.Table(depot) }

func main() {}
