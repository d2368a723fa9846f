// Package gate decides which writes of an invoke are sent.
package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/mach5/okta-connector/abi"
)

// MaxPlanned is the maximum number of writes in a plan.
const MaxPlanned = 100

// maxRepeats is how often one approved write may be repeated after a refusal, since some refusals are temporary.
const maxRepeats = 8

// Gate decides for each write of an invoke whether it is sent. The zero Gate allows all. It is not safe for
// concurrent use.
type Gate struct {
	Plan        bool                                          // send no write: collect them in Planned
	Planned     []abi.PlannedWrite                            // the writes that would be sent
	States      States                                        // what was read before the first write
	Approved    []abi.PlannedWrite                            // nil allows any write; else only these, in this order
	next        int                                           // index into Approved
	repeats     int                                           // how often the last write was repeated
	Refused     bool                                          // the last write certainly changed nothing
	BeforeWrite func(context.Context, abi.PlannedWrite) error // called before Sending, for the audit
	Sending     func(abi.PlannedWrite) error                  // called before a write is sent; may be nil
}

// Allow refuses a write that was not approved. An approved write is sent once, and again only if it changed nothing.
func (g *Gate) Allow(w abi.PlannedWrite) error {
	if g.Approved == nil {
		return nil
	}
	i := slices.IndexFunc(g.Approved[g.next:], func(a abi.PlannedWrite) bool { return sameWrite(a, w) })
	switch {
	case i >= 0:
		g.next += i + 1 // earlier ones turned out not to be needed
		g.repeats = 0
		return nil
	case g.next > 0 && g.Refused && g.repeats < maxRepeats && sameWrite(g.Approved[g.next-1], w):
		g.repeats++
		return nil
	}
	if g.next == 0 {
		return ErrChanged
	}
	return fmt.Errorf("%s was not approved, and approved writes were sent before it: the module deviates from its plan", w.Endpoint)
}

// ErrChanged is the error for a first write that was not approved, because the state changed after the plan.
var ErrChanged = errors.New("the write is no longer the approved one, because the object changed meanwhile: repeat the invoke to have the new write approved")

func sameWrite(a, b abi.PlannedWrite) bool {
	return a.Endpoint == b.Endpoint && a.Target == b.Target && a.IfMatch == b.IfMatch && bytes.Equal(a.Body, b.Body)
}

// IfMatch returns the If-Match header of a write, or "". A write with another If-Match is not the approved one.
func IfMatch(headers map[string]string) string {
	for name, value := range headers {
		if http.CanonicalHeaderKey(name) == "If-Match" {
			return value
		}
	}
	return ""
}
