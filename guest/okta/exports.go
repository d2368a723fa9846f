package okta

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// errCall means that the host's message cannot be read or names what is not in the manifest: a bug of the host.
var errCall = errors.New("the call does not follow the ABI")

// call is one run of an operation. Nothing outlives it.
type call struct {
	hostcall.Host
	op       *operation
	input    jsonval.Value
	settings jsonval.Value
	now      string // RFC 3339

	settling bool     // an earlier run ended when a write may have left
	resumed  bool     // this run began so
	bound    targets  // what the input's names and logins stood for then
	since    instant  // when that was, by Okta's clock; 0 is not known
	oktaNow  instant  // the Date of Okta's last answer; 0 before the first
	asked    instant  // that before this run's last write
	objects  []string // ids of the objects that were read by themselves
	showing  bool     // the host wants to see what the first write is for, as it was before
	planning bool     // a write was held back: what it would change still is as it was
	wrote    bool     // a write took effect
	tabled   bool     // the call is a page of a table, which ends where a source would have caught up

	auth   string
	denied string   // why there is no auth
	barred []string // endpoints whose last read was forbidden, and not in passing
}

// result is what an invoke comes to.
type result struct {
	outcome    abi.Outcome
	output     string // JSON; empty means that the emitted record is the output
	list       bool
	cursor     string
	truncated  bool // records were left, which the cursor goes on to
	err        *abi.Error
	reconciled bool
	sensitive  bool
	withheld   *hostcall.Request // the write that was refused before it was sent
	warnings   []string
}

// page is what one page of a source or a table comes to.
type page struct {
	result      // outcome, err, warnings; cursor for a table
	checkpoint  string
	caughtUp    bool
	stalled     bool // with caughtUp: there may be more, but no link leads on
	pollAfterMS int64
	watermark   string // of a source: the latest time of an event up to here
}

func begin(host hostcall.Host, text string) (*call, jsonval.Value, error) {
	v, err := jsonval.Parse(text)
	if err != nil {
		return nil, v, errCall
	}
	op := find(v.Get("operation").Str())
	if op == nil {
		return nil, v, errCall
	}
	return &call{Host: host.With(v.Get("features")), op: op, input: v.Get("input"), settings: v.Get("settings"), now: v.Get("now").Str()}, v, nil
}

// Invoke is the export of that name.
func Invoke(host hostcall.Host, text string) (string, error) {
	c, v, err := begin(host, text)
	if err != nil {
		return "", err
	}
	c.settling = v.Get("settle").True()
	c.resumed = c.settling
	c.showing = v.Get("show").True()
	c.bound = boundTo(v.Get("settle_target"))
	c.since, _ = parseInstant(v.Get("settle_since").Str())
	var r result
	switch op := c.op; {
	case !c.cursorFits():
		r = c.badCursor()
	case op.do != nil:
		r = op.do(c)
	case op.pager() != nil:
		r = c.all(op.pager())
	case op.get != nil:
		r = op.get.run(c)
	default:
		return "", errCall
	}
	if c.settling && !r.outcome.OK() && r.outcome != abi.Unknown {
		r = unsettled(r)
	}
	var w jsonval.Writer
	w.Str("outcome", string(r.outcome)).RawIf("output", r.output).BoolIf("list", r.list).StrIf("next_cursor", r.cursor).BoolIf("truncated", r.truncated)
	r.finish(&w)
	w.BoolIf("partial", c.wrote && !r.outcome.OK())
	if req := r.withheld; req != nil && !c.wrote {
		var target, path jsonval.Writer
		for _, p := range req.Path {
			path.Str(p.Name, p.Value)
		}
		w.Raw("withheld", target.Str("endpoint", req.Endpoint).Raw("path", path.String()).String())
	}
	return w.BoolIf("reconciled", r.reconciled).BoolIf("sensitive", r.sensitive).String(), nil
}

// Source is the export of that name.
func Source(host hostcall.Host, text string) (string, error) {
	c, v, err := begin(host, text)
	if err != nil || c.op.source == nil {
		return "", errCall
	}
	c.input = v.Get("config")
	var p page
	at, ok := readCheckpoint(v.Get("checkpoint"))
	switch {
	case ok && at == checkpoint{} && c.str("cursor") != "": // where an invoke ended
		if v, ok := c.openCursor(c.str("cursor")); ok {
			p = c.op.source(c, checkpoint{link: readCursor(v).link})
		} else {
			p.result = c.badCursor()
		}
	case ok && at.damage(c.op.endpoints[0].Endpoint) != "":
		p.result = fail(abi.Invalid, "checkpoint", "checkpoint damaged: "+at.damage(c.op.endpoints[0].Endpoint)+
			": restore the file from a copy, or remove it to start anew")
	case ok:
		p = c.op.source(c, at)
	default:
		p.result = fail(abi.Invalid, "checkpoint", "checkpoint damaged, or not one of "+c.op.name+
			": give the file that this source wrote, or remove it to start anew")
	}
	var w jsonval.Writer
	w.Str("outcome", string(p.outcome)).RawIf("checkpoint", p.checkpoint).Bool("caught_up", p.caughtUp)
	w.BoolIf("stalled", p.stalled).IntIf("poll_after_ms", p.pollAfterMS).StrIf("watermark", p.watermark)
	p.finish(&w)
	return w.String(), nil
}

// Table is the export of that name.
func Table(host hostcall.Host, text string) (string, error) {
	c, v, err := begin(host, text)
	if err != nil || !c.op.on(abi.SQL) {
		return "", errCall
	}
	c.tabled = true
	var r result
	switch op := c.op; {
	case !c.cursorFits():
		r = c.badCursor()
	case op.pager() != nil:
		r, _ = op.pager()(c, cmp.Or(v.Get("cursor").Str(), c.str("cursor")), int(v.Get("limit").Int())) // the input's is where the first page begins
	case op.get != nil:
		r = op.get.run(c)
	case op.do != nil:
		r = op.do(c)
	default:
		return "", errCall
	}
	if r.outcome == abi.NotFound && c.op.pager() == nil { // a row that is not there is no row
		r = result{outcome: abi.Succeeded}
	}
	if r.output != "" && r.outcome == abi.Succeeded && !r.list && !c.EmitRecord(r.output) { // a row by value
		r = fail(abi.Failed, "record", "the host refused the record")
	}
	var w jsonval.Writer
	w.Str("outcome", string(r.outcome)).StrIf("cursor", r.cursor)
	r.finish(&w)
	return w.String(), nil
}

func (r *result) finish(w *jsonval.Writer) {
	if r.err != nil {
		w.Raw("error", errorJSON(r.err))
	}
	if len(r.warnings) > 0 {
		w.Strs("warnings", r.warnings)
	}
}

// doubtDelays are the waits before a read that Okta refused with E0000006 is asked for again, in milliseconds: now and then
// it refuses so what it allows.
var doubtDelays = [...]int64{500, 1500}

// send makes a request with the connection's token. A read that is forbidden is asked for again, unless the read of the same
// endpoint before was forbidden for as long.
func (c *call) send(req hostcall.Request) hostcall.Response {
	resp := c.sendOnce(req)
	switch {
	case resp.Err != nil || !strings.HasPrefix(req.Endpoint, "GET "):
		return resp
	case resp.Status != 403 || c.readError(resp).Code != noPermission:
		c.barred = slices.DeleteFunc(c.barred, func(endpoint string) bool { return endpoint == req.Endpoint })
		return resp
	case slices.Contains(c.barred, req.Endpoint):
		return resp
	}
	for _, ms := range doubtDelays {
		if !c.Wait(ms) {
			return resp
		}
		if resp = c.sendOnce(req); resp.Err != nil || resp.Status != 403 {
			return resp
		}
	}
	c.barred = append(c.barred, req.Endpoint)
	return resp
}

// sendOnce makes a request with the connection's token.
func (c *call) sendOnce(req hostcall.Request) hostcall.Response {
	if c.auth == "" && c.denied == "" {
		c.auth, c.denied = c.Authorization(abi.TokenRef)
	}
	if c.denied != "" {
		return hostcall.Response{Err: &abi.SendError{Code: abi.SendDenied, Message: c.denied}}
	}
	if err := c.unsendable(req); err != nil {
		return hostcall.Response{Err: err}
	}
	req.Headers = append(req.Headers, hostcall.Pair{Name: "Authorization", Value: c.auth})
	resp := c.Send(req)
	if at, ok := parseHTTPDate(resp.Header("date")); ok {
		c.oktaNow = at
	}
	return resp
}

// str is a string of the input. In a run that settles an earlier one's write, what names its object is that object's id:
// a name or login may be somebody else's by now.
func (c *call) str(name string) string {
	s := c.input.Get(name).Str()
	if s == "" {
		return ""
	}
	return cmp.Or(c.bound.of(name), s)
}

// get is an operation that reads one object.
type get struct {
	endpoint string
	path     []blank
	query    []param
	omit     []string // members that the object goes out without
	noun     string   // what a 404 says is missing: "user"
	typ      string   // Okta's name of it in a 404: "User"
}

// blank fills a blank of an endpoint from the input.
type blank struct{ name, input string }

// param passes a field of the input on as a query parameter.
type param struct{ input, query string }

func (g *get) run(c *call) result {
	resp := c.send(hostcall.Request{Endpoint: g.endpoint, Path: c.blanks(g.path), Query: c.params(g.query)})
	if !ok(resp) {
		return c.failure(resp, g.typ, g.noun)
	}
	return c.emitObject(resp, g.omit)
}

func (c *call) blanks(blanks []blank) []hostcall.Pair {
	var pairs []hostcall.Pair
	for _, b := range blanks {
		pairs = append(pairs, hostcall.Pair{Name: b.name, Value: c.str(b.input)})
	}
	return pairs
}

func (c *call) params(params []param) []hostcall.Pair {
	var pairs []hostcall.Pair
	for _, p := range params {
		v := c.input.Get(p.input)
		switch v.Kind() {
		case jsonval.None, jsonval.Null:
		case jsonval.String:
			pairs = append(pairs, hostcall.Pair{Name: p.query, Value: v.Str()})
		default:
			pairs = append(pairs, hostcall.Pair{Name: p.query, Value: v.Raw()})
		}
	}
	return pairs
}
