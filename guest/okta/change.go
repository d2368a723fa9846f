package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
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
	// check may put another result in the place of success, where the object in the answer is not what was asked for: nil
	// keeps it. It is called where done is nil.
	check func(jsonval.Value) *result
	// refused may put another result in the place of a refusal's (a repeat that Okta calls an error). Nil keeps it.
	refused func(result) result
	// look reads back whether the wanted state holds, and the result's output where it does. It must not take a state
	// for the write's that could have been there before it: what looked first knows.
	look func() (reading, result)
	// trace is when Okta last changed what the write changes, as read before it: RFC 3339, or empty where Okta keeps
	// none. An earlier run's write that took effect and was undone since shows in nothing else.
	trace string
	// again says before a repeat, after a refusal that passes by itself, what is in its way now; nil where nothing is. Nil
	// repeats as it is.
	again func() *result
	// effects are what the write does to other objects than its own. They are warnings of a plan and of the result.
	effects []string
	final   bool // the effect cannot be undone, so that its absence says that the write did nothing
	once    bool // never sent again without a trace, however soon: it gives power
}

// reading is what a look told.
type reading int

const (
	untold    reading = iota // it could not be told this time
	blind                    // no reading will tell: what the write does cannot be seen, or was there before it
	absent                   // the wanted state does not hold
	precluded                // nor can it: what is there was there before, so that Okta refused the write. The look's result says so
	holds
)

// change sends a write and ends it in exactly one outcome.
func (c *call) change(ch change) result {
	r := c.sendChange(ch)
	if r.outcome == abi.Succeeded || r.outcome == abi.Unknown {
		r.warnings = append(r.warnings, ch.effects...)
	}
	return r
}

func (c *call) sendChange(ch change) result {
	if c.settling {
		// The write of an earlier run may have left: it counts, if its effect is there. What cannot be told is not
		// sent again.
		is, r := c.settle(ch.look, workingTime-c.sinceWrite())
		const ended = "the run that sent it ended before its answer"
		switch {
		case is == holds:
			return c.reconciled(r)
		case is == precluded:
			c.settling = false // it is: the write did nothing
			return r
		case is != absent:
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended}}, ch.what)
		case !c.untouched(ch):
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended + ", and somebody may have changed the object afterwards"}}, ch.what)
		}
		c.settling = false
	}
	if c.showing && !c.wrote {
		c.show(ch.request)
	}
	shown := c.showing
	c.showing = false
	c.asked = c.oktaNow
	resp := c.send(ch.request)
	patience := int64(laggingTime)
	switch {
	case resp.Planned:
		if !c.planning && !shown {
			c.show(ch.request)
		}
		c.planning = true
		return result{outcome: abi.Succeeded}
	case ok(resp) && !c.answers(resp, ch): // a proxy's, whatever its status says
	case ok(resp) && ch.done != nil:
		r := ch.done(resp)
		c.wrote = c.wrote || r.outcome.OK()
		return r
	case ok(resp):
		if object, isJSON := c.Body(resp); isJSON && ch.check != nil {
			if refused := ch.check(object); refused != nil {
				return *refused
			}
		}
		if s := c.Emit(resp.Body, abi.EmitOptions{Want: abi.WantObject, Key: "id"}); s.Err == "" {
			c.wrote = true
			return result{outcome: abi.Succeeded}
		}
	case !c.uncertain(resp):
		r := c.failure(resp, ch.typ, ch.noun)
		if ch.refused != nil {
			r = ch.refused(r)
		}
		return r
	case unanswered(resp):
		patience = workingTime
	}
	switch is, r := c.settle(ch.look, patience); is {
	case holds:
		return c.reconciled(r)
	case precluded:
		return r
	case absent:
		return c.notDone(resp, ch.undone)
	}
	return c.lost(resp, ch.what)
}

// show reads the objects that a write is about and that were not read for it, so that a plan or an audit can show them. Whether
// that works does not matter to the write.
func (c *call) show(req hostcall.Request) {
	readers := [...]struct {
		kind     string
		endpoint abi.Endpoint
		typ      string
	}{{"users", getUser, "User"}, {"groups", getGroup, "UserGroup"}, {"apps", getApp, "AppInstance"}}
	body, _ := jsonval.Parse(req.Body)
	_, template, _ := strings.Cut(req.Endpoint, " ")
	segments := strings.Split(template, "/")
	if strings.Contains(template, "/factors/") { // a factor is shown by itself
		return
	}
	for i, segment := range segments {
		for _, r := range readers {
			id := ""
			switch name, blank := abi.Blank(segment); {
			case blank && segments[i-1] == r.kind:
				for _, p := range req.Path {
					if p.Name == name {
						id = p.Value
					}
				}
			case i == len(segments)-1 && segment == r.kind && strings.HasPrefix(template, "/api/v1/apps/"): // an assignment names its user in the body
				id = body.Get("id").Str()
			}
			granted := slices.ContainsFunc(c.op.endpoints, func(e abi.Endpoint) bool { return e.Endpoint == r.endpoint.Endpoint })
			if id != "" && granted && !slices.Contains(c.objects, id) {
				_, blank, _ := strings.Cut(r.endpoint.Endpoint, "{")
				_, _ = c.object(hostcall.Request{Endpoint: r.endpoint.Endpoint, Path: at(strings.TrimSuffix(blank, "}"), id)}, r.typ, r.kind)
			}
		}
	}
}

// reconciled is a write that got no answer and whose effect is there.
func (c *call) reconciled(r result) result {
	c.wrote = true
	r.outcome, r.reconciled = abi.Succeeded, true
	return r
}

// sinceWrite is how long ago the write of an earlier run was about to leave, by Okta's clock, in milliseconds; 0 where
// that is not known.
func (c *call) sinceWrite() int64 {
	if c.since == 0 || c.oktaNow <= c.since {
		return 0
	}
	return int64(c.oktaNow - c.since)
}

// reachTime is how long after a write of which Okta keeps no trace its absence says that it did nothing, in
// milliseconds. Later, somebody may have undone it.
const reachTime = 5 * 60_000

// untouched reports whether the absence of a change says that the write of an earlier run did nothing, so that it may be
// sent again. Where nothing tells, it may not.
func (c *call) untouched(ch change) bool {
	switch {
	case ch.final:
		return true
	case c.since == 0:
		return false
	case ch.trace == "":
		return !ch.once && c.oktaNow >= c.since && c.sinceWrite() <= reachTime
	}
	at, ok := parseInstant(ch.trace)
	return ok && at < c.since
}

// maker is whose work an object is.
type maker int

const (
	anybody maker = iota // it could not be told
	us                   // this invoke: this run, or an earlier one whose write left at c.since
	another              // it was there before
)

// madeBy tells whose work an object is that was created then, by Okta's clock. A reading can miss what is there, so that
// to have seen none before does not make it ours.
func (c *call) madeBy(created string) maker {
	const (
		longestCall = 15 * 60_000
		skew        = 60_000 // between Okta's clocks
	)
	since := c.asked
	if c.resumed {
		since = c.since
	}
	at, ok := parseInstant(created)
	switch {
	case !ok || since == 0:
	case at >= since && (!c.resumed || at <= since+longestCall): // what is much younger is somebody else's
		return us
	case at < since-skew:
		return another
	}
	return anybody
}

// madeByUs reports whether an object that was created then can be the work of this invoke.
func (c *call) madeByUs(created string) bool { return c.madeBy(created) == us }

// targets are the ids that the target of an earlier run's write had, and the write's endpoint.
type targets struct{ user, group, factor, zone, endpoint string }

// boundTo reads a settle_target. Okta's paths name the kind of each id.
func boundTo(v jsonval.Value) (t targets) {
	t.endpoint = v.Get("endpoint").Str()
	_, path, _ := strings.Cut(t.endpoint, " ")
	kind := ""
	for _, segment := range strings.Split(path, "/") {
		if strings.HasPrefix(segment, "{") {
			id := v.Get("path", strings.Trim(segment, "{}")).Str()
			switch kind {
			case "users":
				t.user = id
			case "groups":
				t.group = id
			case "factors":
				t.factor = id
			case "zones":
				t.zone = id
			}
		}
		kind = segment
	}
	if kind == "users" && strings.HasPrefix(path, "/api/v1/apps/") { // an assignment names its user in the body
		t.user = v.Get("body").Str()
	}
	return t
}

func (t targets) of(input string) string {
	switch input {
	case "user":
		return t.user
	case "group":
		return t.group
	case "factor":
		return t.factor
	case "zone":
		return t.zone
	}
	return ""
}

// answers reports whether a 2xx is Okta's own: with its request id, or of its objects' shape where something between
// takes headers away. A sign-in page, a gateway that says that all is well, and an error's body with a status of success are
// no answers, and say nothing.
func (c *call) answers(resp hostcall.Response, ch change) bool {
	byOkta := resp.Header("x-okta-request-id") != ""
	switch {
	case strings.HasPrefix(ch.request.Endpoint, "DELETE "):
		return byOkta && resp.Body == 0
	case resp.Body == 0:
		return byOkta && ch.done != nil
	case resp.Length > maxAnswer:
		return byOkta
	}
	v, isJSON := c.Body(resp)
	made := v.Get("id").Str() != ""
	shaped := made && (v.Get("created").Exists() || v.Get("lastUpdated").Exists() || v.Get("_links").Exists()) || credentials(v) != ""
	return isJSON && v.Kind() == jsonval.Object && v.Get("errorCode").Str() == "" && (byOkta || shaped) && (made || ch.done != nil)
}

// agreed is a write that Okta took and whose effect did not show in what was read after it: reading on may find it.
func (c *call) agreed(look func() (reading, result), what string) result {
	if is, r := c.settle(look, laggingTime); is == holds {
		r.outcome = abi.Succeeded
		return r
	}
	return fail(abi.Unknown, string(abi.Unknown), what+": Okta took it, and what it should have changed does not show. Look at the object before you repeat it")
}

// seen is a write that Okta took, and whose output says what is there afterwards: that is read, where it can be.
func (c *call) seen(look func() (reading, result), output, what string) result {
	switch is, r := look(); is {
	case holds:
		r.outcome = abi.Succeeded
		return r
	case absent:
		return c.agreed(look, what)
	case untold:
		return result{outcome: abi.Succeeded, output: output, warnings: []string{"Okta took it, and what came of it could not be read"}}
	}
	return result{outcome: abi.Succeeded, output: output}
}

// maxAnswer is the size up to which the answer of a write is looked into, in bytes.
const maxAnswer = 64 << 10

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
		if ch.again == nil {
			continue
		}
		if stands := ch.again(); stands != nil {
			return *stands
		}
	}
}

// uncertain reports whether a write may or may not have taken effect: sent, and no answer that tells. A refusal tells
// where it is Okta's. A gateway may have passed on what it then answers 408 or 404 to.
func (c *call) uncertain(r hostcall.Response) bool {
	switch {
	case r.Err != nil:
		return r.Err.Sent
	case r.Status == 429:
		return false
	case r.Status >= 400 && r.Status < 500, r.Status == notImplemented:
		return !c.readError(r).ofOkta()
	}
	return r.Status < 200 || r.Status >= 300
}

// unanswered reports whether Okta may still be at work on a write: nothing came back, or a gateway answered that got
// nothing from those behind it.
func unanswered(r hostcall.Response) bool {
	switch r.Status {
	case 408, 499, 502, 504:
		return true
	}
	return r.Err != nil
}

// How long to go on reading before an effect that does not show counts as absent, in milliseconds.
const (
	laggingTime = 5_000  // Okta answered: what it did shows within seconds, in lists too
	workingTime = 35_000 // it did not: it works on a request for 30 seconds at most (then it answers 500 E0000009)
)

// settlePause is the longest pause between two readings back, in milliseconds.
const settlePause = 8_000

// settle reads back until the wanted state shows, or patience, in milliseconds, is at its end. absent means that the
// last of all readings said so.
func (c *call) settle(look func() (reading, result), patience int64) (is reading, r result) {
	for pause := int64(500); ; pause = min(2*pause, settlePause) {
		if is, r = look(); is == holds || is == precluded || is == blind || patience <= 0 {
			return is, r
		}
		pause = min(pause, patience)
		if !c.Wait(pause) {
			return untold, r // too little time to be sure
		}
		patience -= pause
	}
}

// why says what stands in the place of an answer.
func (c *call) why(r hostcall.Response) (text string, upstream *abi.Upstream) {
	if r.Err != nil {
		return r.Err.Message, upstreamOf(r.Err)
	}
	e := c.readError(r)
	return e.says(), &e.Upstream
}

// notDone is a write that got no answer and, by reading back, did nothing.
func (c *call) notDone(r hostcall.Response, undone string) result {
	why, upstream := c.why(r)
	e := abi.Error{Code: string(abi.Unavailable), Retryable: true, Message: undone + " (read back): " + why, Upstream: upstream}
	if r.Err == nil && r.Status >= 400 && r.Status < 500 {
		e.Code, e.Retryable = notOkta, r.Status == 408 || r.Status == 425 || r.Status == 499
		e.Message += ". That is not Okta's answer: is base_url right, and what is in between?"
	}
	return result{outcome: abi.Unavailable, reconciled: true, err: &e}
}

// unsettled is what comes of a run that was to settle an earlier one's write and did not get as far: that it did nothing
// itself says nothing of that write.
func unsettled(r result) result {
	e := *r.err
	e.Message = "an earlier run with this key ended when its write may have left, and what became of it could not be told: " + e.Message
	if !e.Retryable {
		e.Message += ". Look at the object, and take a new key"
	}
	r.outcome, r.err = abi.Unknown, &e
	return r
}

// lost is a write whose fate stays open.
func (c *call) lost(r hostcall.Response, what string) result {
	why, upstream := c.why(r)
	return result{outcome: abi.Unknown, err: &abi.Error{Code: string(abi.Unknown), Upstream: upstream,
		Message: what + ": the request was sent, but whether it took effect could not be told (" + why +
			"). Look at the object before you repeat it"}}
}
