package wiring

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Codes of requests that are not passed to the host, which would treat them as an attack. The host cannot distinguish a
// malicious module from a caller who mistyped an id.
const (
	BadInput  abi.SendCode = "input"      // a value of the input cannot be sent
	BadAnswer abi.SendCode = "bad_answer" // a value of the service's cannot be sent
	BadWiring abi.SendCode = "wiring"     // the operation's code and its Endpoints do not agree
)

// Blame says where a value that cannot be sent comes from: a field of the input, or a response of the service. name is the
// blank or query name that it is for, and why says what is wrong with it.
func Blame(input jsonval.Value, service, name, value string, why error) *abi.SendError {
	for field, v := range input.Members() {
		if v.Str() == value {
			return &abi.SendError{Code: BadInput, Message: field + ": " + jsonval.Quote(texts.Shorten(value)) + " cannot be sent: " + why.Error()}
		}
	}
	if strings.Contains(input.Raw(), jsonval.Quote(value)) { // nested, or part of a value
		return &abi.SendError{Code: BadInput, Message: jsonval.Quote(texts.Shorten(value)) + " cannot be sent: " + why.Error()}
	}
	return &abi.SendError{Code: BadAnswer, Message: service + " returned " + jsonval.Quote(texts.Shorten(value)) + " for " + name + ": " + why.Error()}
}
