//go:build wasip1

package module

import (
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Describe is the export of that name. It answers the manifest.
func Describe(c *connector.Connector) int32 {
	hostcall.Output(string(c.Manifest()))
	return 0
}

// Invoke is the export of that name.
func Invoke(c *connector.Connector) int32 { return answer(c.Invoke) }

// Source is the export of that name.
func Source(c *connector.Connector) int32 { return answer(c.Source) }

// Table is the export of that name.
func Table(c *connector.Connector) int32 { return answer(c.Table) }

// answer runs an export. It returns 1 for a message that cannot be read: a bug of the host, and no outcome.
func answer(export func(hostcall.Host, string) (string, error)) int32 {
	out, err := export(hostcall.New(hostcall.Wasm{}), hostcall.Input())
	if err != nil {
		return 1
	}
	hostcall.Output(out)
	return 0
}
