//go:build !wasip1

package check

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
)

// endpoints checks what the endpoints of an operation declare. Operations share endpoints, so each is checked once.
func (c *checker) endpoints(op *connector.Operation) {
	for _, e := range op.Endpoints {
		if e == nil || c.checked[e] {
			continue
		}
		c.checked[e] = true
		where := "endpoint " + e.Endpoint
		c.delimiters(where, e)
		c.headers(where, e)
		c.reveals(where, e)
	}
}

// blanksOf returns the names of the blanks of an endpoint.
func blanksOf(e *abi.Endpoint) (blanks []string) {
	for segment := range strings.SplitSeq(e.Template(), "/") {
		if name, blank := abi.Blank(segment); blank {
			blanks = append(blanks, name)
		}
	}
	return blanks
}

func (c *checker) delimiters(where string, e *abi.Endpoint) {
	blanks := blanksOf(e)
	for i, name := range e.Delimiters {
		switch {
		case !slices.Contains(blanks, name):
			c.add(where, "Delimiters lists the blank %q, which the path does not have: %s", name, orNear(name, blanks))
		case slices.Contains(e.Delimiters[:i], name):
			c.add(where, "Delimiters lists the blank %q twice", name)
		}
	}
}

func (c *checker) headers(where string, e *abi.Endpoint) {
	allowed := slices.DeleteFunc(slices.Clone(abi.RequestHeaders()), func(name string) bool { return name == "Content-Type" })
	for i, h := range e.Headers {
		switch {
		case strings.EqualFold(h.Name, "Content-Type"):
			c.add(where, "Headers lists Content-Type, which needs no declaration, since every body is JSON: remove it")
			continue
		case !slices.Contains(allowed, h.Name):
			c.add(where, "Headers lists %q, which no module may send: %s", h.Name, orNear(h.Name, allowed))
			continue
		case slices.ContainsFunc(e.Headers[:i], func(other abi.RequestHeader) bool { return other.Name == h.Name }):
			c.add(where, "Headers lists %s twice: write all of its values in one entry", h.Name)
		case len(h.Values) == 0 && h.Name != "If-Match":
			c.add(where, "Headers lists %s without Values: write each value that the operation sends", h.Name)
		}
		for n, v := range h.Values {
			switch {
			case v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }):
				c.add(where, "the value %q of the header %s is empty, or is not printable ASCII", v, h.Name)
			case slices.Contains(h.Values[:n], v):
				c.add(where, "the value %q of the header %s is listed twice", v, h.Name)
			}
		}
	}
}

func (c *checker) reveals(where string, e *abi.Endpoint) {
	if len(e.Reveals) > 0 && (e.Method() == "GET" || e.Class == abi.Read) {
		c.add(where, "Reveals lists %s, and a request of class read must not reveal sensitive members: declare a write, or remove them", strings.Join(e.Reveals, ", "))
		return
	}
	for i, member := range e.Reveals {
		switch {
		case !slices.Contains(e.Sensitive, member):
			c.add(where, "Reveals lists %q, which Sensitive does not list: %s", member, orNear(member, e.Sensitive))
		case slices.Contains(e.Reveals[:i], member):
			c.add(where, "Reveals lists %q twice", member)
		}
	}
}
