//go:build !linux

package main

// compromisedEnv asks for a hostile runner, which only Linux can contain.
const compromisedEnv = "WASM_RUNNER_COMPROMISED"

func compromised() {}
