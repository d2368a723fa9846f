//go:build !(linux && cgo && (amd64 || arm64))

package attack

import "github.com/mach5/okta-connector/abi/conformance"

// statements are attacks on SQL, which is not in this build, or not confined here.
func statements() []conformance.Attack { return nil }

var sqlMutations []mutation
