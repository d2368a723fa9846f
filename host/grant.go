package host

import (
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// grant finds the endpoint among those of the operation, and checks what the request does against the class in force: a
// class is a bound on effects, so that an input of class write opens no endpoint that takes something away.
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
		return nil, fmt.Errorf("a request to %q of class %s is not what class %s allows", e.Endpoint, class, c.class)
	}
	return e, nil
}
