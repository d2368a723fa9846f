//go:build wasip1

package main

import "github.com/mach5/okta-connector/guest/module"

//go:wasmexport describe
func describe() int32 { return module.Describe(notes()) }

//go:wasmexport invoke
func invoke() int32 { return module.Invoke(notes()) }

//go:wasmexport source
func source() int32 { return module.Source(notes()) }

//go:wasmexport table
func table() int32 { return module.Table(notes()) }

func main() {}
