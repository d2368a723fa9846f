// Package wiring compares the requests of an operation with the endpoints that it declares.
package wiring

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// Mistake says why a request does not fit the endpoints of its operation, "" if it fits. A host would take such a request for one
// of a malicious module.
func Mistake(endpoints []*abi.Endpoint, req hostcall.Request) string {
	granted := ""
	for _, e := range endpoints {
		if e.Endpoint == req.Endpoint {
			return misfit(e, req)
		}
		granted += ", " + e.Endpoint
	}
	return "it sends " + req.Endpoint + ", which is not among its Endpoints: " + strings.TrimPrefix(granted, ", ")
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
		if (e.Query != nil || !strings.HasPrefix(e.Endpoint, "GET ")) && !contains(e.Query, q.Name) {
			return "it sends the query " + q.Name + ", which the Query of the endpoint " + e.Endpoint + " does not list"
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
