//go:build !wasip1

package main

import (
	"github.com/mach5/okta-connector/guest/module"
	"github.com/mach5/okta-connector/guest/okta"
)

func main() { module.Main(okta.Connector()) }
