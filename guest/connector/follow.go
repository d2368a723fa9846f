package connector

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// followPauseMS is how long a source waits after it has caught up, in milliseconds.
const followPauseMS = 10_000

// Follow is the Source of a list whose new records are added at its end, such as an event log. It reads the page at a
// checkpoint and emits its records. At the end of the list it stores the last page and the number of its emitted
// records. The next call reads that page again and emits the new ones. If the service moves records between pages, a
// record can be emitted twice, with the same key.
func (l *List) Follow(c *Call, checkpoint jsonval.Value) (p Page) {
	at := Cursor{}
	if checkpoint.Kind() == jsonval.Object {
		at = ReadCursor(checkpoint)
		if checkpoint.Get("v").Raw() != "1" || checkpoint.Get("i").Str() != c.InputMark() || at.skip < 0 ||
			at.Link != "" && !strings.HasPrefix(at.Link, addsToQuery) && !links.LinkFits(l.Endpoint, at.Link) {
			p.Result = c.BadCheckpoint()
			return p
		}
	}
	r, next, n := l.Read(c, at, 0)
	r.List = false
	p.Result = r
	if r.Outcome != abi.Succeeded {
		return p
	}
	if next == nil {
		at.skip += n
		next, p.CaughtUp, p.PollAfterMS = &at, true, followPauseMS
	}
	var w jsonval.Writer
	next.Members(w.Int("v", 1).Str("i", c.InputMark()))
	p.Checkpoint = w.String()
	return p
}
