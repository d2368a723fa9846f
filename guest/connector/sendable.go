package connector

import (
	"errors"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Codes of requests that are not even handed to the host, which would take them for an attack: it cannot tell a module
// that means harm from a caller who mistyped an id.
const (
	unsendableInput  abi.SendCode = "input"      // what the caller gave cannot stand in a request
	unsendableAnswer abi.SendCode = "bad_answer" // nor can what the service gave
)

var errLongQuery = errors.New("the query is longer than a server takes")

// Unsendable is why a request cannot be sent: a value for its path or query that the host refuses (abi/README.md,
// "http_send"), or a next link that leads elsewhere. Nil is no reason.
func (c *Call) Unsendable(req hostcall.Request) *abi.SendError {
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

// blame says whose a value is: a field of the input's, or else of an answer of the service's.
func (c *Call) blame(name, value string, why error) *abi.SendError {
	for field, v := range c.Input.Members() {
		if v.Str() == value {
			return &abi.SendError{Code: unsendableInput, Message: field + ": " + jsonval.Quote(texts.Shorten(value)) + " cannot be asked for: " + why.Error()}
		}
	}
	if strings.Contains(c.Input.Raw(), jsonval.Quote(value)) { // deeper in, or a part
		return &abi.SendError{Code: unsendableInput, Message: jsonval.Quote(texts.Shorten(value)) + " cannot be asked for: " + why.Error()}
	}
	return &abi.SendError{Code: unsendableAnswer, Message: c.Service.Name + " gave " + jsonval.Quote(texts.Shorten(value)) + " for " + name + ": " + why.Error()}
}
