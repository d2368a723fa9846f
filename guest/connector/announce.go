package connector

import "github.com/mach5/okta-connector/guest/hostcall"

// Announce tells the host that the list will be read from its beginning. The host can send the first request already. The
// next request carries that. Call it only if Announces reports true, and if the list will be read with no limit below a page.
func (c *Call) Announce(l *List) {
	size := l.sizeAt(c, Cursor{})
	req := l.request(c, "", size)
	req.NoRepeat = noRepeat(size, l.sized())
	if c.Unsendable(req) == nil {
		c.announced = append(c.announced, req)
	}
}

// attachAnnounced makes a request, which has the credential, carry what was announced.
func (c *Call) attachAnnounced(req *hostcall.Request) {
	req.Announce, c.announced = c.announced, nil
	for i := range req.Announce {
		req.Announce[i].Sign = req.Sign
		if !req.Sign {
			req.Announce[i].Headers = append(req.Announce[i].Headers, c.auth)
		}
	}
}

// noRepeat reports whether a page that times out is asked for in a smaller size instead.
func noRepeat(size int, sized bool) bool { return sized && (size == 0 || size/2 >= LeastPage) }
