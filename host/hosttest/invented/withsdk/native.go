//go:build !wasip1

// Command withsdk is a second connector of the invented service, written with the SDK.
package main

import (
	"github.com/mach5/okta-connector/guest/module"
	"github.com/mach5/okta-connector/host/hosttest/invented/withsdk/depot"
)

func main() { module.Main(depot.Connector()) }
