package connector

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// errCall means that the host's message cannot be read or names what is not in the manifest: a bug of the host.
var errCall = errors.New("the call does not follow the ABI")

// Call is one run of an operation. It is not for concurrent use, and nothing of it is kept.
type Call struct {
	hostcall.Host
	Service   *Service
	Operation *Operation
	Input     jsonval.Value
	Settings  jsonval.Value
	Now       string // RFC 3339
	Tabled    bool   // the call is a page of a table, which ends where a source would have caught up

	credential
	reads
	writes
	earlierRun
}

// credential is the connection's token, as a header has it.
type credential struct {
	auth   hostcall.Pair
	denied string // why there is no auth
}

// reads is what the reads of a call told.
type reads struct {
	ServerNow clock.Instant // the Date of the service's last answer; 0 before the first
	objects   []string      // ids of the objects that were read by themselves
	Barred    []string      // endpoints whose last read was forbidden, and not in passing
}

// writes is what became of a call's writes.
type writes struct {
	asked    clock.Instant // the Date of the service's last answer before this run's last write
	showing  bool          // the host wants to see what the first write is for, as it was before
	Planning bool          // a write was held back: what it would change still is as it was
	Wrote    bool          // a write took effect
}

// earlierRun is what is known of an earlier run of the same invoke, which ended when a write may have left.
type earlierRun struct {
	Settling bool          // what became of that write is not known yet
	resumed  bool          // this run began so
	Bound    targets       // what the input's names and logins stood for then
	since    clock.Instant // when that was, by the service's clock; 0 is not known
}

// Result is the end of an invoke.
type Result struct {
	Outcome    abi.Outcome
	Output     string // JSON; empty if the emitted record is the output
	List       bool   // the emitted records are a list
	Cursor     string // resumes the list
	Truncated  bool   // records are left, at Cursor
	Err        *abi.Error
	Reconciled bool              // the outcome was read back
	Sensitive  bool              // the output lets whoever reads it sign in
	Withheld   *hostcall.Request // the write that was refused before it was sent
	Warnings   []string
}

// Page is one page of a source.
type Page struct {
	Result      // its Outcome, Err and Warnings
	Checkpoint  string
	CaughtUp    bool
	Stalled     bool // with caughtUp: there may be more, but no link leads on
	PollAfterMS int64
	Watermark   string // of a source: the latest time of an event up to here
}

// NewCall reads the host's message.
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

// Invoke is the export of that name.
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

// Source is the export of that name.
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

// Table is the export of that name.
func (cn *Connector) Table(host hostcall.Host, text string) (string, error) {
	c, v, err := cn.NewCall(host, text)
	if err != nil || !c.Operation.On(abi.SQL) {
		return "", errCall
	}
	c.Tabled = true
	// The input's cursor is where the first page begins.
	r, ok := c.Operation.table(c, cmp.Or(v.Get("cursor").Str(), c.Str("cursor")), int(v.Get("limit").Int()))
	if !ok {
		return "", errCall
	}
	if r.Outcome == abi.NotFound && c.Operation.pager() == nil { // a row that is not there is no row
		r = Result{Outcome: abi.Succeeded}
	}
	if r.Output != "" && r.Outcome == abi.Succeeded && !r.List && !c.EmitRecord(r.Output) { // a row by value
		r = Fail(abi.Failed, "record", "the host refused the record")
	}
	var w jsonval.Writer
	w.Str("outcome", string(r.Outcome)).StrIf("cursor", r.Cursor)
	r.finish(&w)
	return w.String(), nil
}

func (r *Result) finish(w *jsonval.Writer) {
	if r.Err != nil {
		w.Raw("error", errorJSON(r.Err))
	}
	if len(r.Warnings) > 0 {
		w.Strs("warnings", r.Warnings)
	}
}

// DoubtDelays are the pauses before a read is sent again that was refused with the doubtful code, in milliseconds.
var DoubtDelays = [...]int64{500, 1500}

// SendWithToken makes a request with the connection's token. A read that is forbidden is asked for again, unless the read of the same
// endpoint before was forbidden for as long.
func (c *Call) SendWithToken(req hostcall.Request) hostcall.Response {
	resp := c.sendOnce(req)
	switch {
	case resp.Err != nil || !strings.HasPrefix(req.Endpoint, "GET "):
		return resp
	case resp.Status != 403 || c.Service.Errors.Doubtful == "" || c.ReadError(resp).Code != c.Service.Errors.Doubtful:
		if i := slices.Index(c.Barred, req.Endpoint); i >= 0 {
			last := len(c.Barred) - 1
			c.Barred[i], c.Barred = c.Barred[last], c.Barred[:last]
		}
		return resp
	case slices.Contains(c.Barred, req.Endpoint):
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
	c.Barred = append(c.Barred, req.Endpoint)
	return resp
}

// sendOnce makes a request with the connection's token.
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
	resp := c.Send(req)
	if at, ok := clock.ParseHTTPDate(resp.Header("date")); ok {
		c.ServerNow = at
	}
	return resp
}

// Str is a string of the input. In a run that settles an earlier one's write, what names its object is that object's id:
// a name or login may be somebody else's by now.
func (c *Call) Str(name string) string {
	s := c.Input.Get(name).Str()
	if s == "" {
		return ""
	}
	return cmp.Or(c.Bound.of(name), s)
}

// Get is an operation that reads one object.
type Get struct {
	Endpoint string
	Path     []Blank
	Query    []Param
	Omit     []string // members that the object goes out without
	Noun     string   // what a 404 says is missing: "user"
	Type     string   // the service's name of it in a 404: "User"
}

// Blank fills a blank of an endpoint from the input.
//
// It is an alias of an unnamed type, so that tables of them need no names of fields.
type Blank = struct{ Name, Input string }

// Param passes a field of the input on as a query parameter.
//
// It is an alias of an unnamed type, so that tables of them need no names of fields.
type Param = struct{ Input, Query string }

func (g *Get) Run(c *Call) Result {
	resp := c.SendForObject(hostcall.Request{Endpoint: g.Endpoint, Path: c.Blanks(g.Path), Query: c.Params(g.Query)}, g.Omit)
	if !OK(resp) {
		return c.Failure(resp, g.Type, g.Noun)
	}
	return c.EmitObject(resp, g.Omit)
}

func (c *Call) Blanks(blanks []Blank) []hostcall.Pair {
	var pairs []hostcall.Pair
	for _, b := range blanks {
		pairs = append(pairs, hostcall.Pair{Name: b.Name, Value: c.Str(b.Input)})
	}
	return pairs
}

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
