package links

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// GrowAfter is how many smaller pages are read before a larger one is tried. The service may need half a minute to
// refuse that.
const GrowAfter = 8

// PageParam is the name of the query parameter that sets the number of records in a page.
type PageParam string

// Same reports whether two links lead to the same page, whatever its size. No link equals no link.
func (p PageParam) Same(a, b string) bool { return p.With(a, 0) == p.With(b, 0) }

// Grow returns the next link after a page of asked records, and how many pages have been small since one was too large.
// Every few pages it doubles the size, up to size. Otherwise a temporary slowdown would leave a long walk with small
// pages, which use up the rate limit.
func (p PageParam) Grow(link string, asked, size, small int) (string, int) {
	switch {
	case asked >= size:
		return link, 0
	case small < GrowAfter:
		return link, small + 1
	}
	return p.With(link, min(2*asked, size)), 1
}

// Set makes a request ask for n records.
func (p PageParam) Set(req *hostcall.Request, n int) {
	for i, q := range req.Query {
		if q.Name == string(p) {
			req.Query[i].Value = strconv.Itoa(n)
			return
		}
	}
	if req.Link == "" {
		req.Query = append(req.Query, hostcall.Pair{Name: string(p), Value: strconv.Itoa(n)})
		return
	}
	if _, known := p.Of(req.Link); known {
		req.Link = p.With(req.Link, n)
		return
	}
	separator := "?"
	if strings.Contains(req.Link, "?") {
		separator = "&"
	}
	req.Link += separator + string(p) + "=" + strconv.Itoa(n)
}

// Of returns the number of records that a link asks for.
func (p PageParam) Of(link string) (n int, known bool) {
	_, query, _ := strings.Cut(link, "?")
	for _, part := range strings.Split(query, "&") {
		if value, is := strings.CutPrefix(part, string(p)+"="); is {
			n, ok := texts.WholeNumber(value)
			return int(n), ok
		}
	}
	return 0, false
}

// With returns the link with n as its number of records, if it has one.
func (p PageParam) With(link string, n int) string {
	path, query, _ := strings.Cut(link, "?")
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if strings.HasPrefix(part, string(p)+"=") {
			parts[i] = string(p) + "=" + strconv.Itoa(n)
			return path + "?" + strings.Join(parts, "&")
		}
	}
	return link
}
