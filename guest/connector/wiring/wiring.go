// Package wiring compares the requests of an operation with the endpoints that it declares.
package wiring

import (
	"errors"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Sends are the query parameters that a literal of an operation sends to an endpoint, in addition to the endpoint's Query.
type Sends struct {
	Endpoint string
	Names    []string // empty names do not count
}

// Names returns the names of the query parameters that carry fields of an input.
func Names(params []struct{ Input, Query string }) (names []string) {
	for _, p := range params {
		names = append(names, p.Query)
	}
	return names
}

// Declared returns the endpoints of an operation. Their Query includes what the operation's literal sends.
func Declared(endpoints []*abi.Endpoint, s Sends) (all []*abi.Endpoint) {
	for _, e := range endpoints {
		all = append(all, with(e, s))
	}
	return all
}

// with returns e. Its Query includes what a literal sends to it.
func with(e *abi.Endpoint, s Sends) *abi.Endpoint {
	if e.Endpoint != s.Endpoint {
		return e
	}
	more := *e
	more.Query = more.Query[:len(more.Query):len(more.Query)]
	for _, name := range s.Names {
		if name != "" && !contains(more.Query, name) {
			more.Query = append(more.Query, name)
		}
	}
	return &more
}

// Mistake returns the endpoint of a request. Its Query includes what the operation's literal sends. If the request does not fit
// the endpoints of its operation, mistake says why. A host would take such a request for one of a malicious module.
func Mistake(endpoints []*abi.Endpoint, s Sends, req hostcall.Request) (e *abi.Endpoint, mistake string) {
	granted := ""
	for _, e := range endpoints {
		if e.Endpoint == req.Endpoint {
			e = with(e, s)
			return e, misfit(e, req)
		}
		granted += ", " + e.Endpoint
	}
	return nil, "it sends " + req.Endpoint + ", which is not among its Endpoints: " + strings.TrimPrefix(granted, ", ")
}

// Refused returns a value of a request that a host refuses, what the value is for, and the reason. err is nil if there is none.
func Refused(e *abi.Endpoint, req hostcall.Request) (name, value string, err error) {
	for _, p := range req.Path {
		if err := abi.CheckBlank(p.Value, e.Divides(p.Name)); err != nil {
			return p.Name, p.Value, err
		}
	}
	for _, h := range req.Headers {
		if h.Name == "If-Match" && !abi.EntityTag(h.Value) {
			return h.Name, h.Value, errEntityTag
		}
	}
	size := 0
	for _, q := range req.Query {
		if err := abi.CheckQuery(q.Value); err != nil {
			return q.Name, q.Value, err
		}
		if size += len(q.Name) + len(texts.EscapeQuery(q.Value)) + 2; size > abi.MaxQuery {
			return q.Name, q.Value, errLongQuery
		}
	}
	return "", "", nil
}

var (
	errLongQuery = errors.New("the query is longer than servers accept")
	errEntityTag = errors.New("it is not an entity tag")
)

// Undeclared returns the first name that is not in the endpoint's Query, "" if there is none.
func Undeclared(e *abi.Endpoint, names []string) string {
	for _, name := range names {
		if !contains(e.Query, name) {
			return name
		}
	}
	return ""
}

// misfit compares a request with its endpoint.
func misfit(e *abi.Endpoint, req hostcall.Request) string {
	if req.Link != "" {
		return ""
	}
	_, template, _ := strings.Cut(e.Endpoint, " ")
	blanks := 0
	for _, segment := range strings.Split(template, "/") {
		name, blank := abi.Blank(segment)
		if !blank {
			continue
		}
		if blanks++; !has(req.Path, name) {
			given := ""
			for _, p := range req.Path {
				given += " " + p.Name
			}
			return "nothing fills {" + name + "} of " + e.Endpoint + ": its path has" + given
		}
	}
	if blanks < len(req.Path) {
		return "its path for " + e.Endpoint + " has more names than blanks"
	}
	for _, q := range req.Query {
		if !contains(e.Query, q.Name) {
			return "it sends the query " + q.Name + ", which the Query of the endpoint " + e.Endpoint + " does not list"
		}
	}
	for _, h := range req.Headers {
		if _, declared := e.Header(h.Name); !declared {
			return "it sends the header " + h.Name + ", which the Headers of the endpoint " + e.Endpoint + " do not list"
		}
	}
	return ""
}

func has(path []hostcall.Pair, name string) bool {
	for _, p := range path {
		if p.Name == name {
			return true
		}
	}
	return false
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
