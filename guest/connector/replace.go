package connector

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Whole is an endpoint that replaces an object as a whole, and what is special about its members.
type Whole struct {
	Get, Put   string // endpoints
	Noun, Type string

	Own       []string          // members that the service sets: they are not sent, and a patch of them is refused
	Kept      []string          // members that are sent as they were read: a patch of them is refused
	Open      []string          // of own and kept, those that a patch may name: the operation checks them by itself
	Only      []string          // nothing else is sent; nil sends all but own
	IfTrue    []string          // members that are sent where they are true alone
	Elsewhere map[string]string // members that the endpoint does not set, and what does: asking for them is refused before anything is sent
	Switches  *Switches         // the endpoints that set the member status; nil where there is none
}

// The values of the member status of an object that has switches.
const (
	active   = "ACTIVE"
	inactive = "INACTIVE"
)

// Switches are the endpoints that set an object's member status to ACTIVE and INACTIVE. Their answers do not count: the object
// is read afterwards. off is what an object that is switched off does to others, as change.effects has it.
type Switches struct {
	Activate, Deactivate *abi.Endpoint
	Off                  []string
}

// CheckPatch refuses a merge patch of what the endpoint does not set.
func (w *Whole) CheckPatch(patch jsonval.Value) *Result {
	refused := func(message string) *Result {
		r := Fail(abi.Invalid, "input", "patch: "+message)
		return &r
	}
	for k, v := range patch.Members() {
		switch {
		case slices.Contains(w.Open, k):
		case slices.Contains(w.Own, k), slices.Contains(w.Kept, k):
			return refused(k + " cannot be changed: leave it out")
		case k == "name" && strings.TrimSpace(v.Str()) == "":
			return refused("name is required, and cannot be removed: give a string that is not empty")
		case k == "status" && w.Switches != nil && v.Str() != active && v.Str() != inactive:
			return refused("status is " + active + " or " + inactive)
		}
	}
	return nil
}

// CheckElsewhere refuses an input that asks for what the endpoint does not set. Paths are members joined by dots.
func (w *Whole) CheckElsewhere(input jsonval.Value) *Result {
	for path, advice := range w.Elsewhere {
		if input.At(strings.Split(path, ".")...).Exists() {
			r := Fail(abi.Invalid, "input", path+" cannot be set here: "+advice)
			return &r
		}
	}
	return nil
}

// Body returns what is sent of an object: without what the service sets, and without nulls.
func (w *Whole) Body(o jsonval.Value) string {
	var out jsonval.Writer
	for k, m := range o.Members() {
		if w.Only != nil && !slices.Contains(w.Only, k) || slices.Contains(w.Own, k) || m.Kind() == jsonval.Null || slices.Contains(w.IfTrue, k) && !m.True() {
			continue
		}
		out.Raw(k, m.Raw())
	}
	return out.String()
}

// Replacement is one change of an object that the service takes as a whole alone: read, merge, write what may be written.
type Replacement struct {
	Whole *Whole
	Path  []hostcall.Pair

	// Merge makes the new object of the one that was read, or refuses. What the service sets need not be taken out.
	Merge func(before jsonval.Value) (after string, refused *Result)
	// Body may change what is written; nil is whole.body of the new object.
	Body func(before, after jsonval.Value) string
	// Gaps are where an object is not as it was asked for; status aside. wanted is the new object. by compares what the input
	// has word for word.
	Gaps func(now, wanted jsonval.Value, by Comparison) []Gap
	// Effects are what the write does to other objects, as change.effects; nil is nothing.
	Effects func(before jsonval.Value) []string
	// Same reports whether two states mean the same, what the service sets and status aside.
	Same func(a, b jsonval.Value) bool
}

// Replace reads, merges and writes. Where the status is to change as well, that is a write of its own: what is to be switched
// off goes off before it is changed, and what is to be switched on is changed first.
func (c *Call) Replace(rp Replacement) Result {
	before, failed := c.wholeObject(rp)
	if failed != nil {
		return *failed
	}
	wanted, refused := rp.merged(before)
	if refused != nil {
		return *refused
	}
	status := ""
	if rp.Whole.Switches != nil && !wanted.Get("status").Equal(before.Get("status")) {
		status = wanted.Get("status").Str()
	}
	differs := len(rp.Gaps(before, wanted, c.CompareBefore(before))) > 0
	if !differs && status == "" {
		return Result{Outcome: abi.Unchanged, Output: beforeAfter(before, before)}
	}
	var all Result
	if c.Settling && rp.Whole.halfSettled(c.Bound.Endpoint, differs, status) {
		c.Settling, c.Wrote, all.Reconciled = false, true, true
	}
	var steps []func(before jsonval.Value) Result
	if differs {
		steps = append(steps, func(before jsonval.Value) Result { return c.write(rp, before) })
	}
	switchStatus := func(before jsonval.Value) Result { return c.switchTo(rp, status, before) }
	switch status {
	case inactive:
		steps = append([]func(before jsonval.Value) Result{switchStatus}, steps...)
	case active:
		steps = append(steps, switchStatus)
	}
	for i, step := range steps {
		now, failed := before, failed
		if i > 0 {
			now, failed = c.wholeObject(rp)
		}
		var r Result
		if failed != nil {
			r = *failed
		} else {
			r = step(now)
		}
		r.Warnings = append(all.Warnings, r.Warnings...)
		r.Reconciled = r.Reconciled || all.Reconciled
		if r.Outcome == abi.Unchanged && i > 0 { // the step before has done this one, too
			r.Outcome = all.Outcome
		}
		if !r.Outcome.OK() {
			if i > 0 {
				r.Err.Message = rp.halfDone(status) + ": " + r.Err.Message
			}
			if c.Wrote && r.Output == "" {
				if now, failed := c.wholeObject(rp); failed == nil {
					r.Output = beforeAfter(before, now)
				}
			}
			return r
		}
		c.Settling = false // an earlier run's write is settled with the first step
		all = r
	}
	if len(steps) > 1 && !c.Planning {
		now, failed := c.wholeObject(rp)
		if failed != nil {
			all.Warnings = append(all.Warnings, "the "+rp.Whole.Noun+" could not be read afterwards: "+failed.Err.Message)
		}
		all.Output = beforeAfter(before, now)
	}
	return all
}

// CompareBefore is how an object that was just read is compared with what is to be sent: exactly. What changed since an earlier run's
// write left, which this run settles, is compared as an answer of the service.
func (c *Call) CompareBefore(o jsonval.Value) Comparison {
	if c.Settling && c.ChangedSinceWrite(o) {
		return c.Service.Gaps
	}
	return c.Service.Changes
}

// ChangedSinceWrite reports whether an object was changed since the write of an earlier run was about to leave.
func (c *Call) ChangedSinceWrite(o jsonval.Value) bool {
	at, ok := ParseInstant(o.Get(c.Service.Changed).Str())
	return ok && c.since > 0 && at >= c.since
}

// halfSettled reports whether an earlier run's write to an endpoint was one of two and is known to have been done: what it was
// to do holds, and the other is left.
func (w *Whole) halfSettled(endpoint string, differs bool, status string) bool {
	switch {
	case w.Switches == nil:
		return false
	case endpoint == w.Put:
		return !differs && status != ""
	}
	return (endpoint == w.Switches.Activate.Endpoint || endpoint == w.Switches.Deactivate.Endpoint) && differs && status == ""
}

// halfDone says that the first of two writes took effect.
func (rp *Replacement) halfDone(status string) string {
	if status == inactive {
		return "the " + rp.Whole.Noun + " is " + inactive + " now, and was not changed otherwise"
	}
	return "the " + rp.Whole.Noun + " was changed, and is not " + active + " yet"
}

func (c *Call) wholeObject(rp Replacement) (jsonval.Value, *Result) {
	v, _, failed := c.Read(hostcall.Request{Endpoint: rp.Whole.Get, Path: rp.Path}, rp.Whole.Type, rp.Whole.Noun)
	return v, failed
}

func (rp *Replacement) merged(before jsonval.Value) (jsonval.Value, *Result) {
	text, refused := rp.Merge(before)
	if refused != nil {
		return jsonval.Value{}, refused
	}
	v, err := jsonval.Parse(text)
	if err != nil {
		r := Fail(abi.Invalid, "input", "the result of the patch is not a JSON object")
		return v, &r
	}
	return v, nil
}

// write replaces the object as it was read, its status aside.
func (c *Call) write(rp Replacement, before jsonval.Value) Result {
	noun := rp.Whole.Noun
	wanted, refused := rp.merged(before)
	if refused != nil {
		return *refused
	}
	// Not every service has an ETag. What others changed since it was read would be undone by writing the whole.
	moved := func() *Result {
		now, failed := c.wholeObject(rp)
		if failed == nil && !c.unmoved(rp, before, now) {
			r := Fail(abi.Rejected, "changed_meanwhile", "the "+noun+" was changed by another client while this change was made: "+
				"repeat it to merge it with theirs")
			r.Err.Retryable = true
			failed = &r
		}
		return failed
	}
	if refused := moved(); refused != nil {
		return *refused
	}
	body := rp.Whole.Body(rp.sent(before, wanted))
	if rp.Body != nil {
		body = rp.Body(before, rp.sent(before, wanted))
	}
	what := "changing " + noun + " " + before.Get("id").Str()
	var effects []string
	if rp.Effects != nil {
		effects = rp.Effects(before)
	}
	told := len(rp.Gaps(before, wanted, c.Service.Gaps)) > 0 // by what the service makes of it, too
	written := func(after jsonval.Value) Result {
		r := Result{Outcome: abi.Succeeded, Output: beforeAfter(before, after), Warnings: c.besides(&rp, wanted, after)}
		if !told {
			var kept []string
			for _, g := range rp.Gaps(after, wanted, c.Service.Changes) {
				kept = append(kept, g.Path)
			}
			if kept != nil {
				r.Warnings = append(r.Warnings, c.Service.Name+" took it, and stores members or an order of its own in "+strings.Join(kept, ", "))
			}
		}
		return r
	}
	look := func() (Reading, Result) {
		now, failed := c.wholeObject(rp)
		switch {
		case failed != nil:
			return Unclear, Result{}
		case len(rp.Gaps(now, wanted, c.Service.Changes)) == 0 || told && len(rp.Gaps(now, wanted, c.Service.Gaps)) == 0:
			return Holds, written(now)
		case c.unmoved(rp, before, now):
			return Absent, Result{}
		}
		return Unclear, Result{} // changed, and not as it was written: by the service, or by somebody else
	}
	return c.ChangePatiently(Change{
		Request: hostcall.Request{Endpoint: rp.Whole.Put, Path: rp.Path, Body: body},
		Type:    rp.Whole.Type, Noun: noun,
		What:    what,
		Undone:  "the " + noun + " was not changed",
		Trace:   before.Get(c.Service.Changed).Str(),
		Effects: effects,
		Again:   moved, // where the service refuses for now, somebody may be at this very object
		Done: func(resp hostcall.Response) Result {
			after, isJSON := c.Body(resp)
			answered := isJSON && after.Get("id").Str() != ""
			if !answered {
				var failed *Result
				if after, failed = c.wholeObject(rp); failed != nil {
					return Result{Outcome: abi.Succeeded, Output: beforeAfter(before, jsonval.Value{}),
						Warnings: []string{c.Service.Name + " took the change, and the " + noun + " could not be read afterwards: " + failed.Err.Message}}
				}
			}
			lacking := rp.Gaps(after, wanted, c.Service.Gaps)
			switch {
			case len(lacking) == 0:
				return written(after)
			case !answered: // what was read may lag behind
				return c.AwaitEffect(look, what)
			}
			return c.RejectGaps(what, lacking, look, beforeAfter(before, after), !rp.Same(after, before))
		},
		Look: look,
	})
}

// sent is the new object with the status that it has: another call sets that.
func (rp *Replacement) sent(before, wanted jsonval.Value) jsonval.Value {
	status := before.Get("status")
	if rp.Whole.Switches == nil || !status.Exists() || wanted.Get("status").Str() == inactive { // which it has by now
		return wanted
	}
	var w jsonval.Writer
	patch, _ := jsonval.Parse(w.Raw("status", status.Raw()).String())
	return Patched(wanted, patch)
}

// besides warns of members that were not asked for, and that the service changed with the others.
func (c *Call) besides(rp *Replacement, wanted, after jsonval.Value) []string {
	if rp.Same(wanted, after) {
		return nil
	}
	sent, _ := jsonval.Parse(rp.Whole.Body(wanted))
	var names []string
	for _, g := range c.Service.Gaps(after, sent, "") {
		if g.Path != "status" {
			names = append(names, g.Path)
		}
	}
	if names == nil {
		return nil
	}
	return []string{c.Service.Name + " changed members that were not asked for: " + strings.Join(names, ", ")}
}

// switchTo sets the status of an object by the endpoint that does so.
func (c *Call) switchTo(rp Replacement, status string, before jsonval.Value) Result {
	endpoint, noun := rp.Whole.Switches.Activate, rp.Whole.Noun
	var effects []string
	if status == inactive {
		endpoint, effects = rp.Whole.Switches.Deactivate, rp.Whole.Switches.Off
	}
	if before.Get("status").Str() == status { // the write of the whole has done it, or somebody else was faster
		return Result{Outcome: abi.Unchanged, Output: beforeAfter(before, before)}
	}
	look := Look(func() (Object, *Result) {
		now, failed := c.wholeObject(rp)
		return Object{Value: now}, failed
	}, func(o Object) bool { return o.Get("status").Str() == status }, func(o Object) string { return beforeAfter(before, o.Value) })
	what := "setting " + noun + " " + before.Get("id").Str() + " " + status
	return c.ChangePatiently(Change{
		Request: hostcall.Request{Endpoint: endpoint.Endpoint, Path: rp.Path},
		Type:    rp.Whole.Type, Noun: noun,
		What:    what,
		Undone:  "the " + noun + " is still " + before.Get("status").Str(),
		Trace:   before.Get(c.Service.Changed).Str(),
		Effects: effects,
		Done: func(hostcall.Response) Result {
			return c.ReadBack(look, what, LaggingTime, beforeAfter(before, jsonval.Value{}))
		},
		Look: look,
	})
}

// unmoved reports whether an object is as it was read before.
func (c *Call) unmoved(rp Replacement, before, now jsonval.Value) bool {
	return now.Get(c.Service.Changed).Equal(before.Get(c.Service.Changed)) && rp.Same(before, now)
}

// beforeAfter is the output of a change: both ends as read.
func beforeAfter(before, after jsonval.Value) string {
	var w jsonval.Writer
	w.Str("id", before.Get("id").Str()).StrIf("name", before.Get("name").Str())
	return w.Raw("before", before.Raw()).RawIf("after", after.Raw()).String()
}

// Alike compares two states of an object that the service normalises: null, "", [], {} and absent are one, and so are objects
// of such members. Arrays are compared as sets, since the service may put them in an order of its own.
func Alike(a, b jsonval.Value) bool {
	switch {
	case IsEmpty(a) || IsEmpty(b):
		return IsEmpty(a) && IsEmpty(b)
	case a.Kind() == jsonval.Object && b.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{a, b} {
			for k := range v.Members() {
				if !Alike(a.Get(k), b.Get(k)) {
					return false
				}
			}
		}
		return true
	case a.Kind() == jsonval.Array && b.Kind() == jsonval.Array:
		var rest []jsonval.Value
		for e := range b.Elements() {
			rest = append(rest, e)
		}
		for e := range a.Elements() {
			i := slices.IndexFunc(rest, func(r jsonval.Value) bool { return Alike(e, r) })
			if i < 0 {
				return false
			}
			last := len(rest) - 1
			rest[i], rest = rest[last], rest[:last]
		}
		return len(rest) == 0
	}
	return a.Equal(b)
}

// IsEmpty reports whether a value says no more than its absence.
func IsEmpty(v jsonval.Value) bool {
	switch v.Kind() {
	case jsonval.None, jsonval.Null:
		return true
	case jsonval.String:
		return v.Str() == ""
	case jsonval.Array:
		for range v.Elements() {
			return false
		}
		return true
	case jsonval.Object:
		for _, m := range v.Members() {
			if !IsEmpty(m) {
				return false
			}
		}
		return true
	}
	return false
}

// AlikeBut is alike of two objects, some members aside.
func AlikeBut(a, b jsonval.Value, aside ...string) bool {
	for _, v := range [...]jsonval.Value{a, b} {
		for k := range v.Members() {
			if !slices.Contains(aside, k) && !Alike(a.Get(k), b.Get(k)) {
				return false
			}
		}
	}
	return true
}
