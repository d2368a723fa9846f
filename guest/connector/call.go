package connector

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// errCall means that the host's message cannot be parsed or does not match the manifest, which is a bug of the host.
var errCall = errors.New("the call does not follow the ABI")

// Call is one run of an operation. It must not be used concurrently or after the run.
type Call struct {
	hostcall.Host
	Service   *Service
	Operation *Operation
	Input     jsonval.Value
	Settings  jsonval.Value
	Now       string // RFC 3339
	Tabled    bool   // the call reads a page of a table, which ends where a source has caught up

	credential
	reads
	writes
	earlierRun
}

// credential is the connection's token, as a header.
type credential struct {
	auth   hostcall.Pair
	denied string // why there is no auth; "" if none was requested
}

// reads holds what the call's reads have shown.
type reads struct {
	ServerNow clock.Instant // Date of the service's last response; 0 before the first
	objects   []string      // ids of objects that were read one by one
	Forbidden []string      // endpoints whose last read was forbidden at every attempt
	Announced []string      // lists whose first request was announced, and which are not read yet; a walk names them

	announced []hostcall.Request // the next request announces them
}

// writes holds the state of the call's writes.
type writes struct {
	asked    clock.Instant // Date of the service's last response before this run's last write
	showing  bool          // the host wants to see the first write's target as it was before
	Planning bool          // a write was planned instead of sent: its target is unchanged
	Wrote    bool          // a write took effect
}

// earlierRun describes an earlier run of the same invoke that ended when its write may have been sent.
type earlierRun struct {
	Settling bool          // the result of that write is not known yet
	resumed  bool          // the run started with Settling
	Bound    targets       // ids of the objects that the input's names and logins meant then
	since    clock.Instant // time of that write, by the service's clock; 0 if unknown
}

// Result is the result of an invoke.
type Result struct {
	Outcome    abi.Outcome
	Output     string // JSON; empty if the emitted record is the output
	List       bool   // the emitted records are a list
	Cursor     string // resumes the list
	Truncated  bool   // more records follow, at Cursor
	Err        *abi.Error
	Reconciled bool              // the outcome was determined by reading back
	Sensitive  bool              // the output has credentials
	Withheld   *hostcall.Request // the write that was refused before it was sent
	Warnings   []string
}

// Page is one page of a source.
type Page struct {
	Result      // its Outcome, Err and Warnings
	Checkpoint  string
	CaughtUp    bool
	Stalled     bool // with CaughtUp: there may be more records, but no link leads to them
	PollAfterMS int64
	Watermark   string // latest time of an event so far
}

// NewCall parses the host's message. It returns the message too.
func (cn *Connector) NewCall(host hostcall.Host, text string) (*Call, jsonval.Value, error) {
	v, err := jsonval.Parse(text)
	if err != nil {
		return nil, v, errCall
	}
	op := cn.Find(v.Get("operation").Str())
	if op == nil {
		return nil, v, errCall
	}
	return &Call{Host: host.With(v.Get("features")), Service: &cn.Service, Operation: op, Input: v.Get("input"), Settings: v.Get("settings"), Now: v.Get("now").Str()}, v, nil
}

// Invoke implements the invoke export.
func (cn *Connector) Invoke(host hostcall.Host, text string) (string, error) {
	c, v, err := cn.NewCall(host, text)
	if err != nil {
		return "", err
	}
	c.Settling = v.Get("settle").True()
	c.resumed = c.Settling
	c.showing = v.Get("show").True()
	c.Bound = c.Service.boundTo(v.Get("settle_target"))
	c.since, _ = clock.ParseInstant(v.Get("settle_since").Str())
	r, ok := c.Operation.invoke(c)
	if !ok {
		return "", errCall
	}
	if c.Settling && !r.Outcome.OK() && r.Outcome != abi.Unknown {
		r = unsettled(r)
	}
	var w jsonval.Writer
	w.Str("outcome", string(r.Outcome)).RawIf("output", r.Output).BoolIf("list", r.List).StrIf("next_cursor", r.Cursor).BoolIf("truncated", r.Truncated)
	r.finish(&w)
	w.BoolIf("partial", c.Wrote && !r.Outcome.OK())
	if req := r.Withheld; req != nil && !c.Wrote {
		var target, path jsonval.Writer
		for _, p := range req.Path {
			path.Str(p.Name, p.Value)
		}
		w.Raw("withheld", target.Str("endpoint", req.Endpoint).Raw("path", path.String()).String())
	}
	return w.BoolIf("reconciled", r.Reconciled).BoolIf("sensitive", r.Sensitive).String(), nil
}

// Source implements the source export.
func (cn *Connector) Source(host hostcall.Host, text string) (string, error) {
	c, v, err := cn.NewCall(host, text)
	if err != nil || c.Operation.Source == nil {
		return "", errCall
	}
	c.Input = v.Get("config")
	p := c.Operation.Source(c, v.Get("checkpoint"))
	var w jsonval.Writer
	w.Str("outcome", string(p.Outcome)).RawIf("checkpoint", p.Checkpoint).Bool("caught_up", p.CaughtUp)
	w.BoolIf("stalled", p.Stalled).IntIf("poll_after_ms", p.PollAfterMS).StrIf("watermark", p.Watermark)
	p.finish(&w)
	return w.String(), nil
}

// Table implements the table export.
func (cn *Connector) Table(host hostcall.Host, text string) (string, error) {
	c, v, err := cn.NewCall(host, text)
	if err != nil || !c.Operation.On(abi.SQL) {
		return "", errCall
	}
	c.Tabled = true
	// The first page starts at the input's cursor.
	r, ok := c.Operation.table(c, cmp.Or(v.Get("cursor").Str(), c.Str("cursor")), int(v.Get("limit").Int()))
	if !ok {
		return "", errCall
	}
	if r.Outcome == abi.NotFound && c.Operation.pager() == nil { // a missing object is an empty table
		r = Result{Outcome: abi.Succeeded}
	}
	if r.Output != "" && r.Outcome == abi.Succeeded && !r.List && !c.EmitRecord(r.Output) { // a row whose record was not emitted yet
		r = Fail(abi.Failed, "record", "the host refused the record")
	}
	var w jsonval.Writer
	w.Str("outcome", string(r.Outcome)).StrIf("cursor", r.Cursor)
	if r.List {
		w.RawIf("report", r.Output)
	}
	r.finish(&w)
	return w.String(), nil
}

func (r *Result) finish(w *jsonval.Writer) {
	if r.Err != nil {
		w.Raw("error", encode.Error(r.Err))
	}
	if len(r.Warnings) > 0 {
		w.Strs("warnings", r.Warnings)
	}
}

// invoke runs the operation for the invoke export; ok is false if the operation does nothing.
func (op *Operation) invoke(c *Call) (r Result, ok bool) {
	switch {
	case !c.cursorFits():
		return c.BadCursor(), true
	case op.Do != nil:
		return op.Do(c), true
	case op.pager() != nil:
		return c.All(op.pager()), true
	case op.Get != nil:
		return op.Get.Run(c), true
	}
	return r, false
}

// table runs the operation for the table export: one page from the cursor at, with at most limit rows (0 means all).
func (op *Operation) table(c *Call, at string, limit int) (r Result, ok bool) {
	switch {
	case !c.cursorFits():
		return c.BadCursor(), true
	case op.pager() != nil:
		r, _ = op.pager()(c, at, limit)
		return r, true
	case op.Get != nil:
		return op.Get.Run(c), true
	case op.Do != nil:
		return op.Do(c), true
	}
	return r, false
}

// DoubtDelays are the waits before a read is sent again that failed with the code Doubtful, in milliseconds.
var DoubtDelays = [...]int64{500, 1500}

// SendWithToken sends a request with the connection's token. It repeats a forbidden read, unless the last read of the
// same endpoint was forbidden at every attempt.
func (c *Call) SendWithToken(req hostcall.Request) hostcall.Response {
	resp := c.sendOnce(req)
	switch {
	case resp.Err != nil || !strings.HasPrefix(req.Endpoint, "GET "):
		return resp
	case resp.Status != 403 || c.Service.Errors.Doubtful == "" || c.ReadError(resp).Code != c.Service.Errors.Doubtful:
		if i := slices.Index(c.Forbidden, req.Endpoint); i >= 0 {
			last := len(c.Forbidden) - 1
			c.Forbidden[i], c.Forbidden = c.Forbidden[last], c.Forbidden[:last]
		}
		return resp
	case slices.Contains(c.Forbidden, req.Endpoint):
		return resp
	}
	for _, ms := range DoubtDelays {
		if !c.Wait(ms) {
			return resp
		}
		if resp = c.sendOnce(req); resp.Err != nil || resp.Status != 403 {
			return resp
		}
	}
	c.Forbidden = append(c.Forbidden, req.Endpoint)
	return resp
}

// sendOnce sends a request with the connection's token.
func (c *Call) sendOnce(req hostcall.Request) hostcall.Response {
	if req.Sign = c.Signs(); !req.Sign && c.auth.Value == "" && c.denied == "" {
		c.auth, c.denied = c.Credential(abi.TokenRef)
	}
	if c.denied != "" {
		return hostcall.Response{Err: &abi.SendError{Code: abi.SendDenied, Message: c.denied}}
	}
	if err := c.Unsendable(req); err != nil {
		return hostcall.Response{Err: err}
	}
	if !req.Sign {
		req.Headers = append(req.Headers, c.auth)
	}
	c.attachAnnounced(&req)
	resp := c.Send(req)
	if at, ok := clock.ParseHTTPDate(resp.Header("date")); ok {
		c.ServerNow = at
	}
	return resp
}

// Str returns a string of the input. When a run settles an earlier run's write, it returns the id instead of a name or
// login. Those may mean another object now.
func (c *Call) Str(name string) string {
	s := c.Input.Get(name).Str()
	if s == "" {
		return ""
	}
	return cmp.Or(c.Bound.id(name), s)
}

// Get is an operation that reads one object.
type Get struct {
	Endpoint string
	Path     []Blank
	Query    []Param
	Omit     []string // members that are removed from the object
	Noun     string   // for messages: "user"
	Type     string   // the service's name of the type in a 404: "User"
}

// Blank fills a path parameter of an endpoint from the input.
//
// It is an alias of an unnamed type, so that tables can omit field names.
type Blank = struct{ Name, Input string }

// Param sends a field of the input as a query parameter.
//
// It is an alias of an unnamed type, so that tables can omit field names.
type Param = struct{ Input, Query string }

// Run reads the object and emits it.
func (g *Get) Run(c *Call) Result {
	resp := c.SendForObject(hostcall.Request{Endpoint: g.Endpoint, Path: c.Blanks(g.Path), Query: c.Params(g.Query)}, g.Omit)
	if !OK(resp) {
		return c.Failure(resp, g.Type, g.Noun)
	}
	return c.EmitObject(resp, g.Omit)
}

// EmitObject emits the one object in a response, unless the host has already emitted it.
func (c *Call) EmitObject(resp hostcall.Response, omit []string) Result {
	s := resp.Emitted
	if s == nil {
		sum := c.Emit(resp.Body, c.object(omit))
		s = &sum
	}
	if why := cmp.Or(s.Err, NotWhole(resp)); why != "" {
		return c.BadBody(resp, why)
	}
	return Result{Outcome: abi.Succeeded}
}

// SendForObject sends a request whose response is passed to EmitObject. If the host supports it, it emits the object at
// once, without the members of omit.
func (c *Call) SendForObject(req hostcall.Request, omit []string) hostcall.Response {
	emit := c.object(omit)
	req.Emit = &emit
	return c.SendWithToken(req)
}

// object returns the options to emit a response that is one object.
func (c *Call) object(omit []string) abi.EmitOptions {
	return abi.EmitOptions{Want: abi.WantObject, Key: cmp.Or(c.Operation.Key, "id"), Omit: omit}
}

// Blanks returns the path parameters that an input fills.
func (c *Call) Blanks(blanks []Blank) []hostcall.Pair {
	var pairs []hostcall.Pair
	for _, b := range blanks {
		pairs = append(pairs, hostcall.Pair{Name: b.Name, Value: c.Str(b.Input)})
	}
	return pairs
}

// Params returns the query parameters of the fields that the input has.
func (c *Call) Params(params []Param) []hostcall.Pair {
	var pairs []hostcall.Pair
	for _, p := range params {
		v := c.Input.Get(p.Input)
		switch v.Kind() {
		case jsonval.None, jsonval.Null:
		case jsonval.String:
			pairs = append(pairs, hostcall.Pair{Name: p.Query, Value: v.Str()})
		default:
			pairs = append(pairs, hostcall.Pair{Name: p.Query, Value: v.Raw()})
		}
	}
	return pairs
}
