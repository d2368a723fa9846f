// Package replace changes objects that a service replaces only as a whole: it reads, merges and writes them.
package replace

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Whole describes an endpoint that replaces an object as a whole, and its special members.
type Whole struct {
	Get, Put   string // endpoints
	Noun, Type string

	Own       []string          // members that the service sets: they are not sent, and a patch that names one is refused
	Kept      []string          // members that are sent as they were read: a patch that names one is refused
	Open      []string          // members of Own and Kept that a patch may name: the operation checks them itself
	Only      []string          // the only members to send; nil sends all but Own
	IfTrue    []string          // members that are sent only if they are true
	Elsewhere map[string]string // members that the endpoint does not set, with advice: an input that has one is refused before any request
	Switches  *Switches         // the endpoints that set the member status; nil if there are none
}

// The values of the member status of an object that has switches.
const (
	active   = "ACTIVE"
	inactive = "INACTIVE"
)

// Switches are the endpoints that set the member status of an object to ACTIVE or INACTIVE. The object is read
// afterwards, since their answers do not show it. Off says what switching an object off does to others, as
// Change.Effects. Nil says nothing.
type Switches struct {
	Activate, Deactivate *abi.Endpoint
	Off                  func(before jsonval.Value) []string
}

// CheckPatch refuses a merge patch of members that the endpoint does not set.
func (w *Whole) CheckPatch(patch jsonval.Value) *connector.Result {
	refused := func(message string) *connector.Result {
		r := connector.Fail(abi.Invalid, "input", "patch: "+message)
		return &r
	}
	for k, v := range patch.Members() {
		switch {
		case slices.Contains(w.Open, k):
		case slices.Contains(w.Own, k), slices.Contains(w.Kept, k):
			return refused(k + " cannot be changed: remove it")
		case k == "name" && strings.TrimSpace(v.Str()) == "":
			return refused("name is required and cannot be removed: give a string that is not empty")
		case k == "status" && w.Switches != nil && v.Str() != active && v.Str() != inactive:
			return refused("status must be " + active + " or " + inactive)
		}
	}
	return nil
}

// CheckElsewhere refuses an input that asks for what the endpoint does not set. Paths are members joined by dots.
func (w *Whole) CheckElsewhere(input jsonval.Value) *connector.Result {
	for path, advice := range w.Elsewhere {
		if input.At(strings.Split(path, ".")...).Exists() {
			r := connector.Fail(abi.Invalid, "input", path+" cannot be set here: "+advice)
			return &r
		}
	}
	return nil
}

// Body returns what is sent of an object: without the members that the service sets, and without nulls.
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

// Replacement is one change of an object that the service replaces only as a whole.
type Replacement struct {
	Whole *Whole
	Path  []hostcall.Pair

	// Merge makes the new object from the one that was read, or refuses. It may leave in what the service sets.
	Merge func(before jsonval.Value) (after string, refused *connector.Result)
	// Body may change what is written. Nil writes Whole.Body of the new object.
	Body func(before, after jsonval.Value) string
	// Gaps returns where an object differs from what was asked for, except in its status. wanted is the new object. by
	// compares the values that the input gives literally.
	Gaps func(now, wanted jsonval.Value, by compare.Comparison) []compare.Gap
	// Effects returns what the write does to other objects, as Change.Effects. Nil means nothing.
	Effects func(before jsonval.Value) []string
	// Same reports whether two states mean the same, except for what the service sets and for the status.
	Same func(a, b jsonval.Value) bool
}

// Do reads, merges and writes. A change of the status is a separate write: an object is switched off before it is
// changed, and switched on after.
func Do(c *connector.Call, rp Replacement) connector.Result {
	before, failed := wholeObject(c, rp)
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
		return connector.Result{Outcome: abi.Unchanged, Output: rp.beforeAfter(c, before, before)}
	}
	var all connector.Result
	if c.Settling && rp.Whole.halfSettled(c.Bound.Endpoint, differs, status) {
		c.Settling, c.Wrote, all.Reconciled = false, true, true
	}
	var steps []func(before jsonval.Value) connector.Result
	if differs {
		steps = append(steps, func(before jsonval.Value) connector.Result { return write(c, rp, before) })
	}
	switchStatus := func(before jsonval.Value) connector.Result { return switchTo(c, rp, status, before) }
	switch status {
	case inactive:
		steps = append([]func(before jsonval.Value) connector.Result{switchStatus}, steps...)
	case active:
		steps = append(steps, switchStatus)
	}
	for i, step := range steps {
		now, failed := before, failed
		if i > 0 {
			now, failed = wholeObject(c, rp)
		}
		var r connector.Result
		if failed != nil {
			r = *failed
		} else {
			r = step(now)
		}
		r.Warnings = append(all.Warnings, r.Warnings...)
		r.Reconciled = r.Reconciled || all.Reconciled
		if r.Outcome == abi.Unchanged && i > 0 { // the step before has done this one
			r.Outcome = all.Outcome
		}
		if !r.Outcome.OK() {
			if i > 0 {
				r.Err.Message = rp.halfDone(status) + ": " + r.Err.Message
			}
			if c.Wrote && r.Output == "" {
				if now, failed := wholeObject(c, rp); failed == nil {
					r.Output = rp.beforeAfter(c, before, now)
				}
			}
			return r
		}
		c.Settling = false // the first step settles the write of an earlier run
		all = r
	}
	if len(steps) > 1 && !c.Planning {
		now, failed := wholeObject(c, rp)
		if failed != nil {
			all.Warnings = append(all.Warnings, "the "+rp.Whole.Noun+" could not be read afterwards: "+failed.Err.Message)
		}
		all.Output = rp.beforeAfter(c, before, now)
	}
	return all
}

// halfSettled reports whether an earlier run's write to an endpoint was the first of two writes, and is known to be
// done. Its effect holds, and the other write remains.
func (w *Whole) halfSettled(endpoint string, differs bool, status string) bool {
	switch {
	case w.Switches == nil:
		return false
	case endpoint == w.Put:
		return !differs && status != ""
	}
	return (endpoint == w.Switches.Activate.Endpoint || endpoint == w.Switches.Deactivate.Endpoint) && differs && status == ""
}

// halfDone says that only the first of two writes took effect.
func (rp *Replacement) halfDone(status string) string {
	if status == inactive {
		return "the " + rp.Whole.Noun + " is now " + inactive + ", but was not changed otherwise"
	}
	return "the " + rp.Whole.Noun + " was changed, but is not " + active + " yet"
}

// wholeObject reads the object.
func wholeObject(c *connector.Call, rp Replacement) (jsonval.Value, *connector.Result) {
	v, _, failed := c.Read(hostcall.Request{Endpoint: rp.Whole.Get, Path: rp.Path}, rp.Whole.Type, rp.Whole.Noun)
	return v, failed
}

// merged returns the new object.
func (rp *Replacement) merged(before jsonval.Value) (jsonval.Value, *connector.Result) {
	text, refused := rp.Merge(before)
	if refused != nil {
		return jsonval.Value{}, refused
	}
	v, err := jsonval.Parse(text)
	if err != nil {
		r := connector.Fail(abi.Invalid, "input", "the result of the patch is not a JSON object")
		return v, &r
	}
	return v, nil
}

// write replaces the object as it was read, without its status.
func write(c *connector.Call, rp Replacement, before jsonval.Value) connector.Result {
	noun := rp.Whole.Noun
	wanted, refused := rp.merged(before)
	if refused != nil {
		return *refused
	}
	// Not every service has an ETag. Writing the whole would undo concurrent changes since the read.
	changedMeanwhile := func() *connector.Result {
		now, failed := wholeObject(c, rp)
		if failed == nil && !isUnchanged(c, rp, before, now) {
			r := connector.Fail(abi.Rejected, "changed_meanwhile", "another client changed the "+noun+" at the same time: "+
				"repeat the operation")
			r.Err.Retryable = true
			failed = &r
		}
		return failed
	}
	if refused := changedMeanwhile(); refused != nil {
		return *refused
	}
	body := rp.Whole.Body(rp.sent(before, wanted))
	if rp.Body != nil {
		body = rp.Body(before, rp.sent(before, wanted))
	}
	what := "changing " + noun + " " + c.ID(rp.Whole.Get, before)
	var effects []string
	if rp.Effects != nil {
		effects = rp.Effects(before)
	}
	observable := len(rp.Gaps(before, wanted, c.Service.Gaps)) > 0 // even with the service's normalisation
	written := func(after jsonval.Value) connector.Result {
		r := connector.Result{Outcome: abi.Succeeded, Output: rp.beforeAfter(c, before, after), Warnings: extraChanges(c, &rp, wanted, after)}
		if !observable {
			var kept []string
			for _, g := range rp.Gaps(after, wanted, c.Service.Changes) {
				kept = append(kept, g.Path)
			}
			if kept != nil {
				r.Warnings = append(r.Warnings, c.Service.Name+" accepted it, but stores its own members or order in "+strings.Join(kept, ", "))
			}
		}
		return r
	}
	look := func() (connector.Reading, connector.Result) {
		now, failed := wholeObject(c, rp)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case len(rp.Gaps(now, wanted, c.Service.Changes)) == 0 || observable && len(rp.Gaps(now, wanted, c.Service.Gaps)) == 0:
			return connector.Holds, written(now)
		case isUnchanged(c, rp, before, now):
			return connector.Absent, connector.Result{}
		}
		return connector.Unclear, connector.Result{} // changed by the service or by another client, but not as written
	}
	return c.ChangePatiently(connector.Change{
		Request: hostcall.Request{Endpoint: rp.Whole.Put, Path: rp.Path, Body: body},
		Type:    rp.Whole.Type, Noun: noun,
		What:    what,
		Undone:  "the " + noun + " was not changed",
		Trace:   before.Get(c.Service.Changed).Str(),
		Effects: effects,
		Again:   changedMeanwhile, // another client may be changing this object while the service refuses
		Done: func(resp hostcall.Response) connector.Result {
			after, isJSON := c.Body(resp)
			answered := isJSON && c.ID(rp.Whole.Get, after) != ""
			if !answered {
				var failed *connector.Result
				if after, failed = wholeObject(c, rp); failed != nil {
					return connector.Result{Outcome: abi.Succeeded, Output: rp.beforeAfter(c, before, jsonval.Value{}),
						Warnings: []string{c.Service.Name + " accepted the change, but the " + noun + " could not be read afterwards: " + failed.Err.Message}}
				}
			}
			lacking := rp.Gaps(after, wanted, c.Service.Gaps)
			switch {
			case len(lacking) == 0:
				return written(after)
			case !answered: // a read may lag behind
				return c.AwaitEffect(look, what)
			}
			return c.RejectGaps(what, lacking, look, rp.beforeAfter(c, before, after), !rp.Same(after, before))
		},
		Look: look,
	})
}

// sent returns the new object with its present status, which a separate request sets.
func (rp *Replacement) sent(before, wanted jsonval.Value) jsonval.Value {
	status := before.Get("status")
	if rp.Whole.Switches == nil || !status.Exists() || wanted.Get("status").Str() == inactive { // it is already switched off
		return wanted
	}
	var w jsonval.Writer
	patch, _ := jsonval.Parse(w.Raw("status", status.Raw()).String())
	return compare.Patched(wanted, patch)
}

// extraChanges warns about members that the service changed though they were not asked for.
func extraChanges(c *connector.Call, rp *Replacement, wanted, after jsonval.Value) []string {
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
	return []string{c.Service.Name + " also changed members that were not asked for: " + strings.Join(names, ", ")}
}

// switchTo sets the status of an object with the endpoint for it.
func switchTo(c *connector.Call, rp Replacement, status string, before jsonval.Value) connector.Result {
	endpoint, noun := rp.Whole.Switches.Activate, rp.Whole.Noun
	var effects []string
	if status == inactive {
		endpoint = rp.Whole.Switches.Deactivate
		if off := rp.Whole.Switches.Off; off != nil {
			effects = off(before)
		}
	}
	if before.Get("status").Str() == status { // the write of the whole did it, or another client
		return connector.Result{Outcome: abi.Unchanged, Output: rp.beforeAfter(c, before, before)}
	}
	look := connector.Look(func() (connector.Object, *connector.Result) {
		now, failed := wholeObject(c, rp)
		return connector.Object{Value: now}, failed
	}, func(o connector.Object) bool { return o.Get("status").Str() == status }, func(o connector.Object) string { return rp.beforeAfter(c, before, o.Value) })
	what := "setting " + noun + " " + c.ID(rp.Whole.Get, before) + " " + status
	return c.ChangePatiently(connector.Change{
		Request: hostcall.Request{Endpoint: endpoint.Endpoint, Path: rp.Path},
		Type:    rp.Whole.Type, Noun: noun,
		What:    what,
		Undone:  "the " + noun + " is still " + before.Get("status").Str(),
		Trace:   before.Get(c.Service.Changed).Str(),
		Effects: effects,
		Done: func(hostcall.Response) connector.Result {
			return c.ReadBack(look, what, connector.LaggingTime, rp.beforeAfter(c, before, jsonval.Value{}))
		},
		Look: look,
	})
}

// isUnchanged reports whether an object is as it was read before.
func isUnchanged(c *connector.Call, rp Replacement, before, now jsonval.Value) bool {
	return now.Get(c.Service.Changed).Equal(before.Get(c.Service.Changed)) && rp.Same(before, now)
}

// beforeAfter returns the output of a change: the object before and after, as read.
func (rp *Replacement) beforeAfter(c *connector.Call, before, after jsonval.Value) string {
	var w jsonval.Writer
	w.Str("id", c.ID(rp.Whole.Get, before)).StrIf("name", before.Get("name").Str())
	return w.Raw("before", before.Raw()).RawIf("after", after.Raw()).String()
}
