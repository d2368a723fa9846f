//go:build !wasip1

package abi

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what an endpoint declares about its requests.
const (
	maxQueryName   = 64 // bytes of a name in Endpoint.Query
	maxHeaderValue = 256
	maxHeaders     = 16 // values of a header
)

// checkDeclared returns an error if a host must not accept what the endpoint declares about the query, the headers and
// the blanks of its requests.
func (e Endpoint) checkDeclared() error {
	for i, q := range e.Query {
		switch {
		case q == "" || strings.Trim(q, plainName) != "" || len(q) > maxQueryName || i >= maxNames || slices.Contains(e.Query[:i], q):
			return fmt.Errorf("query %q is not a name, is listed twice, or is one of more than %d names", q, maxNames)
		case OverridesMethod(q):
			return fmt.Errorf("query %q must not be declared: servers read it as the request's method", q)
		}
	}
	for i, h := range e.Headers {
		if err := h.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(e.Headers[:i], func(b RequestHeader) bool { return b.Name == h.Name }) {
			return fmt.Errorf("header %s is listed twice", h.Name)
		}
	}
	if len(e.Sensitive) > maxNames {
		return fmt.Errorf("sensitive may have %d members, found %d", maxNames, len(e.Sensitive))
	}
	for _, p := range e.Reveals {
		if !slices.Contains(e.Sensitive, p) {
			return fmt.Errorf("reveals: %q is not in sensitive", p)
		}
	}
	if len(e.Reveals) > 0 && (e.Method() == "GET" || e.Class == Read) {
		return fmt.Errorf("reveals %s: a request of class read must not reveal sensitive members", strings.Join(e.Reveals, ", "))
	}
	blanks := e.blanks()
	for i, name := range e.Delimiters {
		if !slices.Contains(blanks, name) || slices.Contains(e.Delimiters[:i], name) {
			return fmt.Errorf("delimiters: %q is not a blank of the endpoint, or is listed twice", name)
		}
	}
	return nil
}

func (h RequestHeader) check() error {
	if h.Name == "Content-Type" || !slices.Contains(RequestHeaders(), h.Name) {
		return fmt.Errorf("header %q must be Accept, If-Match or Prefer", h.Name)
	}
	if len(h.Values) == 0 && h.Name != "If-Match" || len(h.Values) > maxHeaders {
		return fmt.Errorf("header %s must list its 1 to %d values", h.Name, maxHeaders)
	}
	for i, v := range h.Values {
		if v == "" || len(v) > maxHeaderValue || slices.Contains(h.Values[:i], v) || strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return fmt.Errorf("header %s: value %q must be printable ASCII of at most %d bytes, and listed once", h.Name, v, maxHeaderValue)
		}
	}
	return nil
}
