package okta

import (
	"cmp"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// object is one object as Okta answered it.
type object struct {
	jsonval.Value
	etag string
	gone bool // there is none
}

// object reads one object. typ and noun name it, as in failure; failed is not nil when it could not be read, whether it is
// gone or not.
func (c *call) object(req hostcall.Request, typ, noun string) (object, *result) {
	resp := c.send(req)
	if !ok(resp) {
		r := c.failure(resp, typ, noun)
		// A 404 that is not Okta's own (a proxy's, a wrong path) says nothing of the object.
		return object{gone: r.outcome == abi.NotFound && upstreamCode(r) == "E0000007"}, &r
	}
	v, isJSON := c.Body(resp)
	if v.Get("id").Str() == "" {
		r := c.badBody(resp, "wanted the "+noun+", found "+describe(v, isJSON))
		return object{}, &r
	}
	c.objects = append(c.objects, v.Get("id").Str())
	return object{Value: v, etag: resp.Header("etag")}, nil
}

// array is the array of objects that an answer has to be.
func (c *call) array(resp hostcall.Response, noun string) (jsonval.Value, *result) {
	v, isJSON := c.Body(resp)
	if !isJSON || v.Kind() != jsonval.Array {
		r := c.badBody(resp, "wanted a list of "+noun+", found "+describe(v, isJSON))
		return jsonval.Value{}, &r
	}
	for e := range v.Elements() {
		if e.Kind() != jsonval.Object {
			r := c.badBody(resp, "wanted a list of "+noun+", found "+describe(e, true)+" in it")
			return jsonval.Value{}, &r
		}
	}
	return v, nil
}

// describe says what an answer is that is not what was wanted.
func describe(v jsonval.Value, isJSON bool) string {
	switch {
	case !isJSON:
		return "no JSON"
	case v.Kind() == jsonval.Object:
		return "an object without an id"
	case v.Kind() == jsonval.Array:
		return "an array"
	case v.Kind() == jsonval.Null:
		return "null"
	}
	return "a single value"
}

// emitObject emits the one object that an answer has to be.
func (c *call) emitObject(resp hostcall.Response, omit []string) result {
	if s := c.Emit(resp.Body, abi.EmitOptions{Want: abi.WantObject, Key: cmp.Or(c.op.key, "id"), Omit: omit}); s.Err != "" {
		return c.badBody(resp, s.Err)
	}
	return result{outcome: abi.Succeeded}
}

// read is object for those who do not care for the ETag. gone means that the object itself is missing.
func (c *call) read(req hostcall.Request, typ, noun string) (v jsonval.Value, gone bool, failed *result) {
	o, failed := c.object(req, typ, noun)
	return o.Value, o.gone, failed
}

// at fills the blanks of a path: name, value, name, value.
func at(pairs ...string) []hostcall.Pair {
	var path []hostcall.Pair
	for i := 0; i+1 < len(pairs); i += 2 {
		path = append(path, hostcall.Pair{Name: pairs[i], Value: pairs[i+1]})
	}
	return path
}

// userID is the id of the user that the input names by id or login, for endpoints that want an id. Only a read takes a
// login in part (targetUser).
func (c *call) userID() (string, *result) {
	user := c.str("user")
	if isID(user, "00u") {
		return user, nil
	}
	read := c.targetUser
	if c.op.class == abi.Read {
		read = func() (object, *result) { return c.userObject(user) }
	}
	u, failed := read()
	return u.Get("id").Str(), failed
}

// flag is a boolean of the input as a query parameter, sent whether it is given or not: Okta's own defaults differ from
// call to call.
func (c *call) flag(input, query string) hostcall.Pair {
	value := "false"
	if c.input.Get(input).True() {
		value = "true"
	}
	return hostcall.Pair{Name: query, Value: value}
}

// refuse is a refusal of the operation's own: it looked, and what it saw does not allow the write.
func refuse(code, message string) result { return fail(abi.Rejected, code, message) }

// withholding notes the write that a refusal is about.
func (r *result) withholding(endpoint string, path []hostcall.Pair) *result {
	if r != nil {
		r.withheld = &hostcall.Request{Endpoint: endpoint, Path: path}
	}
	return r
}

// states is the output of a change of state, both ends as read.
func states(id, name string, before, after string) string {
	var w jsonval.Writer
	return w.Str("id", id).StrIf("name", name).Str("before", before).Str("after", after).String()
}

// looking makes a change's look of a reading: holds decides whether what was read is the wanted state, and output
// what the result then says.
func looking(read func() (object, *result), holdsIf func(object) bool, output func(object) string) func() (reading, result) {
	return func() (reading, result) {
		o, failed := read()
		switch {
		case failed != nil && !o.gone:
			return untold, result{}
		case holdsIf(o):
			return holds, result{output: output(o)}
		}
		return absent, result{}
	}
}

// readBack is a write that Okta took and that look reads back for so many milliseconds. unread is the output where it
// cannot be read.
func (c *call) readBack(look func() (reading, result), what string, patience int64, unread string) result {
	switch is, r := c.settle(look, patience); is {
	case holds:
		r.outcome = abi.Succeeded
		return r
	case absent:
		return fail(abi.Unknown, string(abi.Unknown), what+": Okta took it, and what it should have changed does not show. Look at the object before you repeat it")
	}
	return result{outcome: abi.Succeeded, output: unread, warnings: []string{"Okta took it, and it could not be read afterwards"}}
}

// loginInput is a required input that names a user by id or login. A login may have any character but control characters.
func loginInput(name, description string) input {
	return input{name, true, loginSchema(description)}
}

func loginSchema(description string) string {
	return `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[^\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

// idInput is a required input that names an object by id.
func idInput(name, description string) input {
	return input{name, true, idSchema("255", description)}
}

// nameInput is a required input that names an object by id or name, which has whatever characters people like.
func nameInput(name, description string) input {
	return input{name, true, `{"type":"string","minLength":1,"maxLength":255,"description":` + jsonval.Quote(description) + `}`}
}

// idSchema is the schema of a value that stands in a path: no slash, backslash or control character.
func idSchema(most, description string) string {
	return `{"type":"string","minLength":1,"maxLength":` + most + `,"pattern":"^[^/\\\\\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

// textInput is an optional string that is passed on.
func textInput(name string, most string, description string) input {
	return input{name, false, `{"type":"string","minLength":1,"maxLength":` + most + `,"description":` + jsonval.Quote(description) + `}`}
}

// boolInput is an optional boolean that is false by default.
func boolInput(name, description string) input {
	return input{name, false, `{"type":"boolean","default":false,"description":` + jsonval.Quote(description) + `}`}
}

var (
	sendEmailInput = boolInput("send_email", "has Okta tell people by e-mail")
	sortByInput    = textInput("sort_by", "255", "attribute to sort by, such as profile.lastName")
	sortRequire    = `"description":"sort_order goes with sort_by","dependentRequired":{"sort_order":["sort_by"]}`
	sortOrderInput = input{"sort_order", false, `{"enum":["asc","desc"],"default":"asc","description":"with sort_by"}`}
)
