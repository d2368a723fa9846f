//go:build !wasip1

package main

import "github.com/mach5/okta-connector/guest/module"

func main() { module.Main(notes()) }
