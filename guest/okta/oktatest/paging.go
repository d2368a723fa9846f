package oktatest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// link adds one Link header. Okta sends a separate header for each relation.
func (c *call) link(h http.Header, relation string, query url.Values) {
	target := c.origin + c.URL.EscapedPath()
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	h.Add("Link", "<"+target+`>; rel="`+relation+`"`)
}

// limit parses the limit parameter. It returns preset if the parameter is missing, at most most, and an error if it is
// not a number above 0.
func (c *call) limit(query url.Values, preset, most int) (int, error) {
	s := query.Get("limit")
	if s == "" {
		return min(preset, most), nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, invalid("limit", "'limit' must be a number above 0.")
	}
	return min(n, most), nil
}

// flag parses a boolean parameter. It returns preset if the parameter is missing.
func (c *call) flag(name string, preset bool) (bool, error) {
	switch strings.ToLower(c.URL.Query().Get(name)) {
	case "":
		return preset, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid(name, "'"+name+"' must be true or false.")
}

// cursor returns a cursor, which is opaque to callers. It has a position in a list, and a check value for the list and
// the org.

func (o *Org) cursor(list string, position int) string {
	return "200" + strconv.Itoa(position) + "u" + o.cursorCheck(list, position)
}

func (o *Org) parseCursor(list, cursor string) (position int, err error) {
	digits, check, _ := strings.Cut(strings.TrimPrefix(cursor, "200"), "u")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || check != o.cursorCheck(list, n) {
		return 0, invalidCursor()
	}
	return n, nil
}

func (o *Org) cursorCheck(list string, position int) string {
	h := o.ids.hash(domainCounter, uint64(position))
	for _, b := range []byte(list) {
		h = mix(h ^ uint64(b))
	}
	return strconv.FormatUint(h, 36)
}

// page is one page of a list of objects with positions.
type page struct {
	list   string // the list that the cursors belong to
	limit  int
	start  int // first position
	query  url.Values
	header http.Header
	buf    []byte
	count  int
}

// openPage parses limit and after, and adds the self link. most is Okta's limit, preset its default.
func (o *Org) openPage(c *call, list string, preset, most int) (*page, error) {
	p := &page{list: list, query: c.URL.Query(), header: http.Header{}, buf: []byte{'['}}
	var err error
	if p.limit, err = c.limit(p.query, preset, o.cfg.pageLimit(most)); err != nil {
		return nil, err
	}
	if after := p.query.Get("after"); after != "" {
		if p.start, err = o.parseCursor(list, after); err != nil {
			return nil, err
		}
	}
	p.query.Set("limit", strconv.Itoa(p.limit))
	c.link(p.header, "self", p.query)
	return p, nil
}

// element starts the next element; the caller appends it to buf.
func (p *page) element() {
	if p.count > 0 {
		p.buf = append(p.buf, ',')
	}
	p.count++
}

func (p *page) full() bool { return p.count == p.limit }

// more says that the list continues at position.
func (p *page) more(o *Org, c *call, position int) {
	p.query.Set("after", o.cursor(p.list, position))
	c.link(p.header, "next", p.query)
}

func (p *page) answer() answer {
	return answer{header: p.header, body: append(p.buf, ']')}
}
