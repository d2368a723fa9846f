package okta

import (
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// gathering is a list that an operation reads to look something up in it, instead of giving it out.
type gathering struct {
	req       hostcall.Request
	size      int // records a page; 0 leaves that to Okta, until a page was too heavy
	most      int // pages
	what      string
	typ, noun string                               // of a 404
	check     func(resp hostcall.Response) *result // refuses an answer; nil takes all
}

// gather reads the pages of a list. An object that is on two pages, which shift while they are read, is there once. left
// says that there are more pages than may be read. With a failure comes what was read before it.
func (c *call) gather(g gathering) (all []jsonval.Value, left bool, failed *result) {
	seen := map[string]bool{}
	var followed trail
	req, size := g.req, g.size
	for range g.most {
		got := c.sendShrinking(&req, size, true)
		size = got.asked
		if !ok(got.Response) {
			r := c.pageFailure(got.Response, g.typ, g.noun)
			return all, false, &r
		}
		if g.check != nil {
			if failed = g.check(got.Response); failed != nil {
				return all, false, failed
			}
		}
		page, failed := c.array(got.Response, g.what)
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
		link := withoutOrigin(nextLink(got.HeaderValues("link")))
		if link == "" || samePage(link, req.Link) {
			return all, false, nil
		}
		var again bool
		if followed, again = followed.step(link); again {
			r := inCircle()
			r.err.Message = "the next link of the " + g.what + " leads back to a page that was read before, in a circle, so that the rest of them cannot be reached. If that lasts, report it to Okta"
			return all, false, &r
		}
		req = hostcall.Request{Endpoint: g.req.Endpoint, Link: link}
		if size > 0 && size != g.size { // as few as Okta had time for
			setLimit(&req, size)
		}
	}
	return all, true, nil
}
