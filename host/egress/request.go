package egress

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// request is the part of a request that is the same in every attempt.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	memory Memory // counts the response body
	again  bool   // may be repeated like a GET
	sign   func(method string, address *url.URL) (Signature, error)

	authHeader string // see Service.AuthHeader
}

func (r *request) read() bool { return r.method == http.MethodGet || r.again }

// signed returns the header and the body of the next attempt.
func (r *request) signed() (http.Header, []byte, error) {
	if r.sign == nil {
		return r.header, r.body, nil
	}
	s, err := r.sign(r.method, r.url)
	if err != nil {
		return nil, nil, err
	}
	header, body := r.header.Clone(), r.body
	if s.Authorization != "" {
		header[r.authHeader] = []string{s.Authorization}
	}
	if s.Proof != "" {
		header["Dpop"] = []string{s.Proof}
	}
	if s.Form != nil {
		header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		body = s.Form
	}
	return header, body, nil
}

// build turns the guest's request into one to the origin, or returns what is wrong with it.
func (c *Client) build(call Call) (*request, error) {
	r := &call.Request
	if r.Endpoint != "" && r.Endpoint != call.Endpoint.Endpoint {
		return nil, errors.New("the request names an endpoint other than the granted one")
	}
	t, err := c.template(call.Endpoint)
	if err != nil {
		return nil, err
	}
	req := &request{method: call.Endpoint.Method(), memory: call.Memory, again: call.Repeatable, sign: call.Sign, authHeader: c.config.Service.AuthHeader}
	var path, rawQuery string
	names := r.Query
	switch {
	case r.Link == "":
		path, err = t.fill(r.Path, &call.Endpoint)
	case req.method != http.MethodGet:
		err = errors.New("a link is allowed only for a GET")
	case len(r.Path) > 0 || len(r.Query) > 0:
		err = errors.New("a link excludes path and query")
	default:
		path, names, err = t.link(r.Link, &call.Endpoint)
	}
	if err == nil {
		rawQuery, err = query(names)
	}
	if err == nil {
		err = c.queryNames(&call.Endpoint, names)
	}
	if err != nil {
		return nil, err
	}
	if req.url, err = c.join(path, rawQuery); err != nil {
		return nil, err
	}
	if req.header, err = c.headers(&call.Endpoint, r.Headers); err != nil {
		return nil, err
	}
	req.header["User-Agent"] = []string{c.config.UserAgent}
	req.header["Accept-Encoding"] = []string{"gzip"}
	if call.Authorization != "" {
		req.header[c.config.Service.AuthHeader] = []string{call.Authorization}
	}
	if len(r.Body) > 0 {
		if req.method == http.MethodGet || req.method == http.MethodDelete {
			return nil, errors.New("a " + req.method + " must have no body")
		}
		req.body = r.Body
		if req.header["Content-Type"] == nil {
			req.header["Content-Type"] = []string{"application/json"}
		}
	}
	return req, nil
}

// queryNames checks that the endpoint declares the names of a query. A GET of a module of minor version 0 may have any
// name that does not override the method.
func (c *Client) queryNames(e *abi.Endpoint, query [][2]string) error {
	any := c.config.Service.Minor0 && e.Query == nil && e.Method() == http.MethodGet
	for _, q := range query {
		if any && !abi.OverridesMethod(q[0]) || slices.Contains(e.Query, q[0]) {
			continue
		}
		return fmt.Errorf("%s does not declare the query parameter %q", e.Endpoint, printable(q[0]))
	}
	return nil
}

// join appends an escaped path and query to the origin, so that net/http writes exactly these.
func (c *Client) join(path, rawQuery string) (*url.URL, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, errors.New("the path is not escaped properly")
	}
	u := &url.URL{Scheme: c.config.BaseURL.Scheme, Host: c.config.BaseURL.Host, Path: plain, RawPath: path, RawQuery: rawQuery}
	if u.EscapedPath() != path {
		return nil, errors.New("the path changes when it is written")
	}
	return u, nil
}

// template returns the parsed path of an endpoint. Endpoints come from a manifest, so there are few.
func (c *Client) template(e abi.Endpoint) (template, error) {
	if t, ok := c.templates.Load(e.Endpoint); ok {
		return t.(template), nil
	}
	if err := e.Check(); err != nil {
		return template{}, err
	}
	t := parseTemplate(e.Template())
	c.templates.Store(e.Endpoint, t)
	return t, nil
}

const maxHeader = 4 << 10 // size of a header's value, in bytes

// headers checks the headers that a guest sets.
func (c *Client) headers(e *abi.Endpoint, given map[string]string) (http.Header, error) {
	h := make(http.Header, 8)
	h["Accept"] = []string{"application/json"}
	seen := make(map[string]bool, len(given))
	for name, value := range given {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !slices.Contains(abi.RequestHeaders(), canonical) && canonical != c.config.Service.AuthHeader:
			return nil, fmt.Errorf("header %q may not be set", printable(name))
		case seen[canonical]:
			return nil, fmt.Errorf("header %s is set twice", canonical)
		case len(value) > maxHeader:
			return nil, fmt.Errorf("header %s has more than %d bytes", canonical, maxHeader)
		case strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7e }):
			return nil, fmt.Errorf("header %s contains a character that is not printable ASCII", canonical)
		}
		seen[canonical] = true
		switch canonical {
		case c.config.Service.AuthHeader: // its value is in the Call
			continue
		case "Content-Type":
			if !isJSON(value, c.config.Service.ContentTypeParameters) {
				return nil, errors.New("header Content-Type must be application/json" + allowedParameters(c.config.Service.ContentTypeParameters))
			}
		default:
			if err := c.declared(e, canonical, value); err != nil {
				return nil, err
			}
		}
		h[canonical] = []string{value}
	}
	return h, nil
}

// declared checks that the endpoint declares a header with a value. A write of a module of minor version 0 may have any
// If-Match.
func (c *Client) declared(e *abi.Endpoint, name, value string) error {
	h, ok := e.Header(name)
	if c.config.Service.Minor0 && e.Headers == nil && name == "If-Match" && e.Method() != http.MethodGet {
		ok = true
	}
	switch {
	case slices.Contains(h.Values, value), name == "Accept" && isJSON(value, nil):
		return nil
	case !ok:
		return fmt.Errorf("%s does not declare the header %s", e.Endpoint, name)
	case name == "If-Match" && len(h.Values) == 0 && abi.EntityTag(value):
		return nil
	}
	return fmt.Errorf("%s does not declare the value %q of the header %s", e.Endpoint, printable(value), name)
}

// allowedParameters describes the parameters that a content type may have.
func allowedParameters(parameters []string) string {
	if len(parameters) == 0 {
		return " without parameters"
	}
	return ", with no parameters but " + strings.Join(parameters, ", ")
}

// isJSON reports whether a content type is application/json with no parameters but those that the manifest declares.
// Their values are words and commas: "application/json; profile=short,flat".
func isJSON(value string, declared []string) bool {
	kind, parameters, more := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return false
	}
	for more {
		var one string
		one, parameters, more = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(one), "=")
		if !slices.ContainsFunc(declared, func(d string) bool { return strings.EqualFold(d, name) }) || value == "" || strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,") != "" {
			return false
		}
	}
	return true
}
