package cli

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

func TestListVar_WithSpaces_DropsThem(t *testing.T) {
	var names []string
	f := pflag.NewFlagSet("x", pflag.ContinueOnError)
	ListVar(f, &names, "names", "")
	if err := f.Parse([]string{"--names", "a, b", "--names= c d "}); err != nil || !slices.Equal(names, []string{"a", "b", "c d"}) {
		t.Errorf("%q %v", names, err)
	}
}
