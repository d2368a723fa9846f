// Package declared has requests with what their endpoints do not declare.
package declared

import (
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// Request is a request that a host must refuse before anything is sent, or send as URI.
//
// It is an alias of an unnamed type, so that tables can omit field names.
type Request = struct{ Name, Wall, Op, Request, URI string }

// Requests returns the requests, for operations of the kit's manifest.
func Requests() (all []Request) {
	user := func(id string) string {
		return fmt.Sprintf(`{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"%s"}}`, id)
	}
	for name, id := range map[string]string{
		"an escaped slash in a blank":             "it01%2Fcondition",
		"a slash escaped twice in a blank":        "it01%252fcondition",
		"a question mark in a blank":              "it01?_method=DELETE",
		"an escaped question mark in a blank":     "it01%3f_method=DELETE",
		"a number sign in a blank":                "it01#x",
		"a parameter of a path in a blank":        "it01;x=y",
		"a wide slash in a blank":                 "it01\uff0fcondition",
		"an escaped wide slash in a blank":        "it01%ef%bc%8fcondition",
		"a wide path step in a blank":             "\uff0e\uff0e",
		"a path step of a two-dot leader":         "\u2025",
		"a blank of spaces":                       "  ",
		"a path step with a wide backslash":       "..\uff3ccrates",
		"a slash after an escape that is invalid": "it01%zz%2fcondition",
	} {
		all = append(all, Request{name, "blanks", "read", user(id), ""})
	}
	file := func(path string) string {
		return fmt.Sprintf(`{"endpoint":"GET /svc/v1/files/{path}/{id}","path":{"path":"%s","id":"x"}}`, path)
	}
	write := func(more string) string { return `{"endpoint":"POST /svc/v1/items","body":{}` + more + `}` }
	put := func(tag string) string {
		return `{"endpoint":"PUT /svc/v1/items/{id}","path":{"id":"x"},"body":{},"headers":{"If-Match":"` + tag + `"}}`
	}
	logs := func(more string) string { return `{"endpoint":"GET /svc/v1/feed"` + more + `}` }
	return append(all, []Request{
		{"a slash in a declared blank", "blanks", "read", file("a/b?c#d;e"), "GET /svc/v1/files/a%2Fb%3Fc%23d%3Be/x"},
		{"a path step in a declared blank", "blanks", "read", file("a/../b"), ""},
		{"an escaped path step in a declared blank", "blanks", "read", file("a%2f%2e%2e%2fb"), ""},
		{"a path step with a parameter in a declared blank", "blanks", "read", file("..;x=1"), ""},
		{"a slash in another blank of an endpoint", "blanks", "read", `{"endpoint":"GET /svc/v1/files/{path}/{id}","path":{"path":"x","id":"a/b"}}`, ""},
		{"a slash in a blank of a link", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","link":"/svc/v1/items/it01%2Fcondition"}`, ""},
		{"a slash escaped twice in a blank of a link", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","link":"/svc/v1/items/it01%252Fcondition"}`, ""},
		{"a slash in a blank of a write", "blanks", "lowered", `{"endpoint":"POST /svc/v1/items/{id}","path":{"id":"it01/condition/relinquish"}}`, ""},

		{"a query that a read does not declare", "queries", "read", logs(`,"query":[["expand","secrets"]]`), ""},
		{"a query of a read that declares none", "queries", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x"},"query":[["q","x"]]}`, ""},
		{"a query that overrides the method of a read", "queries", "read", logs(`,"query":[["_method","DELETE"]]`), ""},
		{"a query in another case", "queries", "read", logs(`,"query":[["Q","x"]]`), ""},
		{"a query of a link that the endpoint does not declare", "queries", "read", logs(`,"link":"/svc/v1/feed?after=1&expand=secrets"`), ""},
		{"a query of a link that overrides the method", "queries", "read", logs(`,"link":"/svc/v1/feed?after=1&_method=DELETE"`), ""},
		{"an escaped query of a link", "queries", "read", logs(`,"link":"/svc/v1/feed?%5fmethod=DELETE"`), ""},
		{"a query of a link to an endpoint that declares none", "queries", "read", `{"endpoint":"GET /svc/v1/items/{id}","link":"/svc/v1/items/x?q=1"}`, ""},

		{"a Prefer header", "headers", "write", write(`,"headers":{"Prefer":"respond-async"}`), ""},
		{"an If-Match header", "headers", "write", write(`,"headers":{"If-Match":"*"}`), ""},
		{"an If-Match that nothing but a tag may be", "headers", "write", put(`*`), ""},
		{"an If-Match of 100 KB", "headers", "write", put(`\"` + strings.Repeat("x", 100_000) + `\"`), ""},
		{"an If-Match in two spellings", "headers", "write", strings.Replace(put(`\"1\"`), `"If-Match"`, `"if-match":"\"2\"","If-Match"`, 1), ""},
		{"an Accept of anything", "headers", "read", logs(`,"headers":{"Accept":"*/*"}`), ""},
	}...)
}

// Manifests returns changes of the kit's manifest that make a host refuse it: declarations that would open a wall.
func Manifests() map[string]func(m *abi.Manifest) {
	logs := func(change func(e *abi.Endpoint)) func(m *abi.Manifest) {
		return func(m *abi.Manifest) { change(&m.Operations[0].Endpoints[1]) }
	}
	header := func(h ...abi.RequestHeader) func(m *abi.Manifest) {
		return logs(func(e *abi.Endpoint) { e.Headers = h })
	}
	return map[string]func(m *abi.Manifest){
		"a query that overrides the method":  logs(func(e *abi.Endpoint) { e.Query = []string{"_method"} }),
		"a query of two names":               logs(func(e *abi.Endpoint) { e.Query = []string{"a&b"} }),
		"a query with an escaped name":       logs(func(e *abi.Endpoint) { e.Query = []string{"%5fmethod"} }),
		"a header that says the host":        header(abi.RequestHeader{Name: "Host", Values: []string{"evil.example"}}),
		"a header that overrides the method": header(abi.RequestHeader{Name: "X-Http-Method-Override", Values: []string{"DELETE"}}),
		"a content type of an endpoint":      header(abi.RequestHeader{Name: "Content-Type", Values: []string{"text/html"}}),
		"a Prefer of any value":              header(abi.RequestHeader{Name: "Prefer"}),
		"a header with a line break":         header(abi.RequestHeader{Name: "Prefer", Values: []string{"a\r\nX: y"}}),
		"a read that reveals a secret": func(m *abi.Manifest) {
			m.Operations[0].Endpoints[2].Reveals = []string{"secret"}
		},
		"a write that reveals what is not sensitive": func(m *abi.Manifest) {
			m.Operations[1].Endpoints[1].Reveals = []string{"secret"}
		},
		"delimiters for a blank of another one": logs(func(e *abi.Endpoint) { e.Delimiters = []string{"id"} }),
	}
}
