package host

import "github.com/mach5/okta-connector/host/internal/sandbox"

// Idle returns the idle instances.
func (c *Connection) Idle() []*sandbox.Instance { return c.pool.Idle() }
