//go:build wasip1

package module

import (
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Describe implements the describe export. It outputs the manifest.
func Describe(c *connector.Connector) int32 {
	hostcall.Output(string(c.Manifest()))
	return 0
}

// Invoke implements the invoke export.
func Invoke(c *connector.Connector) int32 { return answer(c.Invoke) }

// Source implements the source export.
func Source(c *connector.Connector) int32 { return answer(c.Source) }

// Table implements the table export.
func Table(c *connector.Connector) int32 { return answer(c.Table) }

// answer runs an export. It returns 1 if the host's message cannot be parsed, which is a bug of the host, not an
// outcome.
func answer(export func(hostcall.Host, string) (string, error)) int32 {
	out, err := export(hostcall.New(hostcall.Wasm{}), hostcall.Input())
	if err != nil {
		return 1
	}
	hostcall.Output(out)
	return 0
}
