package okta

import (
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// replacement is a change of an object that Okta takes as a whole alone: read, merge, write what may be written.
type replacement struct {
	get, put  string // endpoints
	path      []hostcall.Pair
	noun, typ string

	// merge makes the new object of the one that was read, or refuses. Read-only members need not be taken out.
	merge func(before jsonval.Value) (after string, refused *result)
	// body may change what is written; nil is the object without its read-only members.
	body func(before jsonval.Value, after jsonval.Value) string
	// same reports whether two states mean the same, read-only members aside.
	same func(a, b jsonval.Value) bool
}

// readOnly are the members that Okta sets by itself.
var readOnly = []string{"id", "created", "lastUpdated", "system", "_links", "_embedded"}

// without is an object less some of its members. Those that are null go as well: for an object that is written as a
// whole, null and absent are one.
func without(v jsonval.Value, names []string) string {
	var w jsonval.Writer
	for k, m := range v.Members() {
		if m.Kind() != jsonval.Null && !slices.Contains(names, k) {
			w.Raw(k, m.Raw())
		}
	}
	return w.String()
}

// checkPatch refuses a merge patch of what cannot be changed.
func checkPatch(patch jsonval.Value) *result {
	for k, v := range patch.Members() {
		switch {
		case slices.Contains(readOnly, k) || k == "type":
			r := fail(abi.Invalid, "input", "patch: "+k+" cannot be changed: leave it out")
			return &r
		case k == "name" && v.Kind() != jsonval.String:
			r := fail(abi.Invalid, "input", "patch: name is a string, and cannot be taken away")
			return &r
		}
	}
	return nil
}

// replace reads, merges and writes.
func (c *call) replace(rp replacement) result {
	read := func() (jsonval.Value, *result) {
		v, _, failed := c.read(hostcall.Request{Endpoint: rp.get, Path: rp.path}, rp.typ, rp.noun)
		return v, failed
	}
	before, failed := read()
	if failed != nil {
		return *failed
	}
	text, refused := rp.merge(before)
	if refused != nil {
		return *refused
	}
	merged, err := jsonval.Parse(text)
	if err != nil {
		return fail(abi.Invalid, "input", "the patch makes no JSON object")
	}
	if rp.same(before, merged) {
		return result{outcome: abi.Unchanged, output: beforeAfter(before, before)}
	}
	// Okta has no ETag here. What others changed since it was read would be undone by writing the whole.
	moved := func() *result {
		now, failed := read()
		if failed == nil && !unmoved(rp, before, now) {
			r := fail(abi.Rejected, "changed_meanwhile", "the "+rp.noun+" was changed by somebody else while this change was made: "+
				"repeat it to merge it with theirs")
			r.err.Retryable = true
			failed = &r
		}
		return failed
	}
	if refused := moved(); refused != nil {
		return *refused
	}
	body := without(merged, readOnly)
	if rp.body != nil {
		body = rp.body(before, merged)
	}
	id := before.Get("id").Str()
	written := func(after jsonval.Value) result {
		r := result{outcome: abi.Succeeded, output: beforeAfter(before, after)}
		if !rp.same(after, merged) {
			r.warnings = []string{"Okta took the change, and has not all of it as it was written: compare `after` with what you wanted"}
		}
		return r
	}
	look := func() (reading, result) {
		now, failed := read()
		switch {
		case failed != nil:
			return untold, result{}
		case rp.same(now, merged):
			return holds, written(now)
		case unmoved(rp, before, now):
			return absent, result{}
		}
		return untold, result{} // changed, and not as it was written: by Okta's own reading, or by somebody else
	}
	return c.insist(change{
		request: hostcall.Request{Endpoint: rp.put, Path: rp.path, Body: body},
		typ:     rp.typ, noun: rp.noun,
		what:   "changing " + rp.noun + " " + id,
		undone: "the " + rp.noun + " was not changed",
		trace:  before.Get("lastUpdated").Str(),
		again:  moved, // where Okta refuses for now, somebody may be at this very object
		done: func(resp hostcall.Response) result {
			after, isJSON := c.Body(resp)
			if !isJSON || after.Get("id").Str() == "" {
				if after, failed = read(); failed != nil {
					r := result{outcome: abi.Succeeded, output: beforeAfter(before, jsonval.Value{})}
					r.warnings = []string{"Okta took the change, and the " + rp.noun + " could not be read afterwards: " + failed.err.Message}
					return r
				}
			}
			if rp.same(after, before) { // as it was before
				return c.agreed(look, "changing "+rp.noun+" "+id)
			}
			return written(after)
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
