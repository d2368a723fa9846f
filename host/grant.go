package host

import (
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// grant finds the request's endpoint among those of the operation, and checks the request's class against the call's.
// A class bounds effects: with input of class write, no endpoint that is destructive is allowed.
func (c *call) grant(req *abi.Request) (*abi.Endpoint, error) {
	e := c.op.Granted[req.Endpoint]
	if e == nil {
		return nil, fmt.Errorf("endpoint %q is not granted to %s", excerpt.Of(req.Endpoint), c.op.Name)
	}
	class, err := c.op.RequestClass(e, req.Body)
	if class == abi.ClassOfInput {
		class = c.class
	}
	switch {
	case err != nil:
		return nil, err
	case class != abi.Read && class != c.class || !c.class.Allows(e.Method()):
		return nil, fmt.Errorf("a request to %q is of class %s, and the call is of class %s", e.Endpoint, class, c.class)
	}
	return e, nil
}
