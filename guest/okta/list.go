package okta

import (
	"encoding/base64"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// defaultLimit is the most records that an invoke lists where the input does not say.
const defaultLimit = 1000

// list is an operation that reads pages of records.
type list struct {
	endpoint string
	path     []blank
	query    []param
	more     func(*call) []hostcall.Pair // query parameters that a param cannot express
	maxPage  int                         // most records a request; 0 is an endpoint without paging
	records  string                      // path of the array in the body
	endless  bool                        // there is always a next link: a short page is the end for now
	onePage  bool                        // an invoke answers one page, whatever its size
	noun     string
	typ      string
}

// cursor is where a list goes on: behind Skip records of the page at Link (of the first page when it is empty).
type cursor struct {
	link string
	skip int
}

// page reads one page and emits at most limit of its records (0 is all). The result's cursor goes on behind it.
func (l *list) page(c *call, at string, limit int) result {
	cur, ok := l.readCursor(c, at)
	if !ok {
		return fail(abi.Invalid, "cursor", "the cursor is not one of "+c.op.name+
			" with this input: give the next_cursor of its last result, with the same input")
	}
	r, next, _ := l.read(c, cur, limit)
	if next != nil {
		r.cursor = l.writeCursor(c, *next)
	}
	return r
}

// all reads pages up to the input's limit, and emits their records.
func (l *list) all(c *call) result {
	cur, ok := l.readCursor(c, c.str("cursor"))
	if !ok {
		return fail(abi.Invalid, "cursor", "the cursor is not one of "+c.op.name+
			" with this input: give the next_cursor of its last result, with the same input")
	}
	left := int(c.input.Get("limit").Int())
	if left == 0 {
		left = defaultLimit
	}
	if l.onePage {
		left = 0
	}
	for {
		r, next, n := l.read(c, cur, left)
		if r.outcome != abi.Succeeded || next == nil {
			return r
		}
		if left -= n; left <= 0 {
			r.cursor = l.writeCursor(c, *next)
			return r
		}
		cur = *next
	}
}

// read requests one page and emits its records. next is nil at the end; n is how many were emitted.
func (l *list) read(c *call, cur cursor, limit int) (r result, next *cursor, n int) {
	req := hostcall.Request{Endpoint: l.endpoint, Link: cur.link}
	size := l.pageSize(c)
	if cur.link == "" {
		req.Path, req.Query = c.blanks(l.path), c.params(l.query)
		if l.more != nil {
			req.Query = append(req.Query, l.more(c)...)
		}
		if l.maxPage > 0 {
			if limit > 0 && cur.skip == 0 {
				size = min(size, limit)
			}
			req.Query = append(req.Query, hostcall.Pair{Name: "limit", Value: strconv.Itoa(size)})
		}
	}
	resp := c.send(req)
	if !ok(resp) {
		return c.failure(resp, l.typ, l.noun), nil, 0
	}
	sum := c.Emit(resp.Body, abi.EmitOptions{Path: l.records, Limit: limit, Skip: cur.skip})
	if sum.Err != "" {
		return badBody(resp, sum.Err), nil, 0
	}
	r = result{outcome: abi.Succeeded, list: true}
	if cur.skip+sum.Count < sum.Total { // the limit cut the page: the rest of it comes next
		return r, &cursor{cur.link, cur.skip + sum.Count}, sum.Count
	}
	link := withoutOrigin(nextLink(resp.HeaderValues("link")))
	if link == "" || link == cur.link || l.endless && !l.onePage && sum.Total < size {
		return r, nil, sum.Count
	}
	return r, &cursor{link: link}, sum.Count
}

// pageSize is how many records a request asks for.
func (l *list) pageSize(c *call) int {
	size := int(c.input.Get("page_size").Int())
	if size == 0 {
		size = int(c.settings.Get("default_page_size").Int())
	}
	if size == 0 {
		size = l.maxPage
	}
	return min(size, l.maxPage)
}

func (l *list) writeCursor(c *call, cur cursor) string {
	var w jsonval.Writer
	w.Str("o", c.op.name).Str("i", c.inputMark()).StrIf("l", cur.link).IntIf("s", int64(cur.skip))
	return base64.RawURLEncoding.EncodeToString([]byte(w.String()))
}

func (l *list) readCursor(c *call, s string) (cursor, bool) {
	if s == "" {
		return cursor{}, true
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, false
	}
	v, err := jsonval.Parse(string(text))
	if err != nil || v.Get("o").Str() != c.op.name || v.Get("i").Str() != c.inputMark() || v.Get("s").Int() < 0 {
		return cursor{}, false
	}
	return cursor{v.Get("l").Str(), int(v.Get("s").Int())}, true
}

// inputMark tells queries apart, so that a cursor is not continued with another filter than it began with. It is no
// protection: whoever has a cursor may read on.
func (c *call) inputMark() string {
	h := uint64(14695981039346656037) // FNV-1a
	for _, in := range c.op.inputs {
		switch in.name {
		case "cursor", "limit", "page_size":
			continue
		}
		for _, b := range []byte(in.name + "=" + c.input.Get(in.name).Raw() + ";") {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return strconv.FormatUint(h, 36)
}
