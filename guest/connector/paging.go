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

// addsToQuery starts a place in a list that adds parameters to the query of the first page. Services link pages in one
// of these ways:
//
//   - a Link header with rel="next": a List says nothing about it
//   - a link in the body: List.Next is its path
//   - a token in the body, which the next request sends back: List.Next is its path, List.NextParam the query parameter
//   - the number of records before the page: List.Offset is the query parameter
//   - the number of the page: List.PageNumber is the query parameter
//
// A cursor of the last three has the parameters that the next request adds, like a link without a path.
const addsToQuery = "?"

// next returns the place of the page after a response; "" at the end of the list. at is the place of the response's
// page. size is the number of requested records, and total the number of received ones.
func (l *List) next(c *Call, at string, resp hostcall.Response, size, total int) string {
	param, n, steps := l.Offset, 0, total
	if l.numbered() {
		param, n, steps = l.PageNumber, cmp.Or(l.FirstPage, 1), 1
	}
	switch {
	case param == "":
		return links.WithoutOrigin(links.NextLink(resp.HeaderValues("link")))
	case total == 0: // only an empty page is the end: a service may return fewer records than requested
		return ""
	}
	if there, known := links.PageParam(param).Of(at); known {
		n = there
	}
	return l.adding(c, param, strconv.Itoa(n+steps), size)
}

// adding returns the place of a page: the first page's request with a new value of a query parameter.
func (l *List) adding(c *Call, param, value string, size int) string {
	at := addsToQuery + param + "=" + texts.EscapeQuery(value)
	if l.MaxPage > 0 {
		at += "&" + string(c.Service.PageParam) + "=" + strconv.Itoa(size)
	}
	return at
}

// nextInBody returns the place of the next page by the value at Next. Null, an empty text and an absent value mean the
// end. Anything that is neither a link nor a token is an error, because ending there would lose the rest of the list.
func (l *List) nextInBody(c *Call, resp hostcall.Response, size int) (link string, failed *Result) {
	found, why := l.valueAtNext(c, resp)
	switch {
	case why != "":
		return "", c.badNext(resp, why)
	case found == "", found == l.NextEnd:
		return "", nil
	case l.NextParam != "":
		return l.adding(c, l.NextParam, found, size), nil
	}
	link = links.WithoutOrigin(found)
	if strings.HasPrefix(link, addsToQuery) || links.LinkFits(l.Endpoint, link) {
		return link, nil
	}
	return "", c.badNext(resp, "wanted a link to "+l.Endpoint+" at "+l.Next+", found "+jsonval.Quote(texts.Shorten(found))+
		": if that is a token, set the list's NextParam to the query parameter for it")
}

// badNext returns the result for a response without the place of the next page. A repeat would have the same result.
func (c *Call) badNext(resp hostcall.Response, why string) *Result {
	r := c.BadBody(resp, why)
	r.Err.Retryable = false
	return &r
}

// valueAtNext returns the text at Next in a body: a string, a number, or the member href of an object. why says what
// else is there. The body is read into the guest only if the host finds no text and the body is small.
func (l *List) valueAtNext(c *Call, resp hostcall.Response) (text, why string) {
	object := abi.EmitOptions{Path: l.Next, Key: "href"}
	parent, name := "", l.Next
	if i := strings.LastIndexByte(l.Next, '.'); i >= 0 {
		parent, name = l.Next[:i], l.Next[i+1:]
	}
	for _, at := range [...]abi.EmitOptions{{Path: parent, Key: name}, object} {
		if texts, err := c.Keys(resp.Body, at); err == "" && len(texts) == 1 {
			return texts[0], ""
		}
	}
	is := jsonval.None
	if body, small := c.Body(resp); small {
		is = body.At(strings.Split(l.Next, ".")...).Kind()
	} else if c.Count(resp.Body, abi.EmitOptions{Path: l.Next}) > 0 {
		is = jsonval.Object
	}
	switch is {
	case jsonval.None, jsonval.Null, jsonval.String: // an empty string
		return "", ""
	case jsonval.Object, jsonval.Array:
		return "", "wanted a link or a token at " + l.Next + ", found an array, or an object without href"
	}
	return "", "wanted a link or a token at " + l.Next + ", found a boolean"
}

// numbered reports whether the list is read by page numbers. All pages then have the same size.
func (l *List) numbered() bool { return l.PageNumber != "" }

// addQuery adds the parameters of a place in the list to a request. They replace parameters of the same names.
func addQuery(req *hostcall.Request, at string) {
	for part := range strings.SplitSeq(strings.TrimPrefix(at, addsToQuery), "&") {
		name, value, _ := strings.Cut(part, "=")
		value, _ = links.Unescape(value)
		i := 0
		for i < len(req.Query) && req.Query[i].Name != name {
			i++
		}
		if i == len(req.Query) {
			req.Query = append(req.Query, hostcall.Pair{Name: name})
		}
		req.Query[i].Value = value
	}
}
