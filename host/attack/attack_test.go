package attack

import (
	"os"
	"testing"

	"github.com/mach5/okta-connector/abi/conformance"
)

func TestAttack(t *testing.T) {
	conformance.Run(t, ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), Report: os.Stdout})
}
