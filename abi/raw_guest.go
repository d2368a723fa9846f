//go:build wasip1

package abi

// rawMessage is JSON text.
type rawMessage = []byte
