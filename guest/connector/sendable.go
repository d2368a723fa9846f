package connector

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/wiring"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Unsendable says why a request cannot be sent. The host refuses a value of its path or query (abi/README.md,
// "http_send"), or a next link is of another endpoint. It returns nil if it can be sent.
func (c *Call) Unsendable(req hostcall.Request) *abi.SendError {
	endpoint, mistake := wiring.Mistake(c.Operation.Endpoints, c.Operation.sends(c.Service), req)
	if mistake != "" {
		return &abi.SendError{Code: wiring.BadWiring, Message: "a mistake in the connector: in " + c.Operation.Name + ", " + mistake}
	}
	if name, value, err := wiring.Refused(endpoint, req); err != nil {
		return wiring.Blame(c.Input, c.Service.Name, name, value, err)
	}
	if req.Link != "" && !links.LinkFits(req.Endpoint, req.Link, endpoint.Delimiters...) {
		return &abi.SendError{Code: wiring.BadAnswer, Message: "the next page's link does not lead to " + req.Endpoint + ": " + texts.Shorten(req.Link)}
	}
	if name := wiring.Undeclared(endpoint, links.QueryNames(req.Link)); name != "" {
		return &abi.SendError{Code: wiring.BadAnswer, Message: "the next page's link has the query parameter " + jsonval.Quote(texts.Shorten(name)) + ", which " + req.Endpoint + " does not declare (its Query, or Service.LinkParams): use a newer version of the connector"}
	}
	return nil
}
