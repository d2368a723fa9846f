package sandbox

import (
	"slices"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
)

// A module that can be packed must be loadable.
func TestImports_OfWASI_AreThoseThatThePackerAllows(t *testing.T) {
	var have []string
	for _, f := range config().imports()[wasiNamespace] {
		have = append(have, f.name)
	}
	if slices.Sort(have); !slices.Equal(have, pack.WASI) {
		t.Errorf("the host has %q, and the packer allows %q", have, pack.WASI)
	}
}
