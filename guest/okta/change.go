package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
)

// change is one write. It leaves once; where its answer is lost, reading back settles what became of it.
type change struct {
	request   hostcall.Request
	noun, typ string // the operation's own target, as in failure
	what      string // names the write in a message: "deactivating 00u1"
	undone    string // says what a reading back found when the write did nothing: "the user was not created"

	// done makes the result of an answer that Okta took. Nil emits the answer's body as the output; a body that is no
	// JSON is then read back, as a lost answer is.
	done func(hostcall.Response) result
	// refused may put another result in the place of a refusal's (a repeat that Okta calls an error). Nil keeps it.
	refused func(result) result
	// look reads back whether the wanted state holds, and the result's output where it does. It must not take a state
	// for the write's that could have been there before it: what looked first knows.
	look func() (reading, result)
}

// reading is what a look told.
type reading int

const (
	untold reading = iota // it could not be told
	absent                // the wanted state does not hold
	holds
)

// change sends a write and ends it in exactly one outcome.
func (c *call) change(ch change) result {
	if c.settling {
		// The write of an earlier run may have left: it counts, if its effect is there. What cannot be told is not
		// sent again.
		switch is, r := c.settle(ch.look); is {
		case holds:
			r.outcome, r.reconciled = abi.Succeeded, true
			return r
		case untold:
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: "the run that sent it ended before its answer"}}, ch.what)
		}
		c.settling = false
	}
	resp := c.send(ch.request)
	switch {
	case resp.Planned:
		c.planning = true
		return result{outcome: abi.Succeeded}
	case ok(resp) && ch.done != nil:
		return ch.done(resp)
	case ok(resp):
		if s := c.Emit(resp.Body, abi.EmitOptions{}); s.Err == "" {
			return result{outcome: abi.Succeeded}
		}
	case !uncertain(resp):
		r := c.failure(resp, ch.typ, ch.noun)
		if ch.refused != nil {
			r = ch.refused(r)
		}
		return r
	}
	switch is, r := c.settle(ch.look); is {
	case holds:
		r.outcome, r.reconciled = abi.Succeeded, true
		return r
	case absent:
		return c.notDone(resp, ch.undone)
	}
	return c.lost(resp, ch.what)
}

// insistDelays are the pauses while Okta refuses a change for now, in milliseconds: another is under way, or the object
// is still being set up.
var insistDelays = [...]int64{500, 1000, 2000, 4000}

// insist is change for what Okta may refuse for a moment. Nothing was done where it refused.
func (c *call) insist(ch change) result {
	for attempt := 0; ; attempt++ {
		r := c.change(ch)
		if r.outcome != abi.Rejected || !r.err.Retryable || attempt == len(insistDelays) || !c.Wait(insistDelays[attempt]) {
			return r
		}
	}
}

// uncertain reports whether a write may or may not have taken effect: sent, and no answer that tells.
func uncertain(r hostcall.Response) bool {
	if r.Err != nil {
		return r.Err.Sent
	}
	return r.Status >= 500 && r.Status != notImplemented
}

// settleDelays are the pauses before each reading back, in milliseconds: Okta may still be at work on a request whose
// connection broke.
var settleDelays = [...]int64{0, 500, 1500, 3000}

// settle reads back until the wanted state shows. absent means that the last of all readings said so.
func (c *call) settle(look func() (reading, result)) (is reading, r result) {
	for _, ms := range settleDelays {
		if ms > 0 && !c.Wait(ms) {
			return untold, r // too little time to be sure
		}
		if is, r = look(); is == holds {
			break
		}
	}
	return is, r
}

// why says what stands in the place of an answer.
func (c *call) why(r hostcall.Response) (text string, upstream *abi.Upstream) {
	if r.Err != nil {
		return r.Err.Message, nil
	}
	e := c.readError(r)
	return e.says(), &e.Upstream
}

// notDone is a write that got no answer and, by reading back, did nothing.
func (c *call) notDone(r hostcall.Response, undone string) result {
	why, upstream := c.why(r)
	return result{outcome: abi.Unavailable, reconciled: true, err: &abi.Error{Code: string(abi.Unavailable), Retryable: true,
		Message: undone + " (read back): " + why, Upstream: upstream}}
}

// lost is a write whose fate stays open.
func (c *call) lost(r hostcall.Response, what string) result {
	why, upstream := c.why(r)
	return result{outcome: abi.Unknown, err: &abi.Error{Code: string(abi.Unknown), Upstream: upstream,
		Message: what + ": the request was sent, but whether it took effect could not be told (" + why +
			"). Look at the object before you repeat it"}}
}
