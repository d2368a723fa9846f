package connector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/wiring"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Change describes one write. Call.Change sends its request once. If the response is lost, it reads back what the write
// did.
type Change struct {
	Request    hostcall.Request
	Noun, Type string // the operation's own target, as in Get
	What       string // the write, for messages: "deactivating 00u1"
	Undone     string // for messages about a write without effect: "the user was not created"

	// Done returns the result for a successful response. Nil emits the response's body as the output, and reads back if
	// the body is not JSON.
	Done func(hostcall.Response) Result
	// Check returns another result if the object in a successful response is not what was asked for, else nil. It is
	// called only if Done is nil.
	Check func(jsonval.Value) *Result
	// Refused returns the result for a refusal, such as Unchanged for a repeat that the service calls an error. Nil
	// keeps it.
	Refused func(Result) Result
	// Guarded returns the result for a write that was not sent, because a guard does not hold. Nil fails.
	Guarded func(guard hostcall.Response) Result
	// Look reads back whether the wanted state holds, and returns the output if it does. It must not return Holds for a
	// state that may have been there before the write.
	Look func() (Reading, Result)
	// Trace is the time of the target's last change, as read before the write: RFC 3339, or empty if the service stores
	// none. Only Trace shows that an earlier run's write took effect and was undone since.
	Trace string
	// Again is called before ChangePatiently repeats the request. It returns a result to end with, or nil to repeat. A
	// nil function always repeats.
	Again func() *Result
	// Effects are sentences about effects on other objects. They become warnings of the plan and of the result.
	Effects []string
	Final   bool // the effect cannot be undone: if it does not show, the write did nothing
	Once    bool // without a Trace it is never repeated, because it grants power
}

// Reading says whether the wanted state of a write holds.
type Reading int

// Values of Reading.
const (
	Unclear      Reading = iota // this reading failed
	Unobservable                // no reading can show it: the effect is invisible, or may be older than the write
	Absent                      // the wanted state does not hold
	Precluded                   // it cannot hold: the service refused the write because of an older object; Look returns the result
	Holds                       // the wanted state holds
)

// Change sends a write and returns its result, with exactly one outcome.
func (c *Call) Change(ch Change) Result {
	r := c.sendChange(ch)
	if r.Outcome == abi.Succeeded || r.Outcome == abi.Unknown {
		r.Warnings = append(r.Warnings, ch.Effects...)
	}
	return r
}

func (c *Call) sendChange(ch Change) Result {
	if ch.Look == nil {
		return Fail(abi.Failed, string(wiring.BadWiring), "a mistake in the connector: the Change of "+c.Operation.Name+
			" has no Look, which reads back a write whose answer is lost. Where nothing can read it, return Blind from it. Nothing was sent")
	}
	if c.Settling {
		// An earlier run's write may have been sent. It counts if its effect shows. If that cannot be determined, it is
		// not repeated.
		is, r := c.Settle(ch.Look, WorkingTime-c.sinceWrite())
		const ended = "the run that sent it ended before the response"
		switch {
		case is == Holds:
			return c.Reconcile(r)
		case is == Precluded:
			c.Settling = false // it is settled: the write did nothing
			return r
		case is != Absent:
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended}}, ch.What)
		case !c.untouched(ch):
			return c.lost(hostcall.Response{Err: &abi.SendError{Message: ended + ", and another client may have changed the object since"}}, ch.What)
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
	case OK(resp) && !c.answers(resp, ch): // the response of a proxy, despite its status
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
		if s := c.Emit(resp.Body, abi.EmitOptions{Want: abi.WantObject, Key: c.keyPath(ch.Request.Endpoint)}); s.Err == "" {
			c.Wrote = true
			return Result{Outcome: abi.Succeeded}
		}
	case resp.Guard.Exists() && ch.Guarded != nil:
		return ch.Guarded(resp)
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

// show reads the write's targets that were not read yet, so that a plan or an audit can show them. If that fails, the
// write continues.
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
				id = TextAt(body, cmp.Or(o.Key, defaultKey))
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

// Reconcile returns the result of a write whose response was lost and that took effect.
func (c *Call) Reconcile(r Result) Result {
	c.Wrote = true
	r.Outcome, r.Reconciled = abi.Succeeded, true
	return r
}

// sinceWrite returns the time since the earlier run's write, by the service's clock, in milliseconds; 0 if unknown.
func (c *Call) sinceWrite() int64 {
	if c.since == 0 || c.ServerNow <= c.since {
		return 0
	}
	return int64(c.ServerNow - c.since)
}

// reachTime is how long after a write without Trace its missing effect shows that it did nothing, in milliseconds.
// After that, another client may have undone it.
const reachTime = 5 * 60_000

// untouched reports whether a missing effect shows that the earlier run's write did nothing, so that it may be
// repeated. In doubt it is false.
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

// Maker says which client created an object.
type Maker int

const (
	ByUnknown Maker = iota // unknown
	ByUs                   // this invoke: this run, or the earlier run at c.since
	ByAnother              // another client, before
)

// MadeBy says which client created an object, by its time of creation on the service's clock. That an earlier read
// found no object does not prove it: a read can miss one.
func (c *Call) MadeBy(created string) Maker {
	const (
		longestCall = 15 * 60_000
		skew        = 60_000 // between clocks of the service
	)
	since := c.asked
	if c.resumed {
		since = c.since
	}
	at, ok := clock.ParseInstant(created)
	switch {
	case !ok || since == 0:
	case at >= since && (!c.resumed || at <= since+longestCall): // much later objects are another client's
		return ByUs
	case at < since-skew:
		return ByAnother
	}
	return ByUnknown
}

// MadeByUs reports whether an object with this time of creation can be the work of this invoke.
func (c *Call) MadeByUs(created string) bool { return c.MadeBy(created) == ByUs }

// targets has the ids of the targets of an earlier run's write, by input, and the write's endpoint.
type targets struct {
	Endpoint string
	ids      []hostcall.Pair
}

// boundTo parses a settle_target. The path of its endpoint says the kind of each id.
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

// bind stores the id of an object of a kind. It replaces an earlier id of the same kind.
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

// id returns the id of the object that an input named; "" if unknown.
func (t targets) id(input string) string {
	for _, p := range t.ids {
		if p.Name == input {
			return p.Value
		}
	}
	return ""
}

// answers reports whether a 2xx response is the service's own. It has a request id, or the shape of the service's
// objects if a proxy removed the header. A sign-in page, a gateway's response, or an error's body with a 2xx status is
// not.
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
	made := c.ID(ch.Request.Endpoint, v) != ""
	shaped := c.Service.OwnShape != nil && c.Service.OwnShape(v)
	isError := c.Service.Errors.Code != "" && TextAt(v, c.Service.Errors.Code) != ""
	return isJSON && v.Kind() == jsonval.Object && !isError && (identified || shaped) && (made || ch.Done != nil)
}

// AwaitEffect returns the result of a successful write whose effect the first reading did not show. It reads again for
// a while.
func (c *Call) AwaitEffect(look func() (Reading, Result), what string) Result {
	if is, r := c.Settle(look, LaggingTime); is == Holds {
		r.Outcome = abi.Succeeded
		return r
	}
	return Fail(abi.Unknown, string(abi.Unknown), what+": "+c.Service.Name+" accepted it, but the change does not show. Look at the object before you repeat it")
}

// ConfirmEffect returns the result of a successful write after one reading, or more by AwaitEffect. output is for a
// write that cannot be read back.
func (c *Call) ConfirmEffect(look func() (Reading, Result), output, what string) Result {
	switch is, r := look(); is {
	case Holds:
		r.Outcome = abi.Succeeded
		return r
	case Absent:
		return c.AwaitEffect(look, what)
	case Unclear:
		return Result{Outcome: abi.Succeeded, Output: output, Warnings: []string{c.Service.Name + " accepted it, but the result could not be read"}}
	}
	return Result{Outcome: abi.Succeeded, Output: output}
}

// maxAnswer is the size up to which the response to a write is examined, in bytes.
const maxAnswer = 64 << 10

// insistDelays are the waits before a change is repeated that the service refuses temporarily, in milliseconds. Another
// change is under way, or the object is still being created.
var insistDelays = [...]int64{500, 1000, 2000, 4000}

// ChangePatiently is Change for a write that the service may refuse temporarily. It repeats the request a few times.
func (c *Call) ChangePatiently(ch Change) Result {
	for attempt := 0; ; attempt++ {
		r := c.Change(ch)
		if r.Outcome != abi.Rejected || !r.Err.Retryable || attempt == len(insistDelays) || !c.Wait(insistDelays[attempt]) {
			return r
		}
		if ch.Again == nil {
			continue
		}
		if end := ch.Again(); end != nil {
			return *end
		}
	}
}

// uncertain reports whether a write may have taken effect: it was sent, and no response of the service's says. A
// gateway may have forwarded a write and still answer 408 or 404.
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

// unanswered reports whether the service may still be processing a write: no response came, or a gateway's that got
// none.
func unanswered(r hostcall.Response) bool {
	switch r.Status {
	case 408, 499, 502, 504:
		return true
	}
	return r.Err != nil
}

// How long to read before a missing effect counts as absent, in milliseconds.
const (
	LaggingTime = 5_000  // after a response: the effect shows within seconds, also in lists
	WorkingTime = 35_000 // without a response: the service may need half a minute
)

// settlePause is the longest wait between two readings, in milliseconds.
const settlePause = 8_000

// Settle reads back until the wanted state holds or patience, in milliseconds, is used up. Absent means that the last
// reading said so.
func (c *Call) Settle(look func() (Reading, Result), patience int64) (is Reading, r Result) {
	for pause := int64(500); ; pause = min(2*pause, settlePause) {
		if is, r = look(); is == Holds || is == Precluded || is == Unobservable || patience <= 0 {
			return is, r
		}
		pause = min(pause, patience)
		if !c.Wait(pause) {
			return Unclear, r // not enough time left to be sure
		}
		patience -= pause
	}
}

// why describes what came instead of a usable response.
func (c *Call) why(r hostcall.Response) (text string, upstream *abi.Upstream) {
	if r.Err != nil {
		return r.Err.Message, upstreamOf(r.Err)
	}
	e := c.ReadError(r)
	return e.Text(), &e.Upstream
}

// notDone returns the result of a write without a response that, by reading back, did nothing.
func (c *Call) notDone(r hostcall.Response, undone string) Result {
	why, upstream := c.why(r)
	e := abi.Error{Code: string(abi.Unavailable), Retryable: true, Message: undone + " (read back): " + why, Upstream: upstream}
	if r.Err == nil && r.Status >= 400 && r.Status < 500 {
		e.Code, e.Retryable = c.Service.foreignCode(), r.Status == 408 || r.Status == 425 || r.Status == 499
		e.Message += ". This response is not " + c.Service.Name + "'s own: check base_url, and any proxy in between"
	}
	return Result{Outcome: abi.Unavailable, Reconciled: true, Err: &e}
}

// unsettled returns the result of a run that could not settle an earlier run's write. r is why: what this run did says
// nothing about that write.
func unsettled(r Result) Result {
	e := *r.Err
	e.Message = "an earlier run with this key ended after it may have sent its write, and whether that took effect is unknown: " + e.Message
	if !e.Retryable {
		e.Message += ". Look at the object, and use a new key"
	}
	r.Outcome, r.Err = abi.Unknown, &e
	return r
}

// lost returns the result of a write whose effect is unknown.
func (c *Call) lost(r hostcall.Response, what string) Result {
	why, upstream := c.why(r)
	return Result{Outcome: abi.Unknown, Err: &abi.Error{Code: string(abi.Unknown), Upstream: upstream,
		Message: what + ": the request was sent, but whether it took effect is unknown (" + why +
			"). Look at the object before you repeat it"}}
}

// CompareBefore returns how to compare an object, read before a write, with the input: exactly. If it changed since the
// earlier run's write that this run settles, it is compared like a response.
func (c *Call) CompareBefore(o jsonval.Value) compare.Comparison {
	if c.Settling && c.ChangedSinceWrite(o) {
		return c.Service.Gaps
	}
	return c.Service.Changes
}

// ChangedSinceWrite reports whether an object has changed since an earlier run's write.
func (c *Call) ChangedSinceWrite(o jsonval.Value) bool {
	at, ok := clock.ParseInstant(o.Get(c.Service.Changed).Str())
	return ok && c.since > 0 && at >= c.since
}

// RejectGaps returns the result of a successful write whose response is not what was asked for. It reads back for a
// while, since responses can lag behind. If the gaps remain, the outcome is rejected: a repeat would change nothing.
// output is the present state, and changed says whether the write changed anything.
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
	r := Fail(abi.Rejected, "not_as_asked", what+": "+c.Service.Name+" accepted the request, but did not apply all of it: "+strings.Join(gaps, "; ")+
		". "+c.Service.Name+" may not allow this value, or another setting may override it")
	r.Output = output
	c.Wrote = c.Wrote || changed
	return r
}
