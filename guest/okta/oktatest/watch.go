package oktatest

import (
	"maps"
	"net/http"
)

// Exchange is one request and the org's answer.
type Exchange struct {
	Request *http.Request // its body was already read
	Body    []byte        // the request's body
	Status  int
	Header  http.Header
	Answer  []byte // not compressed
}

// Watch sees every exchange of every org that is created after Watch was set. A TestMain sets it, to cover all tests of
// a package. It is called before the answer is sent, concurrently, and must not keep its argument. It does not see what
// is not Okta's: unknown paths, answers of faults, and the log of an org with events of AppendEvent. It sees an answer
// that a fault then loses. Default nil.
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
