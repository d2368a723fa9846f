package connector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Gathering is a list that an operation searches instead of emitting it.
type Gathering struct {
	Request    hostcall.Request
	Size       int    // records per page; 0 lets the service choose, until a page is too large
	Most       int    // maximum number of pages
	Key        string // path of an object's id; "" is "id"
	List       *List  // says where the records and the next page are in an answer; nil is an array and a Link header
	What       string
	Type, Noun string                               // as in Failure
	Check      func(resp hostcall.Response) *Result // refuses a response; nil accepts all
}

// Gather reads the pages of a list. An object on two pages, which shift while they are read, is returned once. left
// says that there are more pages than Most. A failure comes with the objects read before it.
func (c *Call) Gather(g Gathering) (all []jsonval.Value, left bool, failed *Result) {
	seen := map[string]bool{}
	var followed links.Trail
	req, size, at := g.Request, g.Size, ""
	list := List{}
	if g.List != nil {
		list = *g.List
	}
	list.Endpoint = g.Request.Endpoint
	for range g.Most {
		got := c.SendPage(&req, size, true)
		size = got.Asked
		if !OK(got.Response) {
			r := c.PageFailure(got.Response, g.Type, g.Noun)
			return all, false, &r
		}
		if g.Check != nil {
			if failed = g.Check(got.Response); failed != nil {
				return all, false, failed
			}
		}
		page, failed := c.arrayAt(got.Response, list.Records, g.What)
		if failed != nil {
			return all, false, failed
		}
		total := 0
		for o := range page.Elements() {
			total++
			id := TextAt(o, cmp.Or(g.Key, list.Key, defaultKey))
			if id != "" && seen[id] {
				continue
			}
			seen[id] = true
			all = append(all, o)
		}
		link := ""
		if list.Next == "" {
			link = list.next(c, at, got.Response, size, total)
		} else if link, failed = list.nextInBody(c, got.Response, size); failed != nil {
			return all, false, failed
		}
		if link == "" {
			return all, false, nil
		}
		var again bool
		if followed, again = followed.Step(link, c.Service.PageParam); again {
			r := c.inCircle()
			r.Err.Message = "the next link of the " + g.What + " points back to a page that was already read (a circle), so the rest cannot be read. If it happens again, report it to " + c.Service.Name
			return all, false, &r
		}
		if at = link; strings.HasPrefix(link, addsToQuery) {
			req = g.Request
			req.Query = slices.Clone(req.Query)
			addQuery(&req, link)
		} else {
			req = hostcall.Request{Endpoint: g.Request.Endpoint, Link: link}
		}
		if size > 0 && size != g.Size { // as few as the last page
			c.Service.PageParam.Set(&req, size)
		}
	}
	return all, true, nil
}
