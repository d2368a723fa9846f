package manifest

import (
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// Grant returns the endpoint of a request among those of the operation. It checks the request's class against the call's.
// A class bounds effects: with input of class write, no endpoint that is destructive is allowed.
func (op *Operation) Grant(req *abi.Request, call abi.Class) (*abi.Endpoint, error) {
	e := op.Granted[req.Endpoint]
	if e == nil {
		return nil, fmt.Errorf("endpoint %q is not granted to %s", excerpt.Of(req.Endpoint), op.Name)
	}
	class, err := op.RequestClass(e, req.Body)
	if class == abi.ClassOfInput {
		class = call
	}
	switch {
	case err != nil:
		return nil, err
	case class != abi.Read && class != call || !call.Allows(e.Method()):
		return nil, fmt.Errorf("a request to %q is of class %s, and the call is of class %s", e.Endpoint, class, call)
	}
	return e, nil
}
