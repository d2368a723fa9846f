package connector

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Object is one object as the service returned it.
type Object struct {
	jsonval.Value
	ETag string
	Gone bool // the object does not exist
}

// ReadObject reads one object. typ and noun are as in Failure. failed is not nil if the object could not be read,
// including if it is gone.
func (c *Call) ReadObject(req hostcall.Request, typ, noun string) (Object, *Result) {
	resp := c.SendWithToken(req)
	if !OK(resp) {
		r := c.Failure(resp, typ, noun)
		// A 404 of another server (a proxy, a wrong path) says nothing about the object.
		return Object{Gone: r.Outcome == abi.NotFound && (c.Service.Errors.Gone == "" || UpstreamCode(r) == c.Service.Errors.Gone)}, &r
	}
	v, isJSON := c.Body(resp)
	id := c.ID(req.Endpoint, v)
	switch {
	case id == "" && v.Kind() == jsonval.Object:
		r := c.BadBody(resp, "wanted the "+noun+", found an object without an id: "+c.keyPath(req.Endpoint)+" is not a string or number")
		return Object{}, &r
	case id == "":
		r := c.BadBody(resp, "wanted the "+noun+", found "+Describe(v, isJSON))
		return Object{}, &r
	case NotWhole(resp) != "":
		r := c.BadBody(resp, NotWhole(resp))
		return Object{}, &r
	case c.isOther(req.Path, id):
		r := c.BadBody(resp, "wanted "+req.Path[len(req.Path)-1].Value+", found another object, "+id+" (a cache between this machine and the service?)")
		return Object{}, &r
	}
	c.objects = append(c.objects, id)
	return Object{Value: v, ETag: resp.Header("etag")}, nil
}

// NotWhole says why a response to a read is incomplete, by its status: 202 has no content yet, and 206 is a part. It is
// "" for any other status.
func NotWhole(resp hostcall.Response) string {
	if resp.Status == 202 || resp.Status == 206 {
		return "wanted the complete content, but the status says that it is not"
	}
	return ""
}

// isOther reports whether an object's id differs from the id in the path. A path may also have a name or a login. It
// checks only for operations of class destructive, whose effect cannot be undone.
func (c *Call) isOther(path []hostcall.Pair, id string) bool {
	if len(path) == 0 || c.Service.SameKind == nil || c.Operation.Class != abi.Destructive {
		return false
	}
	asked := path[len(path)-1].Value
	return asked != id && c.Service.SameKind(asked, id)
}

// Array returns the array of objects in a response, or a failure if the body is something else.
func (c *Call) Array(resp hostcall.Response, noun string) (jsonval.Value, *Result) {
	return c.arrayAt(resp, "", noun)
}

// arrayAt is Array at a path in the body; "" means the whole body.
func (c *Call) arrayAt(resp hostcall.Response, path, noun string) (jsonval.Value, *Result) {
	v, isJSON := c.Body(resp)
	if path != "" {
		v = v.At(strings.Split(path, ".")...)
	}
	if why := NotWhole(resp); why != "" {
		r := c.BadBody(resp, why)
		return jsonval.Value{}, &r
	}
	if !isJSON || v.Kind() != jsonval.Array {
		r := c.BadBody(resp, "wanted a list of "+noun+", found "+Describe(v, isJSON))
		return jsonval.Value{}, &r
	}
	for e := range v.Elements() {
		if e.Kind() != jsonval.Object {
			r := c.BadBody(resp, "wanted a list of "+noun+", found "+Describe(e, true)+" in it")
			return jsonval.Value{}, &r
		}
	}
	return v, nil
}

// Describe describes a body that is not what was wanted.
func Describe(v jsonval.Value, isJSON bool) string {
	switch {
	case !isJSON:
		return "something other than JSON"
	case v.Kind() == jsonval.Object:
		return "an object without an id"
	case v.Kind() == jsonval.Array:
		return "an array"
	case v.Kind() == jsonval.Null:
		return "null"
	}
	return "a single value"
}

// Read is ReadObject without the ETag. gone means that the object itself is missing.
func (c *Call) Read(req hostcall.Request, typ, noun string) (v jsonval.Value, gone bool, failed *Result) {
	o, failed := c.ReadObject(req, typ, noun)
	return o.Value, o.Gone, failed
}

// Pairs returns path parameters from name, value, name, value.
//
//go:noinline
func Pairs(pairs ...string) []hostcall.Pair {
	var path []hostcall.Pair
	for i := 0; i+1 < len(pairs); i += 2 {
		path = append(path, hostcall.Pair{Name: pairs[i], Value: pairs[i+1]})
	}
	return path
}

// Flag returns a boolean of the input as a query parameter. It is always sent, because the service's defaults differ.
func (c *Call) Flag(input, query string) hostcall.Pair {
	value := "false"
	if c.Input.Get(input).True() {
		value = "true"
	}
	return hostcall.Pair{Name: query, Value: value}
}

// Refuse returns a refusal by the operation itself: what it read does not allow the write.
//
//go:noinline
func Refuse(code, message string) Result { return Fail(abi.Rejected, code, message) }

// Withholding records the write that a refusal is about.
//
//go:noinline
func (r *Result) Withholding(endpoint string, path []hostcall.Pair) *Result {
	if r != nil {
		r.Withheld = &hostcall.Request{Endpoint: endpoint, Path: path}
	}
	return r
}

// States returns the output of a change of state, before and after as read.
func States(id, name string, before, after string) string {
	var w jsonval.Writer
	return w.Str("id", id).StrIf("name", name).Str("before", before).Str("after", after).String()
}

// Look returns a function for Change.Look from a read. holdsIf reports whether an object is in the wanted state. output
// returns the output for such an object.
func Look(read func() (Object, *Result), holdsIf func(Object) bool, output func(Object) string) func() (Reading, Result) {
	return func() (Reading, Result) {
		o, failed := read()
		switch {
		case failed != nil && !o.Gone:
			return Unclear, Result{}
		case holdsIf(o):
			return Holds, Result{Output: output(o)}
		}
		return Absent, Result{}
	}
}

// ReadBack returns the result of a successful write. look reads it back for at most patience milliseconds. unread is
// the output if that fails.
func (c *Call) ReadBack(look func() (Reading, Result), what string, patience int64, unread string) Result {
	switch is, r := c.Settle(look, patience); is {
	case Holds:
		r.Outcome = abi.Succeeded
		return r
	case Absent:
		return Fail(abi.Unknown, string(abi.Unknown), what+": "+c.Service.Name+" accepted it, but the change does not show. Look at the object before you repeat it")
	}
	return Result{Outcome: abi.Succeeded, Output: unread, Warnings: []string{c.Service.Name + " accepted it, but the result could not be read"}}
}
