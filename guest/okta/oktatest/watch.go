package oktatest

import (
	"maps"
	"net/http"
)

// Exchange is one request, and what the org answers to it.
type Exchange struct {
	Request *http.Request // its body is read already
	Body    []byte        // of the request
	Status  int
	Header  http.Header
	Answer  []byte // not compressed
}

// Watch sees every exchange of every org that is made after it was set; a TestMain sets it, so that no test of a package
// goes unseen. It is called before the answer is sent, from many goroutines at once, and must not keep what it is given.
// What is not Okta's is not shown: paths that the API does not have, what faults put in front of it, and the log of an
// org that AppendEvent put events into. An answer that a fault then loses is shown. Default nil.
var Watch func(Exchange)

func (o *Org) show(c *call, e *endpoint, a answer) {
	if o.watch == nil || e == nil || a.foreign || e.bucket == "/api/v1/logs" && o.log.hasGiven() {
		return
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if a.status == http.StatusNoContent {
		header = http.Header{}
	}
	maps.Copy(header, a.header)
	o.watch(Exchange{Request: c.Request, Body: c.body, Status: a.status, Header: header, Answer: a.body})
}
