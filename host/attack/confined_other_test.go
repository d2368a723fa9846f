//go:build !linux

package attack

import "github.com/mach5/okta-connector/abi/conformance"

// confined returns no attacks: only Linux confines the runner.
func confined() []conformance.Attack { return nil }

func runConfinedIfAsked() {}

var confinementMutations []mutation
