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

// MaxHeld is the limit of writes in a plan.
const MaxHeld = 100

// maxRepeats is how often one approved write may be sent again after it was refused: some refusals are temporary.
const maxRepeats = 8

// Gate is what an invoke's writes pass before they are sent. The zero Gate lets them pass. It is not safe for concurrent use.
type Gate struct {
	Plan     bool                                          // no write is sent: they are collected in Held
	Held     []abi.PlannedWrite                            // as they would be sent
	States   States                                        // what was read before the first write
	Approved []abi.PlannedWrite                            // nil allows any write; else only these, in this order
	next     int                                           // index into Approved
	repeats  int                                           // of the last write that was sent
	Refused  bool                                          // the last write certainly changed nothing
	Intent   func(context.Context, abi.PlannedWrite) error // runs before Sending: the audit records the first write and each target
	Sending  func(abi.PlannedWrite) error                  // runs before a write is sent; may be nil
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
	return fmt.Errorf("%s was not approved, after what was: the module does something else", w.Endpoint)
}

// ErrChanged is the error of a first write that was not approved: the state has changed since the plan.
var ErrChanged = errors.New("the write that this needs now is not the one that was approved, since somebody changed the object: repeat it, to have the new one approved")

func sameWrite(a, b abi.PlannedWrite) bool {
	return a.Endpoint == b.Endpoint && a.Target == b.Target && a.IfMatch == b.IfMatch && bytes.Equal(a.Body, b.Body)
}

// IfMatch returns the If-Match header of a write, "" for none. A write for another state was not approved.
func IfMatch(headers map[string]string) string {
	for name, value := range headers {
		if http.CanonicalHeaderKey(name) == "If-Match" {
			return value
		}
	}
	return ""
}
