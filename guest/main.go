//go:build wasip1

// Command guest is the Okta connector as a Wasm module. It has only the exports.
package main

import (
	"github.com/mach5/okta-connector/guest/module"
	connector "github.com/mach5/okta-connector/guest/okta"
)

// okta is created once, when the module initialises. Every call starts from a snapshot taken after that.
var okta = connector.Connector()

//go:wasmexport describe
func describe() int32 { return module.Describe(okta) }

//go:wasmexport invoke
func invoke() int32 { return module.Invoke(okta) }

//go:wasmexport source
func source() int32 { return module.Source(okta) }

//go:wasmexport table
func table() int32 { return module.Table(okta) }

func main() {}
