package host

import "github.com/mach5/okta-connector/host/internal/sandbox"

// Idle are the instances that no call uses.
func (c *Connection) Idle() []*sandbox.Instance { return c.pool.Idle() }
