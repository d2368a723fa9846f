package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// whole is an endpoint that replaces an object as a whole, and what is special about its members. Okta's OpenAPI document
// calls some members read-only; the others are from recordings and reports.
type whole struct {
	get, put  string // endpoints
	noun, typ string

	own       []string          // Okta sets them by itself: they are not sent, and cannot be asked for
	kept      []string          // they are sent as they were read, and cannot be asked for
	only      []string          // nothing else is sent; nil sends all but own
	elsewhere map[string]string // members that the endpoint does not set, and what does: asking for them is refused before anything is sent
	switches  *switches         // the endpoints that set the member status; nil where there is none
}

// switches are the endpoints that set an object's status. Their answers do not count: the object is read afterwards. off is what
// an object that is switched off does to others, as change.effects has it.
type switches struct {
	activate, deactivate abi.Endpoint
	off                  []string
}

// The endpoints that replace an object as a whole.
var (
	wholePolicy = whole{
		get: getPolicy.Endpoint, put: putPolicy.Endpoint, noun: "policy", typ: "Policy",
		own:  []string{"id", "created", "lastUpdated", "system", "_links", "_embedded"},
		kept: []string{"type"},
		// A PUT ignores status (okta/terraform-provider-okta, fixture TestAccResourceOktaPolicyPassword_crud).
		switches: &switches{activate: activatePolicy, deactivate: deactivatePolicy},
	}
	wholeZone = whole{
		get: getZone.Endpoint, put: putZone.Endpoint, noun: "network zone", typ: "NetworkZone",
		own: []string{"id", "created", "lastUpdated", "useAsBlackList", "_links", "_embedded"},
		// A PUT of BlockedIpZone wants system: true (okta/terraform-provider-okta#2690), one of DefaultExemptIpZone useAsExemptList: true.
		kept: []string{"type", "system", "useAsExemptList"},
		switches: &switches{activateZone, deactivateZone, []string{"policies and rules that use this zone go on naming it, and it does not count while it is INACTIVE: " +
			"what they allow or deny by it changes. Which ones use it was not looked up"}},
	}
	wholeGroup = whole{
		get: getGroup.Endpoint, put: putGroup.Endpoint, noun: "group", typ: "UserGroup",
		only: []string{"profile"},
	}
	wholeUser = whole{
		get: getUser.Endpoint, put: replaceUser.Endpoint, noun: "user", typ: "User",
		only: []string{"profile", "credentials", "type", "realmId"},
		elsewhere: map[string]string{"credentials.provider": "an update does not change who checks a user's password. Delegated Authentication is set in Okta; " +
			"an existing user becomes a federated one by Okta's own call POST /api/v1/users/{id}/lifecycle/reset_password, with the parameter provider=FEDERATION"},
	}
	wholeAppGroup = whole{
		get: getAppGroup.Endpoint, put: putAppGroup.Endpoint, noun: "application", typ: "AppInstance",
		only: []string{"priority", "profile"},
	}
)

// checkPatch refuses a merge patch of what the endpoint does not set.
func (w *whole) checkPatch(patch jsonval.Value) *result {
	refused := func(message string) *result {
		r := fail(abi.Invalid, "input", "patch: "+message)
		return &r
	}
	for k, v := range patch.Members() {
		switch {
		case k == "useAsExemptList": // is taken as it is, see zoneChange.merge
		case slices.Contains(w.own, k) && k != "useAsBlackList", slices.Contains(w.kept, k):
			return refused(k + " cannot be changed: leave it out")
		case k == "name" && v.Kind() != jsonval.String:
			return refused("name is a string, and cannot be taken away")
		case k == "status" && w.switches != nil && v.Str() != "ACTIVE" && v.Str() != "INACTIVE":
			return refused("status is ACTIVE or INACTIVE")
		}
	}
	return nil
}

// checkElsewhere refuses an input that asks for what the endpoint does not set. Paths are members joined by dots.
func (w *whole) checkElsewhere(input jsonval.Value) *result {
	for path, advice := range w.elsewhere {
		if input.Get(strings.Split(path, ".")...).Exists() {
			r := fail(abi.Invalid, "input", path+" cannot be set here: "+advice)
			return &r
		}
	}
	return nil
}

// body returns what is sent of an object: without what Okta sets, and without nulls.
func (w *whole) body(o jsonval.Value) string {
	var out jsonval.Writer
	for k, m := range o.Members() {
		if w.only != nil && !slices.Contains(w.only, k) || slices.Contains(w.own, k) || m.Kind() == jsonval.Null || k == "system" && !m.True() {
			continue
		}
		out.Raw(k, m.Raw())
	}
	return out.String()
}

// replacement is one change of an object that Okta takes as a whole alone: read, merge, write what may be written.
type replacement struct {
	whole *whole
	path  []hostcall.Pair

	// merge makes the new object of the one that was read, or refuses. What Okta sets by itself need not be taken out.
	merge func(before jsonval.Value) (after string, refused *result)
	// body may change what is written; nil is whole.body of the new object.
	body func(before, after jsonval.Value) string
	// gaps are where an object is not as it was asked for; status aside. wanted is the new object. by compares what the input
	// has word for word.
	gaps func(now, wanted jsonval.Value, by comparison) []gap
	// effects are what the write does to other objects, as change.effects; nil is nothing.
	effects func(before jsonval.Value) []string
	// same reports whether two states mean the same, what Okta sets by itself and status aside.
	same func(a, b jsonval.Value) bool
}

// replace reads, merges and writes. Where the status is to change as well, that is a write of its own: what is to be switched
// off goes off before it is changed, and what is to be switched on is changed first.
func (c *call) replace(rp replacement) result {
	before, failed := c.wholeObject(rp)
	if failed != nil {
		return *failed
	}
	wanted, refused := rp.merged(before)
	if refused != nil {
		return *refused
	}
	status := ""
	if rp.whole.switches != nil && !wanted.Get("status").Equal(before.Get("status")) {
		status = wanted.Get("status").Str()
	}
	differs := len(rp.gaps(before, wanted, c.before(before))) > 0
	if !differs && status == "" {
		return result{outcome: abi.Unchanged, output: beforeAfter(before, before)}
	}
	var all result
	if c.settling && rp.whole.halfSettled(c.bound.endpoint, differs, status) {
		c.settling, c.wrote, all.reconciled = false, true, true
	}
	var steps []func(before jsonval.Value) result
	if differs {
		steps = append(steps, func(before jsonval.Value) result { return c.write(rp, before) })
	}
	switchStatus := func(before jsonval.Value) result { return c.switchTo(rp, status, before) }
	switch status {
	case "INACTIVE":
		steps = slices.Insert(steps, 0, switchStatus)
	case "ACTIVE":
		steps = append(steps, switchStatus)
	}
	for i, step := range steps {
		now, failed := before, failed
		if i > 0 {
			now, failed = c.wholeObject(rp)
		}
		var r result
		if failed != nil {
			r = *failed
		} else {
			r = step(now)
		}
		r.warnings = append(all.warnings, r.warnings...)
		r.reconciled = r.reconciled || all.reconciled
		if r.outcome == abi.Unchanged && i > 0 { // the step before has done this one, too
			r.outcome = all.outcome
		}
		if !r.outcome.OK() {
			if i > 0 {
				r.err.Message = rp.halfDone(status) + ": " + r.err.Message
			}
			if c.wrote && r.output == "" {
				if now, failed := c.wholeObject(rp); failed == nil {
					r.output = beforeAfter(before, now)
				}
			}
			return r
		}
		c.settling = false // an earlier run's write is settled with the first step
		all = r
	}
	if len(steps) > 1 && !c.planning {
		now, failed := c.wholeObject(rp)
		if failed != nil {
			all.warnings = append(all.warnings, "the "+rp.whole.noun+" could not be read afterwards: "+failed.err.Message)
		}
		all.output = beforeAfter(before, now)
	}
	return all
}

// before is how an object that was just read is compared with what is to be sent: exactly. What changed since an earlier run's
// write left, which this run settles, is compared as an answer of Okta's.
func (c *call) before(o jsonval.Value) comparison {
	if c.settling && c.afterWrite(o) {
		return gaps
	}
	return changes
}

// afterWrite reports whether an object was changed since the write of an earlier run was about to leave.
func (c *call) afterWrite(o jsonval.Value) bool {
	at, ok := parseInstant(o.Get("lastUpdated").Str())
	return ok && c.since > 0 && at >= c.since
}

// halfSettled reports whether an earlier run's write to an endpoint was one of two and is known to have been done: what it was
// to do holds, and the other is left.
func (w *whole) halfSettled(endpoint string, differs bool, status string) bool {
	switch {
	case w.switches == nil:
		return false
	case endpoint == w.put:
		return !differs && status != ""
	}
	return (endpoint == w.switches.activate.Endpoint || endpoint == w.switches.deactivate.Endpoint) && differs && status == ""
}

// halfDone says that the first of two writes took effect.
func (rp *replacement) halfDone(status string) string {
	if status == "INACTIVE" {
		return "the " + rp.whole.noun + " is INACTIVE now, and was not changed otherwise"
	}
	return "the " + rp.whole.noun + " was changed, and is not ACTIVE yet"
}

func (c *call) wholeObject(rp replacement) (jsonval.Value, *result) {
	v, _, failed := c.read(hostcall.Request{Endpoint: rp.whole.get, Path: rp.path}, rp.whole.typ, rp.whole.noun)
	return v, failed
}

func (rp *replacement) merged(before jsonval.Value) (jsonval.Value, *result) {
	text, refused := rp.merge(before)
	if refused != nil {
		return jsonval.Value{}, refused
	}
	v, err := jsonval.Parse(text)
	if err != nil {
		r := fail(abi.Invalid, "input", "the patch makes no JSON object")
		return v, &r
	}
	return v, nil
}

// write replaces the object as it was read, its status aside.
func (c *call) write(rp replacement, before jsonval.Value) result {
	noun := rp.whole.noun
	wanted, refused := rp.merged(before)
	if refused != nil {
		return *refused
	}
	// Okta has no ETag here. What others changed since it was read would be undone by writing the whole.
	moved := func() *result {
		now, failed := c.wholeObject(rp)
		if failed == nil && !unmoved(rp, before, now) {
			r := fail(abi.Rejected, "changed_meanwhile", "the "+noun+" was changed by another client while this change was made: "+
				"repeat it to merge it with theirs")
			r.err.Retryable = true
			failed = &r
		}
		return failed
	}
	if refused := moved(); refused != nil {
		return *refused
	}
	body := rp.whole.body(rp.sent(before, wanted))
	if rp.body != nil {
		body = rp.body(before, rp.sent(before, wanted))
	}
	what := "changing " + noun + " " + before.Get("id").Str()
	var effects []string
	if rp.effects != nil {
		effects = rp.effects(before)
	}
	told := len(rp.gaps(before, wanted, gaps)) > 0 // by what Okta makes of it, too
	written := func(after jsonval.Value) result {
		r := result{outcome: abi.Succeeded, output: beforeAfter(before, after), warnings: rp.besides(wanted, after)}
		if !told {
			var kept []string
			for _, g := range rp.gaps(after, wanted, changes) {
				kept = append(kept, g.path)
			}
			if kept != nil {
				r.warnings = append(r.warnings, "Okta took it, and keeps an order or members of its own in "+strings.Join(kept, ", "))
			}
		}
		return r
	}
	look := func() (reading, result) {
		now, failed := c.wholeObject(rp)
		switch {
		case failed != nil:
			return untold, result{}
		case len(rp.gaps(now, wanted, changes)) == 0 || told && len(rp.gaps(now, wanted, gaps)) == 0:
			return holds, written(now)
		case unmoved(rp, before, now):
			return absent, result{}
		}
		return untold, result{} // changed, and not as it was written: by Okta's own reading, or by somebody else
	}
	return c.insist(change{
		request: hostcall.Request{Endpoint: rp.whole.put, Path: rp.path, Body: body},
		typ:     rp.whole.typ, noun: noun,
		what:    what,
		undone:  "the " + noun + " was not changed",
		trace:   before.Get("lastUpdated").Str(),
		effects: effects,
		again:   moved, // where Okta refuses for now, somebody may be at this very object
		done: func(resp hostcall.Response) result {
			after, isJSON := c.Body(resp)
			answered := isJSON && after.Get("id").Str() != ""
			if !answered {
				var failed *result
				if after, failed = c.wholeObject(rp); failed != nil {
					return result{outcome: abi.Succeeded, output: beforeAfter(before, jsonval.Value{}),
						warnings: []string{"Okta took the change, and the " + noun + " could not be read afterwards: " + failed.err.Message}}
				}
			}
			lacking := rp.gaps(after, wanted, gaps)
			switch {
			case len(lacking) == 0:
				return written(after)
			case !answered: // what was read may lag behind
				return c.agreed(look, what)
			}
			return c.notAsAsked(what, lacking, look, beforeAfter(before, after), !rp.same(after, before))
		},
		look: look,
	})
}

// sent is the new object with the status that it has: another call sets that.
func (rp *replacement) sent(before, wanted jsonval.Value) jsonval.Value {
	status := before.Get("status")
	if rp.whole.switches == nil || !status.Exists() || wanted.Get("status").Str() == "INACTIVE" { // which it has by now
		return wanted
	}
	var w jsonval.Writer
	patch, _ := jsonval.Parse(w.Raw("status", status.Raw()).String())
	return patched(wanted, patch)
}

// besides warns of members that were not asked for, and that Okta changed with the others.
func (rp *replacement) besides(wanted, after jsonval.Value) []string {
	if rp.same(wanted, after) {
		return nil
	}
	sent, _ := jsonval.Parse(rp.whole.body(wanted))
	var names []string
	for _, g := range gaps(after, sent, "") {
		if g.path != "status" {
			names = append(names, g.path)
		}
	}
	if names == nil {
		return nil
	}
	return []string{"Okta changed members that were not asked for: " + strings.Join(names, ", ")}
}

// switchTo sets the status of an object by the endpoint that does so.
func (c *call) switchTo(rp replacement, status string, before jsonval.Value) result {
	endpoint, noun := rp.whole.switches.activate, rp.whole.noun
	var effects []string
	if status == "INACTIVE" {
		endpoint, effects = rp.whole.switches.deactivate, rp.whole.switches.off
	}
	if before.Get("status").Str() == status { // the write of the whole has done it, or somebody else was faster
		return result{outcome: abi.Unchanged, output: beforeAfter(before, before)}
	}
	look := looking(func() (object, *result) {
		now, failed := c.wholeObject(rp)
		return object{Value: now}, failed
	}, func(o object) bool { return o.Get("status").Str() == status }, func(o object) string { return beforeAfter(before, o.Value) })
	what := "setting " + noun + " " + before.Get("id").Str() + " " + status
	return c.insist(change{
		request: hostcall.Request{Endpoint: endpoint.Endpoint, Path: rp.path},
		typ:     rp.whole.typ, noun: noun,
		what:    what,
		undone:  "the " + noun + " is still " + before.Get("status").Str(),
		trace:   before.Get("lastUpdated").Str(),
		effects: effects,
		done: func(hostcall.Response) result {
			return c.readBack(look, what, laggingTime, beforeAfter(before, jsonval.Value{}))
		},
		look: look,
	})
}

// unmoved reports whether an object is as it was read before.
func unmoved(rp replacement, before, now jsonval.Value) bool {
	return now.Get("lastUpdated").Equal(before.Get("lastUpdated")) && rp.same(before, now)
}

// beforeAfter is the output of a change: both ends as read.
func beforeAfter(before, after jsonval.Value) string {
	var w jsonval.Writer
	w.Str("id", before.Get("id").Str()).StrIf("name", before.Get("name").Str())
	return w.Raw("before", before.Raw()).RawIf("after", after.Raw()).String()
}

// alike compares two states of an object that Okta normalises: null, "", [], {} and absent are one, and so are objects
// of such members. Arrays are compared as sets, since Okta puts them in an order of its own.
func alike(a, b jsonval.Value) bool {
	switch {
	case hollow(a) || hollow(b):
		return hollow(a) && hollow(b)
	case a.Kind() == jsonval.Object && b.Kind() == jsonval.Object:
		for _, v := range [...]jsonval.Value{a, b} {
			for k := range v.Members() {
				if !alike(a.Get(k), b.Get(k)) {
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
			i := slices.IndexFunc(rest, func(r jsonval.Value) bool { return alike(e, r) })
			if i < 0 {
				return false
			}
			rest = slices.Delete(rest, i, i+1)
		}
		return len(rest) == 0
	}
	return a.Equal(b)
}

// hollow reports whether a value says no more than its absence.
func hollow(v jsonval.Value) bool {
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
			if !hollow(m) {
				return false
			}
		}
		return true
	}
	return false
}

// alikeBut is alike of two objects, some members aside.
func alikeBut(a, b jsonval.Value, aside ...string) bool {
	for _, v := range [...]jsonval.Value{a, b} {
		for k := range v.Members() {
			if !slices.Contains(aside, k) && !alike(a.Get(k), b.Get(k)) {
				return false
			}
		}
	}
	return true
}
