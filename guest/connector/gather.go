package connector

import (
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Gathering is a list that an operation reads to look something up in it, instead of giving it out.
type Gathering struct {
	Request    hostcall.Request
	Size       int // records a page; 0 leaves that to the service, until a page was too heavy
	Most       int // pages
	What       string
	Type, Noun string                               // of a 404
	Check      func(resp hostcall.Response) *Result // refuses an answer; nil takes all
}

// Gather reads the pages of a list. An object that is on two pages, which shift while they are read, is there once. left
// says that there are more pages than may be read. With a failure comes what was read before it.
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
			r.Err.Message = "the next link of the " + g.What + " leads back to a page that was read before, in a circle, so that the rest of them cannot be reached. If that lasts, report it to " + c.Service.Name
			return all, false, &r
		}
		req = hostcall.Request{Endpoint: g.Request.Endpoint, Link: link}
		if size > 0 && size != g.Size { // as few as the service had time for
			c.Service.PageParam.Set(&req, size)
		}
	}
	return all, true, nil
}
