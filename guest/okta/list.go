package okta

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const (
	// defaultLimit is the most records that an invoke lists where the input does not say.
	defaultLimit = 1000
	// unaskedLimit is the same for an operation whose input has no limit.
	unaskedLimit = 10_000
	// maxPages is the most requests that an invoke lists with, below the host's own bound: pages may be empty.
	maxPages = 500
)

// list is an operation that reads pages of records.
type list struct {
	endpoint string
	path     []blank
	query    []param
	more     func(*call) []hostcall.Pair // query parameters that a param cannot express
	maxPage  int                         // most records a request; 0 is an endpoint whose pages are as large as Okta makes them
	sheds    bool                        // of such an endpoint: it takes a limit, which it gets once a page without one was too much
	records  string                      // path of the array in the body
	endless  bool                        // there is always a next link: a short page is the end for now
	onePage  bool                        // an invoke answers one page, whatever its size, and always with a cursor
	next     string                      // path of the next link in the body, of lists that have it there
	omit     []string                    // members that a record goes out without
	keep     []param                     // query parameters that Okta's next links drop
	noun     string
	typ      string

	// resolve fills the path where the input names an object otherwise than by id.
	resolve    func(*call) ([]hostcall.Pair, *result)
	warns      func(*call) []string    // says what there is to say with the first page
	untilEmpty bool                    // an empty page is the end, whatever its links say
	omits      func(*call, int) string // says what a list that was read to its end has left out, "" for nothing

	// Of lists that are made as a call goes on:
	filled       []hostcall.Pair // blanks that no input fills
	kind, parent string          // of the envelope that records go out in
	key          string          // path of a record's key, where it is not the operation's
}

// cursor is where a list goes on: behind skip records of the page at link (of the first page when it is empty).
type cursor struct {
	link  string
	skip  int
	small int // pages that were asked for since one was too heavy; 0 is none was

	trail  trail // of the links up to this one
	circle bool  // the link leads back to a page that was read before
}

func readCursor(v jsonval.Value) cursor {
	return cursor{v.Get("l").Str(), int(v.Get("s").Int()), int(v.Get("h").Int()), trail(v.Get("w").Str()), v.Get("c").True()}
}

// follow returns the cursor at the next link.
func (cur cursor) follow(link string) cursor {
	next := cursor{link: link, small: cur.small}
	next.trail, next.circle = cur.trail.step(link)
	return next
}

// pager reads one page from a cursor ("" is the beginning) and emits at most limit of its records (0 is all). The
// result's cursor goes on behind them, "" at the end; n is how many were emitted.
type pager func(c *call, at string, limit int) (r result, n int)

// pager is how the operation reads pages, nil when it does not.
func (op *operation) pager() pager {
	if op.list != nil {
		return op.list.page
	}
	return op.pages
}

// all reads pages up to the input's limit, and emits their records. What it read before a failure is not lost: the cursor
// goes on from there.
func (c *call) all(pages pager) result {
	onePage := c.op.list != nil && c.op.list.onePage
	limit := c.limit()
	left := limit
	if onePage {
		left = 0
	}
	var warnings []string
	var last result
	at := c.str("cursor")
	for n := 1; ; n++ {
		r, count := pages(c, at, left)
		warnings = append(warnings, r.warnings...)
		if n > 1 && r.err != nil && (r.err.Retryable || left < limit) {
			if last.warnings, last.truncated = warnings, true; r.err.Retryable {
				last.warnings = append(warnings, "stopped early, next_cursor goes on: "+r.err.Message)
			} else {
				last.outcome, last.err = r.outcome, r.err
			}
			return last
		}
		if left -= count; r.outcome != abi.Succeeded || r.cursor == "" || onePage || left <= 0 || n == maxPages {
			r.warnings = warnings
			r.truncated = r.outcome == abi.Succeeded && r.cursor != "" && !onePage
			return r
		}
		at, last = r.cursor, r
	}
}

// limit is the most records that an invoke lists.
func (c *call) limit() int {
	if n := int(c.input.Get("limit").Int()); n > 0 {
		return n
	}
	for _, in := range c.op.inputs {
		if in.name == "limit" {
			return defaultLimit
		}
	}
	return unaskedLimit
}

// page is the pager of a list.
func (l *list) page(c *call, at string, limit int) (result, int) {
	v, ok := c.openCursor(at)
	if !ok {
		return c.badCursor(), 0
	}
	r, next, n := l.read(c, readCursor(v), limit)
	switch {
	case next != nil:
		r.cursor = c.sealCursor(next.members)
	case r.outcome == abi.Succeeded && l.omits != nil:
		if omitted := l.omits(c, n); omitted != "" {
			r.warnings = append(r.warnings, omitted)
		}
	}
	return r, n
}

// members writes the cursor's own members.
func (cur cursor) members(w *jsonval.Writer) {
	w.StrIf("l", cur.link).IntIf("s", int64(cur.skip)).IntIf("h", int64(cur.small)).StrIf("w", string(cur.trail)).BoolIf("c", cur.circle)
}

// read requests one page and emits its records. next is nil at the end; n is how many were emitted.
func (l *list) read(c *call, cur cursor, limit int) (r result, next *cursor, n int) {
	if l.resolve != nil && cur.link == "" {
		path, failed := l.resolve(c)
		if failed != nil {
			return *failed, nil, 0
		}
		filled := *l
		filled.filled, l = path, &filled
	}
	if cur.circle {
		return inCircle(), nil, 0
	}
	size := l.sizeAt(c, cur)
	ask := size
	if limit > 0 && l.maxPage > 0 { // a page that goes out whole leaves no cursor in its middle, where what vanishes before it would shift it
		ask = min(ask, cur.skip+limit)
	}
	req := l.request(c, cur.link, ask)
	got := c.sendShrinking(&req, ask, l.sized())
	resp, halved := got.Response, got.asked != ask
	ask = got.asked
	if !ok(resp) {
		return c.pageFailure(resp, l.typ, l.noun), nil, 0
	}
	emit := abi.EmitOptions{Path: l.records, Want: abi.WantArray, Limit: limit, Skip: cur.skip, Omit: l.omit, Kind: l.kind,
		Parent: l.parent, Key: l.key}
	sum := c.Emit(resp.Body, emit)
	for fewer := cmp.Or(limit, ask) / 2; sum.Limit && fewer > 0; fewer /= 2 { // the rest of the page comes next
		emit.Limit = fewer
		sum = c.Emit(resp.Body, emit)
	}
	switch {
	case sum.Limit:
		return fail(abi.Rejected, "limit", sum.Err), nil, 0
	case sum.Err != "":
		return c.badBody(resp, sum.Err), nil, 0
	}
	r = result{outcome: abi.Succeeded, list: true}
	if l.warns != nil && cur.link == "" && cur.skip == 0 {
		r.warnings = l.warns(c)
	}
	if cur.skip+sum.Count < sum.Total { // the limit cut the page: the rest of it comes next
		rest := cur
		rest.skip += sum.Count
		return r, &rest, sum.Count
	}
	link := l.nextLink(c, resp)
	if l.untilEmpty && (sum.Total == 0 || link == withoutOrigin(linkOf(resp.HeaderValues("link"), "self"))) {
		return r, nil, sum.Count
	}
	if link != "" {
		link = c.keepParams(link, l.keep)
	} else if l.endless && sum.Total > 0 && sum.Total >= ask && (limit == 0 || sum.Count < limit) {
		r.warnings = append(r.warnings, "Okta gave a full page without a next link: there may be more records")
	}
	switch {
	case l.onePage && !c.tabled: // whoever asks for the next one needs a cursor, also where there is nothing new yet
		link = cmp.Or(link, cur.link)
	case samePage(link, cur.link) || l.endless && sum.Total < ask:
		link = ""
	}
	if link == "" {
		return r, nil, sum.Count
	}
	at := cur.follow(link)
	if next = &at; l.onePage && !c.tabled { // a poll goes on for ever, and is no walk
		*next = cursor{link: link, small: cur.small}
	}
	if halved { // what is to be left out may reach beyond the smaller page
		next.skip, next.small, size = max(0, cur.skip-sum.Total), 1, ask
	}
	if l.maxPage == 0 {
		next.keepSmall(got.asked)
	} else if next.small > 0 {
		next.link, next.small = grow(withLimit(link, size), size, l.pageSize(c), next.small)
	}
	return r, next, sum.Count
}

// keys requests one page and answers the keys of its records, none of which is emitted. next has no link at the end.
func (l *list) keys(c *call, cur cursor) (keys []string, next cursor, failed *result) {
	if cur.circle {
		r := inCircle()
		return nil, next, &r
	}
	size := l.sizeAt(c, cur)
	req := l.request(c, cur.link, size)
	got := c.sendShrinking(&req, size, l.sized())
	resp := got.Response
	if !ok(resp) {
		r := c.pageFailure(resp, l.typ, l.noun)
		return nil, next, &r
	}
	keys, err := c.Keys(resp.Body, abi.EmitOptions{Path: l.records, Want: abi.WantArray, Key: l.key})
	if err != "" {
		r := c.badBody(resp, err)
		return nil, next, &r
	}
	link := l.nextLink(c, resp)
	if link == "" || samePage(link, cur.link) {
		return keys, next, nil
	}
	next = cur.follow(link)
	if got.asked != size {
		next.small, size = 1, got.asked
	}
	if l.maxPage == 0 {
		next.keepSmall(got.asked)
	} else if next.small > 0 {
		next.link, next.small = grow(withLimit(link, size), size, l.pageSize(c), next.small)
	}
	return keys, next, nil
}

// sized reports whether the endpoint takes a limit.
func (l *list) sized() bool { return l.maxPage > 0 || l.sheds }

// keepSmall has the next request ask for as many records as the last one, where that said how many. Nothing but the link
// tells it.
func (cur *cursor) keepSmall(asked int) {
	if cur.small = 0; asked > 0 {
		req := hostcall.Request{Link: cur.link}
		setLimit(&req, asked)
		cur.link = req.Link
	}
}

// request asks for the page at link, or for the first one, of at most size records.
func (l *list) request(c *call, link string, size int) hostcall.Request {
	if link != "" {
		if l.maxPage > 0 {
			link = withLimit(link, size)
		}
		return hostcall.Request{Endpoint: l.endpoint, Link: link}
	}
	req := hostcall.Request{Endpoint: l.endpoint, Path: append(c.blanks(l.path), l.filled...), Query: c.params(l.query)}
	if l.more != nil {
		req.Query = append(req.Query, l.more(c)...)
	}
	if l.maxPage > 0 {
		req.Query = append(req.Query, hostcall.Pair{Name: "limit", Value: strconv.Itoa(size)})
	}
	return req
}

// sizeAt is how many records a page at a cursor has: as many as are asked for, whatever the call before asked, or fewer
// since that was too heavy.
func (l *list) sizeAt(c *call, cur cursor) int {
	n, known := linkLimit(cur.link)
	switch {
	case l.maxPage == 0 && !l.sheds:
		return 0
	case l.maxPage == 0:
		return n
	case known && cur.small > 0:
		return min(n, l.pageSize(c))
	}
	return l.pageSize(c)
}

// nextLink is the path and query of the next page, "" when there is none.
func (l *list) nextLink(c *call, resp hostcall.Response) string {
	if l.next == "" {
		return withoutOrigin(nextLink(resp.HeaderValues("link")))
	}
	if links, err := c.Keys(resp.Body, abi.EmitOptions{Path: l.next, Key: "href"}); err == "" && len(links) == 1 {
		return withoutOrigin(links[0])
	}
	return "" // the last page has nothing there
}

// leastPage is the size below which a page that takes Okta too long is not halved. One that is too large is, down to a
// record.
const leastPage = 10

// firstLimit is how many records are asked for after a page was too much that Okta made as large as it liked.
const firstLimit = 100

// growAfter is how many smaller pages are read before a larger one is tried again: Okta takes half a minute to refuse it.
const growAfter = 8

// tookTooLong is Okta's code for a query that it gave up after 30 s, and for any other failure of its own.
const tookTooLong = "E0000009"

// shrunk is the answer to a request for a page.
type shrunk struct {
	hostcall.Response
	asked int // how many records the last request was for
}

// sendShrinking sends a request for a page of size records. While that is too much, it asks for half as many. sized says
// that the endpoint takes a limit. Where size is 0, none is sent before a page was too much.
func (c *call) sendShrinking(req *hostcall.Request, size int, sized bool) shrunk {
	got := shrunk{asked: size}
	for {
		req.NoRepeat = sized && (size == 0 || size/2 >= leastPage)
		got.Response, got.asked = c.send(*req), size
		least := c.tooMuch(got.Response)
		if sized && least > 0 && size == 0 {
			size = 2 * firstLimit
		}
		if !sized || least == 0 || size/2 < least {
			return got
		}
		size /= 2
		setLimit(req, size)
	}
}

// tooMuch is the least size of a page that may be asked for instead of one that was too much: Okta gave the query up for
// taking too long, or failed in the way in which it says that, or did not answer in time, or the answer was over a limit. 0
// is an answer that has nothing to do with the page's size.
func (c *call) tooMuch(resp hostcall.Response) int {
	switch {
	case resp.Err == nil && resp.Status == 500 && c.readError(resp).Code == tookTooLong:
		return leastPage
	case resp.Err != nil && resp.Err.Code == abi.SendTimeout:
		return leastPage
	case resp.Err != nil && resp.Err.Code == abi.SendTooLarge:
		return 1
	}
	return 0
}

// pageFailure is failure of a page that was asked for as small as it may be.
func (c *call) pageFailure(resp hostcall.Response, typ, noun string) result {
	r := c.failure(resp, typ, noun)
	if resp.Err != nil && resp.Err.Code == abi.SendTooLarge {
		r.outcome = abi.Rejected
		r.err.Message = "a page of one record, or one that cannot be made smaller, is still too large. Raise the limit that is named. " + r.err.Message
	}
	return r
}

// samePage reports whether two links are of one page, of whatever size. None is that of none.
func samePage(a, b string) bool { return withLimit(a, 0) == withLimit(b, 0) }

// grow is the next link behind a page of asked records, the small-th since one was too heavy: every few pages it asks for
// twice as many, up to size. Else a moment's trouble would make a long walk one of small pages, which cost quota.
func grow(link string, asked, size, small int) (string, int) {
	switch {
	case asked >= size:
		return link, 0
	case small < growAfter:
		return link, small + 1
	}
	return withLimit(link, min(2*asked, size)), 1
}

// setLimit has a request ask for n records.
func setLimit(req *hostcall.Request, n int) {
	for i, q := range req.Query {
		if q.Name == "limit" {
			req.Query[i].Value = strconv.Itoa(n)
			return
		}
	}
	if req.Link == "" {
		req.Query = append(req.Query, hostcall.Pair{Name: "limit", Value: strconv.Itoa(n)})
		return
	}
	if _, known := linkLimit(req.Link); known {
		req.Link = withLimit(req.Link, n)
		return
	}
	separator := "?"
	if strings.Contains(req.Link, "?") {
		separator = "&"
	}
	req.Link += separator + "limit=" + strconv.Itoa(n)
}

// linkLimit is the number of records that a next link asks for.
func linkLimit(link string) (n int, known bool) {
	_, query, _ := strings.Cut(link, "?")
	for _, p := range strings.Split(query, "&") {
		if value, is := strings.CutPrefix(p, "limit="); is {
			n, err := strconv.Atoi(value)
			return n, err == nil
		}
	}
	return 0, false
}

// withLimit is a next link that asks for n records, where it says how many.
func withLimit(link string, n int) string {
	path, query, _ := strings.Cut(link, "?")
	parts := strings.Split(query, "&")
	for i, p := range parts {
		if strings.HasPrefix(p, "limit=") {
			parts[i] = "limit=" + strconv.Itoa(n)
			return path + "?" + strings.Join(parts, "&")
		}
	}
	return link
}

// keepParams adds the parameters that a next link lacks and the input has.
func (c *call) keepParams(link string, keep []param) string {
	path, query, _ := strings.Cut(link, "?")
	for _, p := range keep {
		value := c.str(p.input)
		if value == "" || strings.Contains("&"+query, "&"+p.query+"=") {
			continue
		}
		if query != "" {
			query += "&"
		}
		query += p.query + "=" + url(value)
	}
	if query == "" {
		return path
	}
	return path + "?" + query
}

// url escapes a query parameter.
func url(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var b []byte
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b = append(b, s[i])
		} else {
			b = append(b, '%', "0123456789ABCDEF"[s[i]>>4], "0123456789ABCDEF"[s[i]&15])
		}
	}
	return string(b)
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

// sealCursor makes a cursor of this operation and input.
func (c *call) sealCursor(members func(*jsonval.Writer)) string {
	var w jsonval.Writer
	w.Str("o", c.op.name).Str("i", c.inputMark())
	members(&w)
	return base64.RawURLEncoding.EncodeToString([]byte(w.String()))
}

// openCursor reads a cursor of this operation and input; the empty one has no members.
func (c *call) openCursor(s string) (v jsonval.Value, ok bool) {
	if s == "" {
		return jsonval.Value{}, true
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return v, false
	}
	v, err = jsonval.Parse(string(text))
	return v, err == nil && v.Get("o").Str() == c.op.name && v.Get("i").Str() == c.inputMark() && v.Get("s").Int() >= 0
}

// cursorFits reports whether the input's cursor, if any, is one of this operation and input.
func (c *call) cursorFits() bool {
	_, ok := c.openCursor(c.str("cursor"))
	return ok
}

func (c *call) badCursor() result {
	return fail(abi.Invalid, "cursor", "the cursor is not one of "+c.op.name+
		" with this input: give the next_cursor of its last result, with the same input")
}

// inputMark tells queries apart, so that a cursor is not continued with another filter than it began with. It is no
// protection: whoever has a cursor may read on.
func (c *call) inputMark() string {
	h := uint64(14695981039346656037) // FNV-1a
	for _, in := range c.op.inputs {
		v := c.input.Get(in.name)
		switch in.name {
		case "cursor", "limit", "page_size":
			continue
		}
		if v.Exists() { // a default that is spelled out is none
			if schema, err := jsonval.Parse(in.schema); err == nil && v.Equal(schema.Get("default")) {
				v = jsonval.Value{}
			}
		}
		for _, b := range []byte(in.name + "=" + canonical(v) + ";") {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return strconv.FormatUint(h, 36)
}

// canonical is the text of a value, however it was spelled.
func canonical(v jsonval.Value) string {
	switch v.Kind() {
	case jsonval.String:
		return jsonval.Quote(v.Str())
	case jsonval.Array:
		var all []string
		for e := range v.Elements() {
			all = append(all, canonical(e))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	return v.Raw()
}
