//go:build wasip1

package main

import "github.com/mach5/okta-connector/guest/module"

// template is created once, when the module initialises. Every call starts from a snapshot taken after that.
var template = notes()

//go:wasmexport describe
func describe() int32 { return module.Describe(template) }

//go:wasmexport invoke
func invoke() int32 { return module.Invoke(template) }

//go:wasmexport source
func source() int32 { return module.Source(template) }

//go:wasmexport table
func table() int32 { return module.Table(template) }

func main() {}
