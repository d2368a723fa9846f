package connector

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Change describes one write. Call.Change sends its request once. When the answer is lost, it reads back what the write did.
type Change struct {
	Request    hostcall.Request
	Noun, Type string // the operation's own target, as in Get
	What       string // names the write in a message: "deactivating 00u1"
	Undone     string // says what a write that had no effect did not do: "the user was not created"

	// Done returns the result of a successful answer. Nil emits the answer's body as the output. A body that is not JSON is then
	// read back, as after a lost answer.
	Done func(hostcall.Response) Result
	// Check returns another result where the object in a successful answer is not what was asked for, else nil. It is called
	// only without Done.
	Check func(jsonval.Value) *Result
	// Refused returns the result of a refusal, such as Unchanged for a repeat that the service calls an error. Nil keeps it.
	Refused func(Result) Result
	// Look reads back whether the wanted state holds, and returns the output if it does. It must not return Holds for a state
	// that the write may have found: the operation looked before it wrote, and knows.
	Look func() (Reading, Result)
	// Trace is when the service last changed what the write changes, as read before it: RFC 3339, or empty where the service keeps
	// none. An earlier run's write that took effect and was undone since shows in nothing else.
	Trace string
	// Again is called before ChangePatiently sends the request once more. It returns a result to end with instead, or nil. A nil
	// function sends the request again.
	Again func() *Result
	// Effects are what the write does to other objects, a sentence each. They are warnings of a plan and of the result.
	Effects []string
	Final   bool // nobody can undo the effect: if it is absent, the write did nothing
	Once    bool // without a Trace, never sent again, since it gives somebody power
}

// Reading says whether the wanted state of a write holds.
type Reading int

// The readings.
const (
	Unclear   Reading = iota // this reading failed
	Blind                    // no reading can show it: the effect is invisible, or was there before the write
	Absent                   // the wanted state does not hold
	Precluded                // it cannot hold: the service refused the write for what was there before. The look's result says so
	Holds                    // the wanted state holds
)

// Change sends a write and ends it in exactly one outcome.
func (c *Call) Change(ch Change) Result {
	r := c.sendChange(ch)
	if r.Outcome == abi.Succeeded || r.Outcome == abi.Unknown {
		r.Warnings = append(r.Warnings, ch.Effects...)
	}
	return r
}

func (c *Call) sendChange(ch Change) Result {
	if c.Settling {
		// The write of an earlier run may have left: it counts, if its effect is there. What cannot be told is not
		// sent again.
		is, r := c.Settle(ch.Look, WorkingTime-c.sinceWrite())
		const ended = "the run that sent it ended before its answer"
		switch {
		case is == Holds:
			return c.Reconcile(r)
		case is == Precluded:
			c.Settling = false // it is: the write did nothing
			return r
		case is != Absent:
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended}}, ch.What)
		case !c.untouched(ch):
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended + ", and somebody may have changed the object afterwards"}}, ch.What)
		}
		c.Settling = false
	}
	if c.showing && !c.Wrote {
		c.show(ch.Request)
	}
	shown := c.showing
	c.showing = false
	c.asked = c.ServerNow
	resp := c.SendWithToken(ch.Request)
	patience := int64(LaggingTime)
	switch {
	case resp.Planned:
		if !c.Planning && !shown {
			c.show(ch.Request)
		}
		c.Planning = true
		return Result{Outcome: abi.Succeeded}
	case OK(resp) && !c.answers(resp, ch): // a proxy's, whatever its status says
	case OK(resp) && ch.Done != nil:
		r := ch.Done(resp)
		c.Wrote = c.Wrote || r.Outcome.OK()
		return r
	case OK(resp):
		if object, isJSON := c.Body(resp); isJSON && ch.Check != nil {
			if refused := ch.Check(object); refused != nil {
				return *refused
			}
		}
		if s := c.Emit(resp.Body, abi.EmitOptions{Want: abi.WantObject, Key: "id"}); s.Err == "" {
			c.Wrote = true
			return Result{Outcome: abi.Succeeded}
		}
	case !c.uncertain(resp):
		r := c.Failure(resp, ch.Type, ch.Noun)
		if ch.Refused != nil {
			r = ch.Refused(r)
		}
		return r
	case unanswered(resp):
		patience = WorkingTime
	}
	switch is, r := c.Settle(ch.Look, patience); is {
	case Holds:
		return c.Reconcile(r)
	case Precluded:
		return r
	case Absent:
		return c.notDone(resp, ch.Undone)
	}
	return c.lost(resp, ch.What)
}

// show reads the objects that a write is about and that were not read for it, so that a plan or an audit can show them. Whether
// that works does not matter to the write.
func (c *Call) show(req hostcall.Request) {
	_, template, _ := strings.Cut(req.Endpoint, " ")
	segments := strings.Split(template, "/")
	for _, o := range c.Service.Objects {
		if o.Alone && slices.Contains(segments[:len(segments)-1], o.Segment) {
			return
		}
	}
	body, _ := jsonval.Parse(req.Body)
	for i, segment := range segments {
		for _, o := range c.Service.Objects {
			id := ""
			switch name, blank := abi.Blank(segment); {
			case o.Read == "":
			case blank && segments[i-1] == o.Segment:
				for _, p := range req.Path {
					if p.Name == name {
						id = p.Value
					}
				}
			case i == len(segments)-1 && segment == o.Segment && o.isInBody(template):
				id = body.Get("id").Str()
			}
			granted := slices.ContainsFunc(c.Operation.Endpoints, func(e *abi.Endpoint) bool { return e.Endpoint == o.Read })
			if id != "" && granted && !slices.Contains(c.objects, id) {
				_, blank, _ := strings.Cut(o.Read, "{")
				_, _ = c.ReadObject(hostcall.Request{Endpoint: o.Read, Path: Pairs(strings.TrimSuffix(blank, "}"), id)}, o.Type, o.Segment)
			}
		}
	}
}

// isInBody reports whether a write to a path names an object of this kind in its body.
func (o *ObjectKind) isInBody(path string) bool {
	return o.InBodyBelow != "" && strings.HasPrefix(path, o.InBodyBelow)
}

// Reconcile returns the result of a write that got no answer and took effect.
func (c *Call) Reconcile(r Result) Result {
	c.Wrote = true
	r.Outcome, r.Reconciled = abi.Succeeded, true
	return r
}

// sinceWrite is how long ago the write of an earlier run was about to leave, by the service's clock, in milliseconds; 0 where
// that is not known.
func (c *Call) sinceWrite() int64 {
	if c.since == 0 || c.ServerNow <= c.since {
		return 0
	}
	return int64(c.ServerNow - c.since)
}

// reachTime is how long after a write of which the service keeps no trace its absence says that it did nothing, in
// milliseconds. Later, somebody may have undone it.
const reachTime = 5 * 60_000

// untouched reports whether the absence of a change says that the write of an earlier run did nothing, so that it may be
// sent again. Where nothing tells, it may not.
func (c *Call) untouched(ch Change) bool {
	switch {
	case ch.Final:
		return true
	case c.since == 0:
		return false
	case ch.Trace == "":
		return !ch.Once && c.ServerNow >= c.since && c.sinceWrite() <= reachTime
	}
	at, ok := clock.ParseInstant(ch.Trace)
	return ok && at < c.since
}

// Maker is whose work an object is.
type Maker int

const (
	ByAnybody Maker = iota // it could not be told
	ByUs                   // this invoke: this run, or an earlier one whose write left at c.since
	ByAnother              // it was there before
)

// MadeBy tells whose work an object is that was created then, by the service's clock. A reading can miss what is there, so that
// to have seen none before does not make it ours.
func (c *Call) MadeBy(created string) Maker {
	const (
		longestCall = 15 * 60_000
		skew        = 60_000 // between the service's clocks
	)
	since := c.asked
	if c.resumed {
		since = c.since
	}
	at, ok := clock.ParseInstant(created)
	switch {
	case !ok || since == 0:
	case at >= since && (!c.resumed || at <= since+longestCall): // what is much younger is somebody else's
		return ByUs
	case at < since-skew:
		return ByAnother
	}
	return ByAnybody
}

// MadeByUs reports whether an object that was created then can be the work of this invoke.
func (c *Call) MadeByUs(created string) bool { return c.MadeBy(created) == ByUs }

// targets are the ids that the target of an earlier run's write had, by input, and the write's endpoint.
type targets struct {
	Endpoint string
	ids      []hostcall.Pair
}

// boundTo reads a settle_target. The service's paths name the kind of each id.
func (s *Service) boundTo(v jsonval.Value) (t targets) {
	t.Endpoint = v.Get("endpoint").Str()
	_, path, _ := strings.Cut(t.Endpoint, " ")
	kind := ""
	for _, segment := range strings.Split(path, "/") {
		if strings.HasPrefix(segment, "{") {
			s.bind(&t, kind, v.At("path", strings.Trim(segment, "{}")).Str())
		}
		kind = segment
	}
	for i := range s.Objects {
		if o := &s.Objects[i]; o.Segment == kind && o.isInBody(path) {
			s.bind(&t, kind, v.Get("body").Str())
		}
	}
	return t
}

// bind notes the id of an object of a kind, the last of a kind in the place of others.
func (s *Service) bind(t *targets, kind, id string) {
	for _, o := range s.Objects {
		if o.Segment != kind || o.Input == "" {
			continue
		}
		for i := range t.ids {
			if t.ids[i].Name == o.Input {
				t.ids[i].Value = id
				return
			}
		}
		t.ids = append(t.ids, hostcall.Pair{Name: o.Input, Value: id})
	}
}

// of returns the id that an input stood for, "" where that is not known.
func (t targets) of(input string) string {
	for _, p := range t.ids {
		if p.Name == input {
			return p.Value
		}
	}
	return ""
}

// answers reports whether a 2xx is the service's own: with its request id, or of its objects' shape where something between
// takes headers away. A sign-in page, a gateway that says that all is well, and an error's body with a status of success are
// no answers, and say nothing.
func (c *Call) answers(resp hostcall.Response, ch Change) bool {
	identified := resp.Header(c.Service.RequestID) != ""
	switch {
	case strings.HasPrefix(ch.Request.Endpoint, "DELETE "):
		return identified && resp.Body == 0
	case resp.Body == 0:
		return identified && ch.Done != nil
	case resp.Length > maxAnswer:
		return identified
	}
	v, isJSON := c.Body(resp)
	made := v.Get("id").Str() != ""
	shaped := c.Service.OwnShape != nil && c.Service.OwnShape(v)
	isError := c.Service.Errors.Code != "" && v.Get(c.Service.Errors.Code).Str() != ""
	return isJSON && v.Kind() == jsonval.Object && !isError && (identified || shaped) && (made || ch.Done != nil)
}

// AwaitEffect returns the result of a successful write whose effect the first reading did not show. It reads on for a while.
func (c *Call) AwaitEffect(look func() (Reading, Result), what string) Result {
	if is, r := c.Settle(look, LaggingTime); is == Holds {
		r.Outcome = abi.Succeeded
		return r
	}
	return Fail(abi.Unknown, string(abi.Unknown), what+": "+c.Service.Name+" took it, and what it should have changed does not show. Look at the object before you repeat it")
}

// ConfirmEffect returns the result of a successful write after one reading, which AwaitEffect continues if needed. The output is
// for a write that cannot be read back.
func (c *Call) ConfirmEffect(look func() (Reading, Result), output, what string) Result {
	switch is, r := look(); is {
	case Holds:
		r.Outcome = abi.Succeeded
		return r
	case Absent:
		return c.AwaitEffect(look, what)
	case Unclear:
		return Result{Outcome: abi.Succeeded, Output: output, Warnings: []string{c.Service.Name + " took it, and what came of it could not be read"}}
	}
	return Result{Outcome: abi.Succeeded, Output: output}
}

// maxAnswer is the size up to which the answer of a write is looked into, in bytes.
const maxAnswer = 64 << 10

// insistDelays are the pauses while the service refuses a change for now, in milliseconds: another is under way, or the object
// is still being set up.
var insistDelays = [...]int64{500, 1000, 2000, 4000}

// ChangePatiently is Change for a write that the service may refuse for a moment. It sends the request again a few times.
func (c *Call) ChangePatiently(ch Change) Result {
	for attempt := 0; ; attempt++ {
		r := c.Change(ch)
		if r.Outcome != abi.Rejected || !r.Err.Retryable || attempt == len(insistDelays) || !c.Wait(insistDelays[attempt]) {
			return r
		}
		if ch.Again == nil {
			continue
		}
		if stands := ch.Again(); stands != nil {
			return *stands
		}
	}
}

// uncertain reports whether a write may or may not have taken effect: sent, and no answer that tells. A refusal tells
// where it is the service's. A gateway may have passed on what it then answers 408 or 404 to.
func (c *Call) uncertain(r hostcall.Response) bool {
	switch {
	case r.Err != nil:
		return r.Err.Sent
	case r.Status == 429:
		return false
	case r.Status >= 400 && r.Status < 500, r.Status == notImplemented:
		return !c.ReadError(r).isOwn()
	}
	return r.Status < 200 || r.Status >= 300
}

// unanswered reports whether the service may still be at work on a write: nothing came back, or a gateway answered that got
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
	LaggingTime = 5_000  // the service answered: what it did shows within seconds, in lists too
	WorkingTime = 35_000 // it did not: it may still be at work, for half a minute
)

// settlePause is the longest pause between two readings back, in milliseconds.
const settlePause = 8_000

// Settle reads back until the wanted state shows, or patience, in milliseconds, is at its end. absent means that the
// last of all readings said so.
func (c *Call) Settle(look func() (Reading, Result), patience int64) (is Reading, r Result) {
	for pause := int64(500); ; pause = min(2*pause, settlePause) {
		if is, r = look(); is == Holds || is == Precluded || is == Blind || patience <= 0 {
			return is, r
		}
		pause = min(pause, patience)
		if !c.Wait(pause) {
			return Unclear, r // too little time to be sure
		}
		patience -= pause
	}
}

// why says what stands in the place of an answer.
func (c *Call) why(r hostcall.Response) (text string, upstream *abi.Upstream) {
	if r.Err != nil {
		return r.Err.Message, upstreamOf(r.Err)
	}
	e := c.ReadError(r)
	return e.Says(), &e.Upstream
}

// notDone is a write that got no answer and, by reading back, did nothing.
func (c *Call) notDone(r hostcall.Response, undone string) Result {
	why, upstream := c.why(r)
	e := abi.Error{Code: string(abi.Unavailable), Retryable: true, Message: undone + " (read back): " + why, Upstream: upstream}
	if r.Err == nil && r.Status >= 400 && r.Status < 500 {
		e.Code, e.Retryable = c.Service.foreignCode(), r.Status == 408 || r.Status == 425 || r.Status == 499
		e.Message += ". That is not " + c.Service.Name + "'s answer: is base_url right, and what is in between?"
	}
	return Result{Outcome: abi.Unavailable, Reconciled: true, Err: &e}
}

// unsettled is what comes of a run that was to settle an earlier one's write and did not get as far: that it did nothing
// itself says nothing of that write.
func unsettled(r Result) Result {
	e := *r.Err
	e.Message = "an earlier run with this key ended when its write may have left, and what became of it could not be told: " + e.Message
	if !e.Retryable {
		e.Message += ". Look at the object, and take a new key"
	}
	r.Outcome, r.Err = abi.Unknown, &e
	return r
}

// lost is a write whose fate stays open.
func (c *Call) lost(r hostcall.Response, what string) Result {
	why, upstream := c.why(r)
	return Result{Outcome: abi.Unknown, Err: &abi.Error{Code: string(abi.Unknown), Upstream: upstream,
		Message: what + ": the request was sent, but whether it took effect could not be told (" + why +
			"). Look at the object before you repeat it"}}
}

// CompareBefore is how an object that was just read is compared with what is to be sent: exactly. What changed since an earlier run's
// write left, which this run settles, is compared as an answer of the service.
func (c *Call) CompareBefore(o jsonval.Value) compare.Comparison {
	if c.Settling && c.ChangedSinceWrite(o) {
		return c.Service.Gaps
	}
	return c.Service.Changes
}

// ChangedSinceWrite reports whether an object was changed since the write of an earlier run was about to leave.
func (c *Call) ChangedSinceWrite(o jsonval.Value) bool {
	at, ok := clock.ParseInstant(o.Get(c.Service.Changed).Str())
	return ok && c.since > 0 && at >= c.since
}

// RejectGaps returns the result of a successful write whose answer is not what was asked for. It reads on for a while, since
// what the service answers can lag behind. Else the outcome is rejected: a repeat would change nothing. output has what there is
// now, and changed says whether anything became different.
func (c *Call) RejectGaps(what string, missing []compare.Gap, look func() (Reading, Result), output string, changed bool) Result {
	if look != nil {
		if is, r := c.Settle(look, LaggingTime); is == Holds {
			r.Outcome = abi.Succeeded
			return r
		}
	}
	var gaps []string
	for _, g := range missing {
		gaps = append(gaps, g.String())
	}
	r := Fail(abi.Rejected, "not_as_asked", what+": "+c.Service.Name+" took the request, and did not do all of it: "+strings.Join(gaps, "; ")+
		". "+c.Service.Name+" may not allow this value here, or another setting may decide it")
	r.Output = output
	c.Wrote = c.Wrote || changed
	return r
}
