package attacks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/declared"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
)

// requestAttacks are requests that a host must refuse or escape.
func requestAttacks() []kit.Attack {
	var all []kit.Attack
	for _, c := range append(declared.Requests(), []declared.Request{
		{"a slash in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"a/b?c#d"}}`, ""},
		{"dots in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":".."}}`, ""},
		{"a dot in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"."}}`, ""},
		{"a path step in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"../crates"}}`, ""},
		{"a path step with a backslash", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"..\\crates"}}`, ""},
		{"an escaped path step", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"%2e%2e"}}`, ""},
		{"a path step escaped twice", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"%252e%252e"}}`, ""},
		{"a line break in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x\r\nX-Evil: 1"}}`, ""},
		{"a NUL in a blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x\u0000y"}}`, ""},
		{"a path step with a parameter", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"..;x=1"}}`, ""},
		{"a path step escaped ten times", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"%` + strings.Repeat("25", 9) + `2e%` + strings.Repeat("25", 9) + `2e"}}`, ""},
		{"a blank of a link that is not text", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","link":"/svc/v1/items/%ff"}`, ""},
		{"an empty blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":""}}`, ""},
		{"a blank of 100 KB", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"` + strings.Repeat("x", 100_000) + `"}}`, ""},
		{"a surplus blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x","y":"z"}}`, ""},
		{"a missing blank", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}"}`, ""},
		{"a blank that is not text", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":{"x":1}}}`, ""},

		{"an endpoint of another operation", "endpoint grants", "read", `{"endpoint":"POST /svc/v1/items","body":{}}`, ""},
		{"an endpoint of no operation", "endpoint grants", "read", `{"endpoint":"GET /svc/v1/crates"}`, ""},
		{"a URL for an endpoint", "endpoint grants", "read", `{"endpoint":"GET https://evil.example/svc/v1/items/{id}","path":{"id":"x"}}`, ""},
		{"an endpoint with its blank filled", "endpoint grants", "read", `{"endpoint":"GET /svc/v1/items/it01"}`, ""},
		{"an endpoint in another case", "endpoint grants", "read", `{"endpoint":"get /svc/v1/items/{id}","path":{"id":"x"}}`, ""},
		{"an endpoint with an additional space", "endpoint grants", "read", `{"endpoint":"GET  /svc/v1/feed"}`, ""},
		{"an endpoint of 1 MB", "endpoint grants", "read", `{"endpoint":"GET /` + strings.Repeat("a", 500_000) + `"}`, ""},

		{"a line break in a query", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["q","x\r\ny"]]}`, ""},
		{"a query in a query's name", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["a=b&c","x"]]}`, ""},
		{"a query in a query's value", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["q","x&limit=1#f"]]}`, "GET /svc/v1/feed?q=x%26limit%3D1%23f"},
		{"a query with a name of 1 KB", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["` + strings.Repeat("x", 1000) + `","x"]]}`, ""},
		{"a query of a link that is not text", "queries", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?q=%ff"}`, ""},
		{"an escaped line break in the query of a link", "queries", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?q=x%0d%0ay"}`, ""},
		{"a query of 100 KB", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["q","` + strings.Repeat("x", 100_000) + `"]]}`, ""},
		{"a query that a write does not declare", "queries", "write", `{"endpoint":"POST /svc/v1/items","query":[["_method","DELETE"]],"body":{}}`, ""},
		{"a query without a name", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["","x"]]}`, ""},

		{"a link to another origin", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"https://evil.example/svc/v1/feed?after=1"}`, "GET /svc/v1/feed?after=1"},
		{"a link to another port", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"http://127.0.0.1:1/svc/v1/feed?after=1"}`, "GET /svc/v1/feed?after=1"},
		{"a link to another path", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/crates"}`, ""},
		{"a link to a path below", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed/x"}`, ""},
		{"a link with path steps", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed/../crates"}`, ""},
		{"a link with escaped path steps", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/x/%2e%2e/feed"}`, ""},
		{"a link with a user", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"https://u:p@x/svc/v1/feed"}`, ""},
		{"a link with a fragment", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed#x"}`, ""},
		{"a link to a file", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"file:///etc/passwd"}`, ""},
		{"a link of another scheme", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"ftp://x/svc/v1/feed"}`, ""},
		{"a link whose host has 100 KB", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"https://` + strings.Repeat("x", 100_000) + `/svc/v1/feed"}`, ""},
		{"a link whose query has a semicolon", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?a=1;b=2"}`, ""},
		{"a link whose query is not escaped properly", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?a=%zz"}`, ""},
		{"a link without a slash", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"svc/v1/feed"}`, ""},
		{"a link with a line break", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?x=\r\nHost: evil"}`, ""},
		{"a link of 100 KB", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?x=` + strings.Repeat("x", 100_000) + `"}`, ""},
		{"a link and a query", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?a=1","query":[["b","2"]]}`, ""},
		{"a link for a write", "links", "write", `{"endpoint":"POST /svc/v1/items","link":"/svc/v1/items","body":{}}`, ""},

		{"a Host header", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Host":"evil.example"}}`, ""},
		{"a Cookie header", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Cookie":"sid=1"}}`, ""},
		{"a header that overrides the method", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"X-HTTP-Method-Override":"DELETE"}}`, ""},
		{"a Transfer-Encoding header", "headers", "write", `{"endpoint":"POST /svc/v1/items","body":{},"headers":{"Transfer-Encoding":"chunked"}}`, ""},
		{"a Content-Length header", "headers", "write", `{"endpoint":"POST /svc/v1/items","body":{},"headers":{"Content-Length":"1"}}`, ""},
		{"a line break in a header", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Accept":"x\r\ny: z"}}`, ""},
		{"a line break in a header's name", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Accept: x\r\nY":"z"}}`, ""},

		{"a header that is not ASCII", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Accept":"application/jsön"}}`, ""},
		{"a header of 100 KB", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Accept":"` + strings.Repeat("x", 100_000) + `"}}`, ""},
		{"a header in two spellings", "headers", "read", `{"endpoint":"GET /svc/v1/feed","headers":{"Accept":"a/b","accept":"c/d"}}`, ""},
		{"a body of another type", "headers", "write", `{"endpoint":"POST /svc/v1/items","body":{},"headers":{"Content-Type":"text/html"}}`, ""},
		{"a body in another character set", "headers", "write", `{"endpoint":"POST /svc/v1/items","body":{},"headers":{"Content-Type":"application/json; charset=utf"}}`, ""},

		{"a body on a DELETE", "bodies", "raised", `{"endpoint":"DELETE /svc/v1/items/{id}","path":{"id":"x"},"body":{}}`, ""},
		{"a body on a GET", "bodies", "read", `{"endpoint":"GET /svc/v1/feed","body":{}}`, ""},
		{"a body that is not JSON", "bodies", "write", `{"endpoint":"POST /svc/v1/items","body":{a:1}}`, ""},
		{"an unknown field", "requests", "read", `{"endpoint":"GET /svc/v1/feed","url":"https://evil.example"}`, ""},
		{"a request that is text", "requests", "read", `"GET /svc/v1/feed"`, ""},
		{"a request 20,000 levels deep", "requests", "write", `{"endpoint":"POST /svc/v1/items","body":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ""},
	}...) {
		all = append(all, kit.Attack{Family: "requests", Name: c.Name, Wall: c.Wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.Run(c.Op, kit.Send(c.Request))
			if err != nil {
				return err
			}
			if c.URI != "" {
				return errors.Join(res.Succeeded(), res.Saw(c.URI))
			}
			// The module and the caller must learn of it: a denied or malformed request makes the call fail.
			reported := res.Outcome == abi.Failed || strings.Contains(res.Text(0), `"error"`)
			if !reported {
				return fmt.Errorf("neither the module nor the caller got an error: %s", kit.Short(string(res.JSON)))
			}
			return errors.Join(res.Saw(), r.Serves())
		}})
	}
	return all
}
