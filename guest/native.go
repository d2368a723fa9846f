//go:build !wasip1

package main

import "fmt"

func main() {
	fmt.Println("guest is a Wasm module: go run ./build packs it, wasm-runner runs it")
}
