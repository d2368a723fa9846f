package connector

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const (
	// defaultLimit is the most records that an invoke lists where the input does not say.
	defaultLimit = 1000
	// unaskedLimit is the same for an operation whose input has no limit.
	unaskedLimit = 10_000
	// MaxPages is the most requests that an invoke lists with, below the host's own bound: pages may be empty.
	MaxPages = 500
)

// List is an operation that reads pages of records.
type List struct {
	Endpoint string
	Path     []Blank
	Filled   []hostcall.Pair // blanks that no input fills
	Query    []Param
	More     func(*Call) []hostcall.Pair // query parameters that a param cannot express
	MaxPage  int                         // most records a request; 0 is an endpoint that chooses the size of its pages
	Sheds    bool                        // of such an endpoint: it takes a limit, which it gets once a page without one was too much
	Records  string                      // path of the array in the body
	Endless  bool                        // there is always a next link: a short page is the end for now
	OnePage  bool                        // an invoke answers one page, whatever its size, and always with a cursor
	Next     string                      // path of the next link in the body, of lists that have it there
	Omit     []string                    // members that a record goes out without
	Keep     []Param                     // query parameters that the service's next links drop
	Noun     string
	Type     string

	// Resolve returns the blanks of the path for an input that names an object by something else than its id.
	Resolve    func(*Call) ([]hostcall.Pair, *Result)
	Warns      func(*Call) []string    // says what there is to say with the first page
	UntilEmpty bool                    // an empty page is the end, whatever its links say
	Omits      func(*Call, int) string // says what a list that was read to its end has left out, "" for nothing

	Key string // path of a record's key, where it is not the operation's

	inWalk
}

// inWalk is what a call adds to a list as it goes on.
type inWalk struct {
	Kind, Parent string // of the envelope that records go out in
}

// Cursor is where a list goes on: behind skip records of the page at link (of the first page when it is empty).
type Cursor struct {
	Link  string
	skip  int
	Small int // pages that were asked for since one was too heavy; 0 is none was

	Trail  links.Trail // of the links up to this one
	Circle bool        // the link leads back to a page that was read before
}

// ReadCursor reads a cursor from the members that Members wrote.
func ReadCursor(v jsonval.Value) Cursor {
	return Cursor{v.Get("l").Str(), int(v.Get("s").Int()), int(v.Get("h").Int()), links.Trail(v.Get("w").Str()), v.Get("c").True()}
}

// follow returns the cursor at the next link.
func (cur Cursor) follow(c *Call, link string) Cursor {
	next := Cursor{Link: link, Small: cur.Small}
	next.Trail, next.Circle = cur.Trail.Step(link, c.Service.PageParam)
	return next
}

// Pager reads one page from a cursor ("" is the beginning) and emits at most limit of its records (0 is all). The
// result's cursor goes on behind them, "" at the end; n is how many were emitted.
type Pager func(c *Call, at string, limit int) (r Result, n int)

// All reads pages up to the input's limit, and emits their records. What it read before a failure is not lost: the cursor
// goes on from there.
func (c *Call) All(pages Pager) Result {
	onePage := c.Operation.List != nil && c.Operation.List.OnePage
	limit := c.limit()
	left := limit
	if onePage {
		left = 0
	}
	var warnings []string
	var last Result
	at := c.Str("cursor")
	for n := 1; ; n++ {
		r, count := pages(c, at, left)
		warnings = append(warnings, r.Warnings...)
		if n > 1 && r.Err != nil && (r.Err.Retryable || left < limit) {
			if last.Warnings, last.Truncated = warnings, true; r.Err.Retryable {
				last.Warnings = append(warnings, "stopped early, next_cursor goes on: "+r.Err.Message)
			} else {
				last.Outcome, last.Err = r.Outcome, r.Err
			}
			return last
		}
		if left -= count; r.Outcome != abi.Succeeded || r.Cursor == "" || onePage || left <= 0 || n == MaxPages {
			r.Warnings = warnings
			r.Truncated = r.Outcome == abi.Succeeded && r.Cursor != "" && !onePage
			return r
		}
		at, last = r.Cursor, r
	}
}

// limit is the most records that an invoke lists.
func (c *Call) limit() int {
	if n := int(c.Input.Get("limit").Int()); n > 0 {
		return n
	}
	for _, in := range c.Operation.Inputs {
		if in.Name == "limit" {
			return defaultLimit
		}
	}
	return unaskedLimit
}

// ReadPage is the pager of a list.
func (l *List) ReadPage(c *Call, at string, limit int) (Result, int) {
	v, ok := c.OpenCursor(at)
	if !ok {
		return c.BadCursor(), 0
	}
	r, next, n := l.Read(c, ReadCursor(v), limit)
	switch {
	case next != nil:
		r.Cursor = c.SealCursor(next.Members)
	case r.Outcome == abi.Succeeded && l.Omits != nil:
		if omitted := l.Omits(c, n); omitted != "" {
			r.Warnings = append(r.Warnings, omitted)
		}
	}
	return r, n
}

// Members writes the cursor's own members.
func (cur Cursor) Members(w *jsonval.Writer) {
	w.StrIf("l", cur.Link).IntIf("s", int64(cur.skip)).IntIf("h", int64(cur.Small)).StrIf("w", string(cur.Trail)).BoolIf("c", cur.Circle)
}

// Read requests one page and emits its records. next is nil at the end; n is how many were emitted.
func (l *List) Read(c *Call, cur Cursor, limit int) (r Result, next *Cursor, n int) {
	if l.Resolve != nil && cur.Link == "" {
		path, failed := l.Resolve(c)
		if failed != nil {
			return *failed, nil, 0
		}
		filled := *l
		filled.Filled, l = path, &filled
	}
	if cur.Circle {
		return c.inCircle(), nil, 0
	}
	size := l.sizeAt(c, cur)
	ask := size
	if limit > 0 && l.MaxPage > 0 { // a page that goes out whole leaves no cursor in its middle, where what vanishes before it would shift it
		ask = min(ask, cur.skip+limit)
	}
	req := l.request(c, cur.Link, ask)
	got := c.SendPage(&req, ask, l.sized())
	resp, halved := got.Response, got.Asked != ask
	ask = got.Asked
	if !OK(resp) {
		return c.PageFailure(resp, l.Type, l.Noun), nil, 0
	}
	if why := NotWhole(resp); why != "" {
		return c.BadBody(resp, why), nil, 0
	}
	emit := abi.EmitOptions{Path: l.Records, Want: abi.WantArray, Limit: limit, Skip: cur.skip, Omit: l.Omit, Kind: l.Kind,
		Parent: l.Parent, Key: l.Key}
	sum := c.Emit(resp.Body, emit)
	for fewer := cmp.Or(limit, ask) / 2; sum.Limit && fewer > 0; fewer /= 2 { // the rest of the page comes next
		emit.Limit = fewer
		sum = c.Emit(resp.Body, emit)
	}
	switch {
	case sum.Limit:
		return Fail(abi.Rejected, "limit", sum.Err), nil, 0
	case sum.Err != "":
		return c.BadBody(resp, sum.Err), nil, 0
	}
	r = Result{Outcome: abi.Succeeded, List: true}
	if l.Warns != nil && cur.Link == "" && cur.skip == 0 {
		r.Warnings = l.Warns(c)
	}
	if cur.skip+sum.Count < sum.Total { // the limit cut the page: the rest of it comes next
		rest := cur
		rest.skip += sum.Count
		return r, &rest, sum.Count
	}
	link := l.nextLink(c, resp)
	if l.UntilEmpty && (sum.Total == 0 || link == links.WithoutOrigin(links.LinkOf(resp.HeaderValues("link"), "self"))) {
		return r, nil, sum.Count
	}
	if link != "" {
		link = c.keepParams(link, l.Keep)
	} else if l.Endless && sum.Total > 0 && sum.Total >= ask && (limit == 0 || sum.Count < limit) {
		r.Warnings = append(r.Warnings, c.Service.Name+" gave a full page without a next link: there may be more records")
	}
	switch {
	case l.OnePage && !c.Tabled: // whoever asks for the next one needs a cursor, also where there is nothing new yet
		link = cmp.Or(link, cur.Link)
	case (l.Endless || l.UntilEmpty) && c.Service.PageParam.Same(link, cur.Link) || l.Endless && sum.Total < ask:
		link = ""
	}
	if link == "" {
		return r, nil, sum.Count
	}
	at := cur.follow(c, link)
	if next = &at; l.OnePage && !c.Tabled { // a poll goes on for ever, and is no walk
		*next = Cursor{Link: link, Small: cur.Small}
	}
	if halved { // what is to be left out may reach beyond the smaller page
		next.skip, next.Small, size = max(0, cur.skip-sum.Total), 1, ask
	}
	if l.MaxPage == 0 {
		next.keepSmall(c, got.Asked)
	} else if next.Small > 0 {
		next.Link, next.Small = c.Service.PageParam.Grow(c.Service.PageParam.With(link, size), size, l.PageSize(c), next.Small)
	}
	return r, next, sum.Count
}

// Keys requests one page and returns the keys of its records, without emitting them. next has no link at the end.
func (l *List) Keys(c *Call, cur Cursor) (keys []string, next Cursor, failed *Result) {
	if cur.Circle {
		r := c.inCircle()
		return nil, next, &r
	}
	size := l.sizeAt(c, cur)
	req := l.request(c, cur.Link, size)
	got := c.SendPage(&req, size, l.sized())
	resp := got.Response
	if !OK(resp) {
		r := c.PageFailure(resp, l.Type, l.Noun)
		return nil, next, &r
	}
	if why := NotWhole(resp); why != "" {
		r := c.BadBody(resp, why)
		return nil, next, &r
	}
	keys, err := c.Keys(resp.Body, abi.EmitOptions{Path: l.Records, Want: abi.WantArray, Key: l.Key})
	if err != "" {
		r := c.BadBody(resp, err)
		return nil, next, &r
	}
	link := l.nextLink(c, resp)
	if link == "" {
		return keys, next, nil
	}
	next = cur.follow(c, link)
	if got.Asked != size {
		next.Small, size = 1, got.Asked
	}
	if l.MaxPage == 0 {
		next.keepSmall(c, got.Asked)
	} else if next.Small > 0 {
		next.Link, next.Small = c.Service.PageParam.Grow(c.Service.PageParam.With(link, size), size, l.PageSize(c), next.Small)
	}
	return keys, next, nil
}

// sized reports whether the endpoint takes a limit.
func (l *List) sized() bool { return l.MaxPage > 0 || l.Sheds }

// keepSmall has the next request ask for as many records as the last one, where that said how many. Nothing but the link
// tells it.
func (cur *Cursor) keepSmall(c *Call, asked int) {
	if cur.Small = 0; asked > 0 {
		req := hostcall.Request{Link: cur.Link}
		c.Service.PageParam.Set(&req, asked)
		cur.Link = req.Link
	}
}

// request asks for the page at link, or for the first one, of at most size records.
func (l *List) request(c *Call, link string, size int) hostcall.Request {
	if link != "" {
		if l.MaxPage > 0 {
			link = c.Service.PageParam.With(link, size)
		}
		return hostcall.Request{Endpoint: l.Endpoint, Link: link}
	}
	req := hostcall.Request{Endpoint: l.Endpoint, Path: append(c.Blanks(l.Path), l.Filled...), Query: c.Params(l.Query)}
	if l.More != nil {
		req.Query = append(req.Query, l.More(c)...)
	}
	if l.MaxPage > 0 {
		req.Query = append(req.Query, hostcall.Pair{Name: string(c.Service.PageParam), Value: strconv.Itoa(size)})
	}
	return req
}

// sizeAt is how many records a page at a cursor has: as many as are asked for, whatever the call before asked, or fewer
// since that was too heavy.
func (l *List) sizeAt(c *Call, cur Cursor) int {
	n, known := c.Service.PageParam.Of(cur.Link)
	switch {
	case l.MaxPage == 0 && !l.Sheds:
		return 0
	case l.MaxPage == 0:
		return n
	case known && cur.Small > 0:
		return min(n, l.PageSize(c))
	}
	return l.PageSize(c)
}

// nextLink is the path and query of the next page, "" when there is none.
func (l *List) nextLink(c *Call, resp hostcall.Response) string {
	if l.Next == "" {
		return links.WithoutOrigin(links.NextLink(resp.HeaderValues("link")))
	}
	if targets, err := c.Keys(resp.Body, abi.EmitOptions{Path: l.Next, Key: "href"}); err == "" && len(targets) == 1 {
		return links.WithoutOrigin(targets[0])
	}
	return "" // the last page has nothing there
}

// LeastPage is the size below which a page that takes the service too long is not halved. One that is too large is, down to a
// record.
const LeastPage = 10

// FirstLimit is how many records are asked for after a page was too much whose size the service chose.
const FirstLimit = 100

// PageAnswer is the answer to a request for a page.
type PageAnswer struct {
	hostcall.Response
	Asked int // how many records the last request was for
}

// SendPage sends a request for a page of size records. While that is too much, it asks for half as many. sized says
// that the endpoint takes a limit. Where size is 0, none is sent before a page was too much.
func (c *Call) SendPage(req *hostcall.Request, size int, sized bool) PageAnswer {
	got := PageAnswer{Asked: size}
	for {
		req.NoRepeat = sized && (size == 0 || size/2 >= LeastPage)
		got.Response, got.Asked = c.SendWithToken(*req), size
		least := c.tooMuch(got.Response)
		if sized && least > 0 && size == 0 {
			size = 2 * FirstLimit
		}
		if !sized || least == 0 || size/2 < least {
			return got
		}
		size /= 2
		c.Service.PageParam.Set(req, size)
	}
}

// tooMuch returns the least size of a page to ask for instead of one that was too much: the service gave the query up for
// taking too long, or did not answer in time, or the answer was over a limit. 0 means that the answer has nothing to do with
// the page's size.
func (c *Call) tooMuch(resp hostcall.Response) int {
	switch {
	case resp.Err == nil && resp.Status == 500 && c.Service.Errors.GaveUp != "" && c.ReadError(resp).Code == c.Service.Errors.GaveUp:
		return LeastPage
	case resp.Err != nil && resp.Err.Code == abi.SendTimeout:
		return LeastPage
	case resp.Err != nil && resp.Err.Code == abi.SendTooLarge:
		return 1
	}
	return 0
}

// PageFailure is failure of a page that was asked for as small as it may be.
func (c *Call) PageFailure(resp hostcall.Response, typ, noun string) Result {
	r := c.Failure(resp, typ, noun)
	if resp.Err != nil && resp.Err.Code == abi.SendTooLarge {
		r.Outcome = abi.Rejected
		r.Err.Message = "a page of one record, or one that cannot be made smaller, is still too large. Raise the limit that is named. " + r.Err.Message
	}
	return r
}

// keepParams adds the parameters that a next link lacks and the input has.
func (c *Call) keepParams(link string, keep []Param) string {
	path, query, _ := strings.Cut(link, "?")
	for _, p := range keep {
		value := c.Str(p.Input)
		if value == "" || strings.Contains("&"+query, "&"+p.Query+"=") {
			continue
		}
		if query != "" {
			query += "&"
		}
		query += p.Query + "=" + texts.EscapeQuery(value)
	}
	if query == "" {
		return path
	}
	return path + "?" + query
}

// PageSize is how many records a request asks for.
func (l *List) PageSize(c *Call) int {
	size := int(c.Input.Get("page_size").Int())
	if size == 0 {
		size = int(c.Settings.Get("default_page_size").Int())
	}
	if size == 0 {
		size = l.MaxPage
	}
	return min(size, l.MaxPage)
}

// SealCursor makes a cursor of this operation and input.
func (c *Call) SealCursor(members func(*jsonval.Writer)) string {
	var w jsonval.Writer
	w.Str("o", c.Operation.Name).Str("i", c.InputMark())
	members(&w)
	return texts.EncodeBase64(w.String())
}

// OpenCursor reads a cursor of this operation and input; the empty one has no members.
func (c *Call) OpenCursor(s string) (v jsonval.Value, ok bool) {
	if s == "" {
		return jsonval.Value{}, true
	}
	text, ok := texts.DecodeBase64(s)
	if !ok {
		return v, false
	}
	v, err := jsonval.Parse(text)
	return v, err == nil && v.Get("o").Str() == c.Operation.Name && v.Get("i").Str() == c.InputMark() && v.Get("s").Int() >= 0
}

// cursorFits reports whether the input's cursor, if any, is one of this operation and input.
func (c *Call) cursorFits() bool {
	_, ok := c.OpenCursor(c.Str("cursor"))
	return ok
}

// CursorLink is the link in the input's cursor, which an invoke of this operation and input ended with.
func (c *Call) CursorLink() (link string, ok bool) {
	v, ok := c.OpenCursor(c.Str("cursor"))
	return ReadCursor(v).Link, ok
}

// BadCheckpoint refuses a checkpoint that no source of this operation wrote.
func (c *Call) BadCheckpoint() Result {
	return Fail(abi.Invalid, "checkpoint", "checkpoint damaged, or not one of "+c.Operation.Name+
		": give the file that this source wrote, or remove it to start anew")
}

// BadCursor refuses a cursor that no list of this operation and input ended with.
//
//go:noinline
func (c *Call) BadCursor() Result {
	return Fail(abi.Invalid, "cursor", "the cursor is not one of "+c.Operation.Name+
		" with this input: give the next_cursor of its last result, with the same input")
}

// InputMark tells queries apart, so that a cursor is not continued with another filter than it began with. It is no
// protection: whoever has a cursor may read on.
func (c *Call) InputMark() string {
	h := uint64(14695981039346656037) // FNV-1a
	for _, in := range c.Operation.Inputs {
		v := c.Input.Get(in.Name)
		switch in.Name {
		case "cursor", "limit", "page_size":
			continue
		}
		if v.Exists() { // a default that is spelled out is none
			if schema, err := jsonval.Parse(in.Schema); err == nil && v.Equal(schema.Get("default")) {
				v = jsonval.Value{}
			}
		}
		for _, b := range []byte(in.Name + "=" + canonical(v) + ";") {
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

// inCircle is the end of a walk whose next link leads back.
func (c *Call) inCircle() Result {
	return Fail(abi.Rejected, "circle", "the next link leads back to a page that was read before, in a circle: the rest of the list cannot be reached. "+
		"Begin again without the cursor. If it ends so again, report it to "+c.Service.Name)
}
