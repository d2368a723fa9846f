// Package openapi checks requests and responses with Okta's OpenAPI document. It is an independent judge of what the
// connector sends and of what the simulated org responds.
//
// The document comes with Okta's client, github.com/okta/okta-sdk-golang/v6, in the module cache. Where it is
// provably wrong about Okta, [waivers] says so, one line each.
package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Judge checks exchanges with Okta's document. It is safe for concurrent use.
type Judge struct {
	document  *document
	templates []template // sorted, the more literal first

	mu     sync.Mutex
	loaded map[string]*openapi3.T // by path template
}

type template struct {
	path     string
	segments []string
}

var load = sync.OnceValues(func() (*Judge, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	d, err := readDocument(f)
	if err != nil {
		return nil, err
	}
	return newJudge(d), nil
})

// open opens Okta's document once per process.
var open = sync.OnceValues(func() (*os.File, error) {
	path, err := File()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
})

// Open opens Okta's document for a later Load. A process that confines itself cannot open it afterwards.
func Open() error {
	_, err := open()
	return err
}

// Load reads Okta's document once per process. Paths are parsed when first used, which takes some milliseconds each.
func Load() (*Judge, error) { return load() }

func newJudge(d *document) *Judge {
	j := &Judge{document: d, loaded: map[string]*openapi3.T{}}
	for path := range d.paths {
		j.templates = append(j.templates, template{path, strings.Split(path, "/")})
	}
	slices.SortFunc(j.templates, func(a, b template) int {
		return strings.Compare(literalFirst(a.path), literalFirst(b.path))
	})
	return j
}

// literalFirst makes blanks sort after literal text.
func literalFirst(path string) string { return strings.ReplaceAll(path, "{", "\x7f") }

// Check checks a request and its response. The error joins all violations.
func (j *Judge) Check(req *http.Request, reqBody []byte, status int, header http.Header, respBody []byte) error {
	return errors.Join(j.CheckRequest(req, reqBody), j.CheckAnswer(req, status, header, respBody))
}

// CheckRequest checks a request: path, method, the names and types of query parameters, and body.
func (j *Judge) CheckRequest(req *http.Request, body []byte) error {
	if excepted(req) {
		return nil
	}
	input, err := j.input(req, body)
	if err != nil {
		return err
	}
	var found []error
	for name := range req.URL.Query() {
		if !documentedQuery(input.Route, name) {
			found = append(found, fmt.Errorf("query parameter %q is not documented", name))
		}
	}
	found = append(found, violations(input.Route, openapi3filter.ValidateRequest(context.Background(), input))...)
	return describe("request", req, found)
}

// CheckAnswer checks a response: status, content type and body. A refusal that Okta is known to make and that the document
// lacks is checked with the Error schema.
func (j *Judge) CheckAnswer(req *http.Request, status int, header http.Header, body []byte) error {
	if excepted(req) {
		return nil
	}
	input, err := j.input(req, nil)
	if err != nil {
		return err
	}
	op := input.Route.Operation
	if op.Responses.Status(status) == nil {
		if undocumented := undocumentedAnswer(input.Route, status); undocumented != nil {
			op.Responses = openapi3.NewResponses(openapi3.WithStatus(status, undocumented))
		}
	}
	err = openapi3filter.ValidateResponse(context.Background(), (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header, Options: input.Options,
	}).SetBodyBytes(body))
	return describe(fmt.Sprintf("response %d", status), req, violations(input.Route, err))
}

// input finds the route of a request, in a copy that may be changed.
func (j *Judge) input(req *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	path, blanks, ok := j.match(req.URL)
	if !ok {
		return nil, fmt.Errorf("%s %s: the document does not have this path", req.Method, req.URL.EscapedPath())
	}
	doc, err := j.spec(path)
	if err != nil {
		return nil, err
	}
	item := doc.Paths.Value(path)
	documented := item.GetOperation(req.Method)
	if documented == nil {
		return nil, fmt.Errorf("%s %s: the document does not have this method for %s", req.Method, req.URL.EscapedPath(), path)
	}
	op := *documented
	op.Security = openapi3.NewSecurityRequirements() // the judge does not check permissions
	r := req.Clone(context.Background())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	return &openapi3filter.RequestValidationInput{
		Request:    r,
		PathParams: blanks,
		Route:      &routers.Route{Spec: doc, Path: path, PathItem: item, Method: req.Method, Operation: &op},
		Options: &openapi3filter.Options{
			MultiError: true, IncludeResponseStatus: true, SkipSettingDefaults: true,
			RejectWhenRequestBodyNotSpecified: true,
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
		},
	}, nil
}

// match finds the template of a URL's path, and the values of its blanks.
func (j *Judge) match(u *url.URL) (path string, blanks map[string]string, ok bool) {
	segments := strings.Split(u.EscapedPath(), "/")
	for _, t := range j.templates {
		if blanks, ok := t.match(segments); ok {
			return t.path, blanks, true
		}
	}
	return "", nil, false
}

func (t template) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(t.segments) {
		return nil, false
	}
	blanks := map[string]string{}
	for i, want := range t.segments {
		if name, ok := strings.CutPrefix(want, "{"); ok && strings.HasSuffix(name, "}") {
			value, err := url.PathUnescape(segments[i])
			if err != nil || value == "" {
				return nil, false
			}
			blanks[strings.TrimSuffix(name, "}")] = value
		} else if want != segments[i] {
			return nil, false
		}
	}
	return blanks, true
}

// Scopes returns the OAuth scopes of an endpoint, such as "GET /api/v1/users/{id}". A token needs one of them. The names of
// the blanks do not matter.
func (j *Judge) Scopes(endpoint string) (scopes []string, err error) {
	method, path, _ := strings.Cut(endpoint, " ")
	path, _, ok := j.match(&url.URL{Path: blank.ReplaceAllString(path, "x")})
	if ok {
		doc, err := j.spec(path)
		if err != nil {
			return nil, err
		}
		if op := doc.Paths.Value(path).GetOperation(method); op != nil {
			if op.Security != nil {
				for _, one := range *op.Security {
					scopes = append(scopes, one["oauth2"]...)
				}
			}
			return scopes, nil
		}
	}
	return nil, fmt.Errorf("the document has no %s", endpoint)
}

var blank = regexp.MustCompile(`\{[^{}]+\}`)

func (j *Judge) spec(path string) (*openapi3.T, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if doc := j.loaded[path]; doc != nil {
		return doc, nil
	}
	doc, err := j.document.load(path)
	if err == nil {
		j.loaded[path] = doc
	}
	return doc, err
}

func documentedQuery(route *routers.Route, name string) bool {
	return slices.ContainsFunc(slices.Concat(route.PathItem.Parameters, route.Operation.Parameters), func(p *openapi3.ParameterRef) bool {
		return p.Value != nil && p.Value.In == openapi3.ParameterInQuery && p.Value.Name == name
	})
}

// undocumentedAnswer returns the expected form of a response whose status the document lacks, or nil if there is
// none.
func undocumentedAnswer(route *routers.Route, status int) *openapi3.ResponseRef {
	for _, w := range waivedStatuses {
		if w.endpoint == route.Method+" "+route.Path && w.status == status {
			if w.as != 0 {
				return route.Operation.Responses.Status(w.as)
			}
			return &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription(w.reason)}
		}
	}
	if !refusals(status) {
		return nil
	}
	return errorResponse(route.Spec)
}

// errorResponse returns a response with Okta's Error object.
func errorResponse(doc *openapi3.T) *openapi3.ResponseRef {
	schema := openapi3.NewSchemaRef("", doc.Components.Schemas["Error"].Value)
	return &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("refused").WithJSONSchemaRef(schema)}
}

func describe(what string, req *http.Request, found []error) error {
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%s of %s %s: %w", what, req.Method, req.URL.RequestURI(), errors.Join(found...))
}
