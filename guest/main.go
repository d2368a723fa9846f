//go:build wasip1

// Command guest is the connector as a Wasm module: its exports, and nothing else.
package main

import (
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/okta"
)

//go:wasmexport describe
func describe() int32 {
	hostcall.Output(string(okta.Manifest()))
	return 0
}

//go:wasmexport invoke
func invoke() int32 { return answer(okta.Invoke) }

//go:wasmexport source
func source() int32 { return answer(okta.Source) }

//go:wasmexport table
func table() int32 { return answer(okta.Table) }

// answer runs an export. A call that cannot be read is a bug of the host and no outcome: 1.
func answer(export func(hostcall.Host, string) (string, error)) int32 {
	out, err := export(hostcall.New(hostcall.Wasm{}), hostcall.Input())
	if err != nil {
		return 1
	}
	hostcall.Output(out)
	return 0
}

func main() {}
