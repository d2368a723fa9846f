// Package hostcall is the guest's view of the host: the imports of abi/README.md with Go types.
//
// In a Wasm module the functions behind it are the module's imports. In tests they are any implementation of Imports.
package hostcall

import (
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Imports are the host functions, with JSON text as parameters and results.
type Imports interface {
	HTTPSend(request string) (response string)
	BodyRead(handle uint64, offset, length int64) string
	RecordsEmit(handle uint64, options string) (summary string)
	RecordEmit(record string) bool
	SecretGet(ref string) string
	Wait(ms int64) bool
}

// Host calls the imports with Go types. It omits optional features that the host does not have.
type Host struct {
	imports  Imports
	features []string
}

// New returns a Host for imports without optional features.
func New(imports Imports) Host { return Host{imports: imports} }

// With returns h for a host with the given optional features of the ABI, an array of names.
func (h Host) With(features jsonval.Value) Host {
	h.features = nil
	for f := range features.Elements() {
		h.features = append(h.features, f.Str())
	}
	return h
}

func (h Host) has(feature string) bool { return slices.Contains(h.features, feature) }

// Pair is a name and a value.
type Pair struct{ Name, Value string }

// Request is abi.Request with pairs instead of maps, which keep their order.
type Request struct {
	Endpoint string
	Path     []Pair
	Query    []Pair
	Link     string
	Headers  []Pair
	Body     string           // JSON
	NoRepeat bool             // see abi.Request
	Sign     bool             // see abi.Request; only if Signs reports true
	Emit     *abi.EmitOptions // see abi.Request; omitted if the host does not support it
	Announce []Request        // see abi.Request; only if Announces reports true
}

// Response is abi.Response.
type Response struct {
	Status int
	Body   uint64
	Length int64
	// Planned says that the call is a plan: the write was not sent, and counts as done.
	Planned bool
	Err     *abi.SendError
	Emitted *Summary // result of Request.Emit; nil if the host emitted nothing
	// Guard has the blanks of the guard's read if Err is abi.SendGuarded. The Response then answers the guard's read.
	Guard jsonval.Value

	headers jsonval.Value
}

// Header returns the first value of a header. name is in lower case.
func (r Response) Header(name string) string {
	for v := range r.headers.Get(name).Elements() {
		return v.Str()
	}
	return ""
}

// HeaderValues returns all values of a header. name is in lower case.
func (r Response) HeaderValues(name string) []string {
	var values []string
	for v := range r.headers.Get(name).Elements() {
		values = append(values, v.Str())
	}
	return values
}

// write returns a request as JSON.
func (h Host) write(req Request) string {
	var w jsonval.Writer
	w.Str("endpoint", req.Endpoint)
	if len(req.Path) > 0 {
		w.Raw("path", object(req.Path))
	}
	if len(req.Query) > 0 {
		w.Raw("query", queryJSON(req.Query))
	}
	w.StrIf("link", req.Link)
	if len(req.Headers) > 0 {
		w.Raw("headers", object(req.Headers))
	}
	w.RawIf("body", req.Body).BoolIf("no_repeat", req.NoRepeat && h.has(abi.FeatureNoRepeat)).BoolIf("sign", req.Sign)
	if req.Emit != nil && h.has(abi.FeatureEmit) {
		w.Raw("emit", h.options(*req.Emit))
	}
	if len(req.Announce) > 0 {
		all := []byte{'['}
		for i, next := range req.Announce {
			if i > 0 {
				all = append(all, ',')
			}
			all = append(all, h.write(next)...)
		}
		w.Raw("announce", string(append(all, ']')))
	}
	return w.String()
}

// Send sends one request.
func (h Host) Send(req Request) Response {
	v, err := jsonval.Parse(h.imports.HTTPSend(h.write(req)))
	if err != nil {
		return Response{Err: &abi.SendError{Code: abi.SendMalformed, Message: "the host's answer is not JSON", Sent: true}}
	}
	resp := Response{Planned: v.Get("planned").True(), Status: int(v.Get("status").Int()), Body: uint64(v.Get("body").Int()), Length: v.Get("length").Int(),
		Guard: v.Get("guard"), headers: v.Get("headers")}
	if e := v.Get("error"); e.Exists() {
		resp.Err = &abi.SendError{Code: abi.SendCode(e.Get("code").Str()), Message: e.Get("message").Str(),
			Lasting: e.Get("lasting").True(), Sent: e.Get("sent").True(), RetryAfterMS: e.Get("retry_after_ms").Int(),
			Status: int(e.Get("status").Int()), RequestID: e.Get("request_id").Str(),
			UpstreamCode: e.Get("upstream_code").Str(), UpstreamSummary: e.Get("upstream_summary").Str()}
	}
	if e := v.Get("emitted"); e.Exists() {
		s := summary(e)
		resp.Emitted = &s
	}
	return resp
}

// queryJSON writes a query as pairs of name and value.
func queryJSON(pairs []Pair) string {
	b := []byte{'['}
	for i, q := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = jsonval.AppendString(b, q.Name)
		b = append(b, ',')
		b = jsonval.AppendString(b, q.Value)
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// MaxBody is the maximum size of a body that the guest reads by value, in bytes: errors and single objects, never
// pages.
const MaxBody = 256 << 10

// Body parses the body of a response as JSON. ok is false if there is no body, it is not JSON, or it exceeds MaxBody.
func (h Host) Body(r Response) (v jsonval.Value, ok bool) {
	if r.Body == 0 || r.Length > MaxBody {
		return jsonval.Value{}, false
	}
	v, err := jsonval.Parse(h.imports.BodyRead(r.Body, 0, r.Length))
	return v, err == nil
}

// Summary is abi.EmitSummary.
type Summary struct {
	Count, Total int
	First, Last  jsonval.Value // objects by path
	Err          string
	Limit        bool // Err is about a limit of the connection: fewer records may fit
}

// Emit makes the host emit the records in a body, without copying them into the guest.
//
//go:noinline
func (h Host) Emit(handle uint64, o abi.EmitOptions) Summary {
	s, _ := h.emit(handle, o)
	return s
}

// Keys returns the keys of the records in a body, without emitting them. o is as in Emit.
func (h Host) Keys(handle uint64, o abi.EmitOptions) (keys []string, err string) {
	o.Keys = true
	s, v := h.emit(handle, o)
	for k := range v.Get("keys").Elements() {
		keys = append(keys, k.Str())
	}
	return keys, s.Err
}

// Count returns how many records a body has at o.Path, and emits none. It is 0 for a body without an array or object there.
func (h Host) Count(handle uint64, o abi.EmitOptions) int {
	o.Keys, o.Skip = true, 1<<30 // skips all records, so that no key is returned
	s, _ := h.emit(handle, o)
	return s.Total
}

func (h Host) emit(handle uint64, o abi.EmitOptions) (Summary, jsonval.Value) {
	v, err := jsonval.Parse(h.imports.RecordsEmit(handle, h.options(o)))
	if err != nil {
		return Summary{Err: "the host's answer is not JSON"}, v
	}
	return summary(v), v
}

// options returns abi.EmitOptions as JSON, without what the host does not support.
func (h Host) options(o abi.EmitOptions) string {
	var w jsonval.Writer
	if !h.has(abi.FeatureWant) {
		o.Want = ""
	}
	w.StrIf("path", o.Path).StrIf("want", o.Want).StrIf("kind", o.Kind).StrIf("parent", o.Parent).StrIf("key", o.Key)
	if len(o.Summarise) > 0 {
		w.Strs("summarise", o.Summarise)
	}
	w.IntIf("limit", int64(o.Limit)).IntIf("skip", int64(o.Skip))
	if len(o.Omit) > 0 {
		w.Strs("omit", o.Omit)
	}
	if len(o.Distinct) > 0 && h.has(abi.FeatureDistinct) {
		w.Strs("distinct", o.Distinct)
	}
	return w.BoolIf("keys", o.Keys).BoolIf("keyed", o.Keyed && h.has(abi.FeatureKeyed)).String()
}

func summary(v jsonval.Value) Summary {
	return Summary{Count: int(v.Get("count").Int()), Total: int(v.Get("total").Int()), First: v.Get("first"),
		Last: v.Get("last"), Err: v.Get("error").Str(), Limit: v.Get("limit").True()}
}

// Signs reports whether the host supports Request.Sign. Otherwise a request needs the header of Credential.
func (h Host) Signs() bool { return h.has(abi.FeatureSign) }

// Guards reports whether the host makes the reads of Endpoint.Guards. Otherwise the connector must.
func (h Host) Guards() bool { return h.has(abi.FeatureGuards) }

// Announces reports whether the host takes reads that a request announces.
func (h Host) Announces() bool { return h.has(abi.FeatureAnnounce) }

// EmitRecord emits one record by value.
func (h Host) EmitRecord(json string) bool { return h.imports.RecordEmit(json) }

// Credential returns the header for a secret. Its value has the scheme and the secret's placeholder.
func (h Host) Credential(ref string) (header Pair, err string) {
	v, perr := jsonval.Parse(h.imports.SecretGet(ref))
	if perr != nil {
		return header, "the host's answer is not JSON"
	}
	if e := v.Get("error").Str(); e != "" {
		return header, e
	}
	header = Pair{v.Get("header").Str(), v.Get("placeholder").Str()}
	if header.Name == "" {
		header.Name = "Authorization"
	}
	if scheme := v.Get("scheme").Str(); scheme != "" {
		header.Value = scheme + " " + header.Value
	}
	return header, ""
}

// Wait sleeps for ms milliseconds. If the deadline comes first, it returns false at once.
//
//go:noinline
func (h Host) Wait(ms int64) bool { return h.imports.Wait(ms) }

func object(pairs []Pair) string {
	var w jsonval.Writer
	for _, p := range pairs {
		w.Str(p.Name, p.Value)
	}
	return w.String()
}
