package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// read requests one object and looks into it. gone means that the object itself is missing; typ and noun name it, as in
// failure.
func (c *call) read(req hostcall.Request, typ, noun string) (v jsonval.Value, gone bool, failed *result) {
	resp := c.send(req)
	if !ok(resp) {
		r := c.failure(resp, typ, noun)
		return v, r.outcome == abi.NotFound, &r
	}
	v, isJSON := c.Body(resp)
	if !isJSON || v.Kind() != jsonval.Object {
		r := badBody(resp, "no "+noun)
		return v, false, &r
	}
	return v, false, nil
}
