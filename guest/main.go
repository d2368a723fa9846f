//go:build wasip1

// Command guest is the Okta connector as a Wasm module: its exports, and nothing else.
package main

import (
	"github.com/mach5/okta-connector/guest/module"
	"github.com/mach5/okta-connector/guest/okta"
)

//go:wasmexport describe
func describe() int32 { return module.Describe(okta.Connector()) }

//go:wasmexport invoke
func invoke() int32 { return module.Invoke(okta.Connector()) }

//go:wasmexport source
func source() int32 { return module.Source(okta.Connector()) }

//go:wasmexport table
func table() int32 { return module.Table(okta.Connector()) }

func main() {}
