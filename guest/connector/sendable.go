package connector

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/wiring"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Codes of requests that are not passed to the host, which would treat them as an attack. The host cannot distinguish a
// malicious module from a caller who mistyped an id.
const (
	unsendableInput  abi.SendCode = "input"      // a value of the input cannot be sent
	unsendableAnswer abi.SendCode = "bad_answer" // a value of the service's cannot be sent
	unsendableWiring abi.SendCode = "wiring"     // the operation's code and its Endpoints do not agree
)

// Unsendable says why a request cannot be sent. The host refuses a value of its path or query (abi/README.md,
// "http_send"), or a next link is of another endpoint. It returns nil if it can be sent.
func (c *Call) Unsendable(req hostcall.Request) *abi.SendError {
	endpoint, mistake := wiring.Mistake(c.Operation.Endpoints, c.Operation.sends(c.Service), req)
	if mistake != "" {
		return &abi.SendError{Code: unsendableWiring, Message: "a mistake in the connector: in " + c.Operation.Name + ", " + mistake}
	}
	if name, value, err := wiring.Refused(endpoint, req); err != nil {
		return c.blame(name, value, err)
	}
	if req.Link != "" && !links.LinkFits(req.Endpoint, req.Link, endpoint.Delimiters...) {
		return &abi.SendError{Code: unsendableAnswer, Message: "the next page's link does not lead to " + req.Endpoint + ": " + texts.Shorten(req.Link)}
	}
	if name := wiring.Undeclared(endpoint, links.QueryNames(req.Link)); name != "" {
		return &abi.SendError{Code: unsendableAnswer, Message: "the next page's link has the query parameter " + jsonval.Quote(texts.Shorten(name)) + ", which " + req.Endpoint + " does not declare (its Query, or Service.LinkParams): use a newer version of the connector"}
	}
	return nil
}

// blame says where a value comes from: a field of the input, or a response of the service.
func (c *Call) blame(name, value string, why error) *abi.SendError {
	for field, v := range c.Input.Members() {
		if v.Str() == value {
			return &abi.SendError{Code: unsendableInput, Message: field + ": " + jsonval.Quote(texts.Shorten(value)) + " cannot be sent: " + why.Error()}
		}
	}
	if strings.Contains(c.Input.Raw(), jsonval.Quote(value)) { // nested, or part of a value
		return &abi.SendError{Code: unsendableInput, Message: jsonval.Quote(texts.Shorten(value)) + " cannot be sent: " + why.Error()}
	}
	return &abi.SendError{Code: unsendableAnswer, Message: c.Service.Name + " returned " + jsonval.Quote(texts.Shorten(value)) + " for " + name + ": " + why.Error()}
}
