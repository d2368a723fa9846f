// Package guard checks a request by reads of the host, before it is sent.
package guard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// Call is the call that a request belongs to.
type Call struct {
	Class     abi.Class                      // its effective class
	Target    func() (string, error)         // checks the guarded request: nothing is sent for one that is malformed
	ErrorCode string                         // path of the code in the service's errors; "" if it is unknown
	Send      func(abi.Request) abi.Response // sends a read
	Body      func(handle uint64) []byte
}

// Pass makes the reads of the guards of a request to e. If one shows that the request is of another class than the call,
// or fails, Pass returns the response for the module, and the request must not be sent. It returns an error too if the
// request does not say clearly which objects it names.
func (c Call) Pass(e *abi.Endpoint, req *abi.Request) (*abi.Response, error) {
	for _, g := range e.Guards {
		if g.Class == c.Class {
			continue // the request is allowed whatever the guard shows
		}
		if _, err := c.Target(); err != nil {
			return nil, nil // egress refuses it, and says why
		}
		reads, err := Reads(e, g, req)
		if err != nil {
			return &abi.Response{Error: &abi.SendError{Code: abi.SendDenied, Message: err.Error()}}, err
		}
		for _, read := range reads {
			out := c.Send(read)
			if out.Error != nil {
				out.Error.Sent = false // the guarded request was not sent
				return &out, nil
			}
			if !Holds(g, out, c.Body(out.Body), c.ErrorCode) {
				out.Guard = read.Path
				out.Error = &abi.SendError{Code: abi.SendGuarded, Message: fmt.Sprintf("%s was not sent: by the response to %s (%d), it is of class %s, and the call is of class %s",
					e.Endpoint, g.Read, out.Status, g.Class, c.Class)}
				return &out, nil
			}
		}
	}
	return nil, nil
}

// Reads returns the requests that the host sends for a guard of a request to e. It returns an error if the request
// does not say clearly which objects it names.
func Reads(e *abi.Endpoint, g abi.Guard, req *abi.Request) ([]abi.Request, error) {
	path := map[string]string{}
	for segment := range strings.SplitSeq(g.Read, "/") {
		if name, blank := abi.Blank(segment); blank && name != g.Blank {
			path[name] = req.Path[name]
		}
	}
	if g.Each == "" {
		return []abi.Request{{Endpoint: g.Read, Path: path, Sign: true}}, nil
	}
	values, err := each(e, g.Each, req.Body)
	if err != nil {
		return nil, err
	}
	var reads []abi.Request
	for _, v := range values {
		filled := map[string]string{g.Blank: v}
		for name, value := range path {
			filled[name] = value
		}
		reads = append(reads, abi.Request{Endpoint: g.Read, Path: filled, Sign: true})
	}
	return reads, nil
}

// plain are the characters of an id in a body. A service could read any other character as none: a space, for example.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// each returns the different strings of a top-level member of a body. It returns nil if the body does not have the
// member.
func each(e *abi.Endpoint, member string, body json.RawMessage) ([]string, error) {
	if len(body) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, fmt.Errorf("the body for %q is not an object, and a guard reads its member %s", e.Endpoint, member)
	}
	if key, twice := strictjson.DuplicateKey(body); twice {
		return nil, fmt.Errorf("the body for %q has %q twice, and a guard reads its member %s", e.Endpoint, excerpt.Of(key), member)
	}
	for name := range members { // a service may be less strict about names
		if name != member && strings.EqualFold(name, member) {
			return nil, fmt.Errorf("the body for %q spells %s as %q", e.Endpoint, member, excerpt.Of(name))
		}
	}
	raw, ok := members[member]
	if !ok {
		return nil, nil
	}
	var elements []*string
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		elements = []*string{one}
	} else if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, fmt.Errorf("the body for %q: a guard reads %s, which is not a string or an array of strings", e.Endpoint, member)
	}
	var values []string
	for _, v := range elements {
		if v == nil || *v == "" || strings.Trim(*v, plain) != "" {
			return nil, fmt.Errorf("the body for %q: a guard reads %s, which has an element that is not an id of letters, digits and -._", e.Endpoint, member)
		}
		if !slices.Contains(values, *v) {
			values = append(values, *v)
		}
	}
	return values, nil
}

// Holds reports whether a guard holds by the response to its read. errorCode is the path of the code in the service's
// errors, or "" if it is unknown.
func Holds(g abi.Guard, resp abi.Response, body []byte, errorCode string) bool {
	if g.Kind != abi.GuardEmpty || resp.Error != nil {
		return false
	}
	if resp.Status != http.StatusOK { // the error of a proxy says nothing about the service
		return !refuses(resp.Status) && slices.Contains(g.Statuses, resp.Status) && (errorCode == "" || gjson.ValidBytes(body) && gjson.GetBytes(body, errorCode).String() != "")
	}
	for _, link := range resp.Headers["link"] {
		if strings.Contains(strings.ToLower(link), "next") { // more may follow an empty page
			return false
		}
	}
	if len(body) == 0 || !gjson.ValidBytes(body) {
		return false
	}
	at := gjson.ParseBytes(body)
	if g.Path != "" {
		if _, twice := strictjson.DuplicateKey(body); twice || !at.IsObject() {
			return false
		}
		at = at.Get(g.Path)
	}
	empty := true
	at.ForEach(func(_, _ gjson.Result) bool { empty = false; return false })
	return !at.Exists() || at.Type == gjson.Null || at.IsArray() && empty
}

// refuses reports whether a status says that the credential may not read. Such a guard never holds, whatever the manifest
// declares: an OAuth token, for example, may have the scope to write and not the one to read.
func refuses(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// Known returns an error if a manifest has a guard of a kind that this host does not know. Its requests would be sent
// without the check that their class depends on.
func Known(m *abi.Manifest) error {
	for i := range m.Operations {
		for _, e := range m.Operations[i].Endpoints {
			for _, g := range e.Guards {
				if g.Kind != abi.GuardEmpty {
					return fmt.Errorf("manifest: operation %q: %s has a guard of kind %q, which this host does not know: run the module with a newer host",
						m.Operations[i].Name, e.Endpoint, g.Kind)
				}
			}
		}
	}
	return nil
}
