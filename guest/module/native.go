//go:build !wasip1

package module

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/check"
)

// Main is the main function of a connector's command that is not a Wasm module. With the argument manifest it prints
// the connector's manifest, which go run ./build needs, or what is wrong with its literals.
func Main(c *connector.Connector) { os.Exit(run(c, os.Args[1:], os.Stdout, os.Stderr)) }

func run(c *connector.Connector, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "manifest" {
		if mistakes := check.Connector(c); mistakes != nil {
			fmt.Fprintln(stderr, strings.Join(mistakes, "\n"))
			return 1
		}
		if _, err := stdout.Write(c.Manifest()); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(stderr, "This command is the %s connector, which runs as a Wasm module:\n"+
		"  go run ./build    builds the module (--help says how to build another connector)\n"+
		"  wasm-runner       runs it\n"+
		"With the argument manifest it prints the manifest.\n", c.Kind)
	return 2
}
