// Package attacks holds the attacks that the conformance kit runs against a host, one file for each family.
package attacks

import (
	"slices"

	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/declared"
	"github.com/mach5/okta-connector/abi/conformance/internal/guards"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/internal/network"
)

// All returns all attacks, family by family.
func All() []kit.Attack {
	return slices.Concat(moduleAttacks(), importAttacks(), requestAttacks(), secretAttacks(), declared.Attacks(), grantAttacks(), guards.Attacks(), serverAttacks(),
		network.Attacks(), resourceAttacks(), limitAttacks(), announcedAttacks(), isolationAttacks(), answerAttacks(), inputAttacks(), workAttacks())
}
