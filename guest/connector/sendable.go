package connector

import (
	"errors"
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

var errLongQuery = errors.New("the query is longer than servers accept")

// Unsendable says why a request cannot be sent. The host refuses a value of its path or query (abi/README.md,
// "http_send"), or a next link is of another endpoint. It returns nil if it can be sent.
func (c *Call) Unsendable(req hostcall.Request) *abi.SendError {
	if mistake := wiring.Mistake(c.Operation.Endpoints, req); mistake != "" {
		return &abi.SendError{Code: unsendableWiring, Message: "a mistake in the connector: in " + c.Operation.Name + ", " + mistake}
	}
	for _, p := range req.Path {
		if err := abi.CheckBlank(p.Value); err != nil {
			return c.blame(p.Name, p.Value, err)
		}
	}
	size := 0
	for _, q := range req.Query {
		if err := abi.CheckQuery(q.Value); err != nil {
			return c.blame(q.Name, q.Value, err)
		}
		if size += len(q.Name) + len(texts.EscapeQuery(q.Value)) + 2; size > abi.MaxQuery {
			return c.blame(q.Name, q.Value, errLongQuery)
		}
	}
	if req.Link != "" && !links.LinkFits(req.Endpoint, req.Link) {
		return &abi.SendError{Code: unsendableAnswer, Message: "the next page's link does not lead to " + req.Endpoint + ": " + texts.Shorten(req.Link)}
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
