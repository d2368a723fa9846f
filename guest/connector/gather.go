package connector

import (
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Gathering is a list that an operation searches instead of emitting it.
type Gathering struct {
	Request    hostcall.Request
	Size       int // records per page; 0 lets the service choose, until a page is too large
	Most       int // maximum number of pages
	What       string
	Type, Noun string                               // as in Failure
	Check      func(resp hostcall.Response) *Result // refuses a response; nil accepts all
}

// Gather reads the pages of a list. An object on two pages, which shift while they are read, is returned once. left
// says that there are more pages than Most. A failure comes with the objects read before it.
func (c *Call) Gather(g Gathering) (all []jsonval.Value, left bool, failed *Result) {
	seen := map[string]bool{}
	var followed links.Trail
	req, size := g.Request, g.Size
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
		page, failed := c.Array(got.Response, g.What)
		if failed != nil {
			return all, false, failed
		}
		for o := range page.Elements() {
			id := o.Get("id").Str()
			if id != "" && seen[id] {
				continue
			}
			seen[id] = true
			all = append(all, o)
		}
		link := links.WithoutOrigin(links.NextLink(got.HeaderValues("link")))
		if link == "" {
			return all, false, nil
		}
		var again bool
		if followed, again = followed.Step(link, c.Service.PageParam); again {
			r := c.inCircle()
			r.Err.Message = "the next link of the " + g.What + " points back to a page that was already read (a circle), so the rest cannot be read. If it happens again, report it to " + c.Service.Name
			return all, false, &r
		}
		req = hostcall.Request{Endpoint: g.Request.Endpoint, Link: link}
		if size > 0 && size != g.Size { // as few as the last page
			c.Service.PageParam.Set(&req, size)
		}
	}
	return all, true, nil
}
