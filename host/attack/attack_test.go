package attack

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/abi/conformance"
)

// everyAttack is the kit's attacks and our own.
func everyAttack() []conformance.Attack { return append(conformance.Attacks(), files()...) }

func TestAttack(t *testing.T) {
	conformance.Run(t, ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), More: files(), Report: os.Stdout})
}
