package connector

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const (
	// defaultLimit is the maximum number of records of an invoke without limit in the input.
	defaultLimit = 1000
	// unaskedLimit is the same for an operation without an input limit.
	unaskedLimit = 10_000
	// MaxPages is the maximum number of requests of an invoke that lists. It is below the host's own limit, because
	// pages may be empty.
	MaxPages = 500
)

// List describes an operation that reads pages of records.
type List struct {
	Endpoint      string
	Path          []Blank
	Filled        []hostcall.Pair // path parameters that no input fills
	Query         []Param
	More          func(*Call) []hostcall.Pair // query parameters that Param cannot express
	MaxPage       int                         // maximum number of records per request; 0 if the endpoint chooses
	OptionalLimit bool                        // with MaxPage 0: the endpoint accepts a limit, which is sent only after a page was too large
	Records       string                      // path of the array in the body
	Endless       bool                        // there is always a next link: a page that is not full is the last for now
	OnePage       bool                        // an invoke returns one page of any size, always with a cursor
	Next          string                      // path of the next link in the body, or of the token for NextParam
	Omit          []string                    // members that are removed from a record
	Keep          []Param                     // query parameters that the service's next links drop
	Noun          string
	Type          string

	// Resolve returns the path parameters for an input that names an object by name or login.
	Resolve    func(*Call) ([]hostcall.Pair, *Result)
	Warns      func(*Call) []string    // returns warnings for the first page
	UntilEmpty bool                    // an empty page is the end, despite its next link
	Omits      func(*Call, int) string // says what a complete list omits; "" for nothing

	Key     string // path of a record's key, if it is not the operation's
	Keyless bool   // a record without its key is emitted; without Keyless it is an error

	NextParam  string // query parameter for the token at Next
	NextEnd    string // the value at Next on the last page; null, "" and an absent value always mean the end
	Offset     string // query parameter for the number of records before the page, if the list is read so
	PageNumber string // query parameter for the page number, if the list is read so
	FirstPage  int    // number of the first page; 0 means 1

	inWalk
}

// inWalk is set by a walk for the time of a call.
type inWalk struct {
	Kind, Parent string   // what the envelope of emitted records says
	Distinct     []string // as in abi.EmitOptions
}

// Cursor says where a list resumes: after skip records of the page at Link. An empty Link means the first page.
type Cursor struct {
	Link  string
	skip  int
	Small int // pages requested since one was too large; 0 if none was

	Trail  links.Trail // links up to this one
	Circle bool        // the link points to a page that was already read
}

// ReadCursor reads a cursor that Members wrote.
func ReadCursor(v jsonval.Value) Cursor {
	return Cursor{v.Get("l").Str(), int(v.Get("s").Int()), int(v.Get("h").Int()), links.Trail(v.Get("w").Str()), v.Get("c").True()}
}

// follow returns the cursor at the next link.
func (cur Cursor) follow(c *Call, link string) Cursor {
	next := Cursor{Link: link, Small: cur.Small}
	next.Trail, next.Circle = cur.Trail.Step(link, c.Service.PageParam)
	return next
}

// Pager reads one page from a cursor ("" means the start) and emits at most limit of its records (0 means all). The
// result's cursor resumes after them, and is "" at the end; n is the number of emitted records.
type Pager func(c *Call, at string, limit int) (r Result, n int)

// All reads pages up to the input's limit, and emits their records. After a failure it keeps the records, with a cursor
// that resumes there.
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
				last.Warnings = append(warnings, "stopped early, next_cursor resumes: "+r.Err.Message)
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

// limit returns the maximum number of records that an invoke lists.
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

// ReadPage is the Pager of a list.
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

// Members writes the members of a cursor.
func (cur Cursor) Members(w *jsonval.Writer) {
	w.StrIf("l", cur.Link).IntIf("s", int64(cur.skip)).IntIf("h", int64(cur.Small)).StrIf("w", string(cur.Trail)).BoolIf("c", cur.Circle)
}

// Read requests one page and emits its records. next is nil at the end; n is the number of emitted records.
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
	if limit > 0 && l.MaxPage > 0 && !l.numbered() { // a whole page leaves no cursor inside it, which a deleted record would shift
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
	link := ""
	if l.Next != "" {
		var failed *Result
		if link, failed = l.nextInBody(c, resp, ask); failed != nil {
			return *failed, nil, 0
		}
	}
	emit := abi.EmitOptions{Path: l.Records, Want: abi.WantArray, Limit: limit, Skip: cur.skip, Omit: l.Omit, Kind: l.Kind,
		Parent: l.Parent, Distinct: l.Distinct, Key: l.Key, Keyed: !l.Keyless && cmp.Or(l.Key, c.Operation.Key) != ""}
	sum := c.Emit(resp.Body, emit)
	for fewer := cmp.Or(limit, ask) / 2; sum.Limit && fewer > 0; fewer /= 2 { // the rest of the page is read next
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
	if cur.skip+sum.Count < sum.Total { // the limit cut the page: its rest is read next
		rest := cur
		rest.skip += sum.Count
		return r, &rest, sum.Count
	}
	if l.Next == "" {
		link = l.next(c, cur.Link, resp, ask, sum.Total)
	}
	if l.UntilEmpty && (sum.Total == 0 || link == links.WithoutOrigin(links.LinkOf(resp.HeaderValues("link"), "self"))) {
		return r, nil, sum.Count
	}
	if link != "" {
		link = c.keepParams(link, l.Keep)
	} else if l.Endless && sum.Total > 0 && sum.Total >= ask && (limit == 0 || sum.Count < limit) {
		r.Warnings = append(r.Warnings, c.Service.Name+" sent a full page without a next link: there may be more records")
	}
	switch {
	case l.OnePage && !c.Tabled: // the next poll needs a cursor, even if there is nothing new yet
		link = cmp.Or(link, cur.Link)
	case (l.Endless || l.UntilEmpty) && c.Service.PageParam.Same(link, cur.Link) || l.Endless && sum.Total < ask:
		link = ""
	}
	if link == "" {
		return r, nil, sum.Count
	}
	at := cur.follow(c, link)
	if next = &at; l.OnePage && !c.Tabled { // a poll never ends, so it has no trail
		*next = Cursor{Link: link, Small: cur.Small}
	}
	if halved { // the records to skip may exceed the smaller page
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
	link := ""
	if l.Next == "" {
		link = l.next(c, cur.Link, resp, got.Asked, len(keys))
	} else {
		var failed *Result
		if link, failed = l.nextInBody(c, resp, got.Asked); failed != nil {
			return nil, next, failed
		}
	}
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

// sized reports whether the endpoint accepts a limit.
func (l *List) sized() bool { return (l.MaxPage > 0 || l.OptionalLimit) && !l.numbered() }

// keepSmall makes the next request ask for as many records as the last one. Only the link stores that number.
func (cur *Cursor) keepSmall(c *Call, asked int) {
	if cur.Small = 0; asked > 0 {
		req := hostcall.Request{Link: cur.Link}
		c.Service.PageParam.Set(&req, asked)
		cur.Link = req.Link
	}
}

// request returns the request for at most size records of the page at link, or of the first page.
func (l *List) request(c *Call, link string, size int) hostcall.Request {
	if link != "" && l.MaxPage > 0 {
		link = c.Service.PageParam.With(link, size)
	}
	adds := strings.HasPrefix(link, addsToQuery)
	if link != "" && !adds {
		return hostcall.Request{Endpoint: l.Endpoint, Link: link}
	}
	req := hostcall.Request{Endpoint: l.Endpoint, Path: append(c.Blanks(l.Path), l.Filled...), Query: c.Params(l.Query)}
	if l.More != nil {
		req.Query = append(req.Query, l.More(c)...)
	}
	if l.MaxPage > 0 {
		req.Query = append(req.Query, hostcall.Pair{Name: string(c.Service.PageParam), Value: strconv.Itoa(size)})
	}
	if adds {
		addQuery(&req, link)
	}
	return req
}

// sizeAt returns the page size at a cursor. It is the size that the input asks for, or less after a page was too large.
func (l *List) sizeAt(c *Call, cur Cursor) int {
	n, known := c.Service.PageParam.Of(cur.Link)
	switch {
	case l.MaxPage == 0 && !l.OptionalLimit:
		return 0
	case l.MaxPage == 0:
		return n
	case known && l.numbered(): // page 2 of another size begins elsewhere
		return n
	case known && cur.Small > 0:
		return min(n, l.PageSize(c))
	}
	return l.PageSize(c)
}

// LeastPage is the smallest page that is requested after the service took too long. After a page over a limit, even one
// record is.
const LeastPage = 10

// FirstLimit is how many records are requested after a page was too large whose size the service chose.
const FirstLimit = 100

// PageAnswer is the response to a request for a page.
type PageAnswer struct {
	hostcall.Response
	Asked int // how many records the last request asked for
}

// SendPage requests a page of size records. While that is too large, it halves the size. sized says that the endpoint
// accepts a limit. With size 0, no limit is sent until a page was too large.
func (c *Call) SendPage(req *hostcall.Request, size int, sized bool) PageAnswer {
	got := PageAnswer{Asked: size}
	for {
		req.NoRepeat = noRepeat(size, sized)
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

// tooMuch returns the smallest page size to try after a page that was too large. The service took too long, did not
// respond in time, or its response was over a limit. 0 means that a smaller page does not help.
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

// PageFailure is Failure for a page of the smallest size.
func (c *Call) PageFailure(resp hostcall.Response, typ, noun string) Result {
	r := c.Failure(resp, typ, noun)
	if resp.Err != nil && resp.Err.Code == abi.SendTooLarge {
		r.Outcome = abi.Rejected
		r.Err.Message = "even the smallest page is too large. Raise the named limit. " + r.Err.Message
	}
	return r
}

// keepParams adds the input's parameters that a next link lacks.
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

// PageSize returns how many records a request asks for.
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

// SealCursor returns a cursor for this operation and input.
func (c *Call) SealCursor(members func(*jsonval.Writer)) string {
	var w jsonval.Writer
	w.Str("o", c.Operation.Name).Str("i", c.InputMark())
	members(&w)
	return texts.EncodeBase64(w.String())
}

// OpenCursor parses a cursor of this operation and input. An empty cursor has no members.
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

// cursorFits reports whether the input's cursor, if any, belongs to this operation and input.
func (c *Call) cursorFits() bool {
	_, ok := c.OpenCursor(c.Str("cursor"))
	return ok
}

// CursorLink returns the link in the input's cursor, which an invoke of this operation and input returned.
func (c *Call) CursorLink() (link string, ok bool) {
	v, ok := c.OpenCursor(c.Str("cursor"))
	return ReadCursor(v).Link, ok
}

// BadCheckpoint refuses a checkpoint that no source of this operation wrote.
func (c *Call) BadCheckpoint() Result {
	return Fail(abi.Invalid, "checkpoint", "the checkpoint is damaged, or not one of "+c.Operation.Name+
		": give the file that this source wrote, or remove it to start again")
}

// BadCursor refuses a cursor that no list of this operation and input returned.
//
//go:noinline
func (c *Call) BadCursor() Result {
	return Fail(abi.Invalid, "cursor", "the cursor is not one of "+c.Operation.Name+
		" with this input: give the next_cursor of its last result, with the same input")
}

// InputMark identifies the query, so that a cursor is not continued with a different filter. It is not a protection
// against misuse.
func (c *Call) InputMark() string {
	h := uint64(14695981039346656037) // FNV-1a
	for _, in := range c.Operation.Inputs {
		v := c.Input.Get(in.Name)
		switch in.Name {
		case "cursor", "limit", "page_size":
			continue
		}
		if v.Exists() { // an explicit default counts as absent
			if schema, err := jsonval.Parse(in.Schema); err == nil && v.Equal(schema.Get("default")) {
				v = jsonval.Value{}
			}
		}
		for _, b := range []byte(in.Name + "=" + encode.Canonical(v) + ";") {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return strconv.FormatUint(h, 36)
}

// inCircle returns the result of a list whose next link leads back to an earlier page.
func (c *Call) inCircle() Result {
	return Fail(abi.Rejected, "circle", "the next link points back to a page that was already read (a circle), so the rest of the list cannot be read. "+
		"Start again without the cursor. If it happens again, report it to "+c.Service.Name)
}
