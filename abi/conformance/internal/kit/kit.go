// Package kit provides what attacks need: sessions with a host, servers, and steps for the kit's module.
package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/target"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Token is the secret of every connection. It must appear in one request header and nowhere else.
const Token = "00aTokenThatMustNeverShowUpAnywhere0123456"

// Get is an honest request.
const Get = `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"it01"},"headers":{"Authorization":"{{auth}}"}}`

// Logs is an honest request for a list.
const Logs = `{"endpoint":"GET /svc/v1/feed","headers":{"Authorization":"{{auth}}"}}`

// queries are the query parameters that the kit's endpoints declare.
var queries = map[string][]string{"GET /svc/v1/feed": {"q", "after", "limit", "a", "x"}}

// Manifest returns the manifest of the kit's modules.
func Manifest() abi.Manifest {
	anything := json.RawMessage(`{"type":"object"}`)
	op := func(name string, class abi.Class, surfaces []abi.Surface, endpoints ...string) abi.Operation {
		o := abi.Operation{Name: name, Summary: "does what its input says", Class: class, Surfaces: surfaces, Idempotency: abi.Safe, InputSchema: anything}
		for _, e := range endpoints {
			o.Endpoints = append(o.Endpoints, abi.Endpoint{Endpoint: e, Bucket: e, Query: queries[e]})
		}
		return o
	}
	read := op("read", abi.Read, []abi.Surface{abi.Axon, abi.SQL, abi.Ingest}, "GET /svc/v1/items/{id}", "GET /svc/v1/feed", "GET /svc/v1/files/{path}/{id}")
	read.Key = "id"
	read.Endpoints[2].Delimiters = []string{"path"}
	read.Endpoints[2].Sensitive = []string{"secret", "credentials.secret"}
	raised := op("raised", abi.Read, []abi.Surface{abi.Axon}, "GET /svc/v1/items/{id}", "DELETE /svc/v1/items/{id}")
	raised.ClassRules = []abi.ClassRule{{Field: "raise", Class: abi.Destructive}}
	raised.InputSchema, raised.Endpoints[1].Class = json.RawMessage(`{"type":"object","properties":{"raise":{}}}`), abi.Destructive
	lowered := op("lowered", abi.Destructive, []abi.Surface{abi.Axon}, "POST /svc/v1/items/{id}", "POST /svc/v1/items/{id}/condition/reopen",
		"POST /svc/v1/items/{id}/condition/relinquish")
	lowered.InputSchema = json.RawMessage(`{"type":"object","properties":{"action":{"enum":["reopen","credentials","relinquish",true]}}}`)
	lowered.ClassRules = []abi.ClassRule{{Field: "action", Equals: "reopen", Class: abi.Write}, {Field: "action", Equals: "credentials", Class: abi.Privileged}}
	for i, class := range []abi.Class{abi.Write, abi.Write, abi.Destructive} {
		lowered.Endpoints[i].Class = class
	}
	lowered.Endpoints[0].ClassRules = []abi.ClassRule{{Field: "credentials", Class: abi.Privileged}}
	strict := op("strict", abi.Read, []abi.Surface{abi.Axon}, "GET /svc/v1/feed")
	strict.InputSchema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"name":{"type":"string","maxLength":16,"pattern":"^[a-z]+$"},
		"count":{"type":"integer","minimum":0,"maximum":10},"when":{"type":"string","format":"date-time"}}}`)
	write := op("write", abi.Write, []abi.Surface{abi.Axon}, "GET /svc/v1/items/{id}", "POST /svc/v1/items", "PUT /svc/v1/items/{id}")
	write.Endpoints[2].Headers = []abi.RequestHeader{{Name: "If-Match"}}
	return abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "example", Version: "0", ConfigSchema: anything,
		Auth: []abi.Auth{{Type: abi.AuthToken, Header: "Authorization", Prefix: "Bearer"}}, RequestIDHeader: "X-Request-Id", ResponseHeaders: []string{"x-request-id"},
		BaseURL:          &abi.BaseURL{Consoles: []abi.Console{{Suffix: "-admin.example.com", Use: ".example.com"}}},
		RateLimitHeaders: abi.RateLimitHeaders{Limit: "X-Requests-Limit", Remaining: "X-Requests-Remaining", Reset: "X-Requests-Reset"},
		Operations:       []abi.Operation{read, write, raised, lowered, strict}}
}

// Encode returns v as JSON. It panics if v cannot be encoded.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // cannot happen with our own types
	}
	return b
}

// Kit holds what the attacks of one run share. It is safe for concurrent use.
type Kit struct {
	Host     target.Host
	habits   *habits
	Patience time.Duration

	overrun atomic.Int64 // see Overrun

	once   sync.Once
	wasm   []byte
	guest  target.Module
	loaded error
}

// Module returns the kit's own module, loaded once.
func (k *Kit) Module(ctx context.Context) (target.Module, error) {
	k.once.Do(func() {
		if k.wasm, k.loaded = k.habits.guest(); k.loaded == nil {
			k.guest, k.loaded = k.Host.Load(context.WithoutCancel(ctx), k.wasm)
		}
	})
	return k.guest, k.loaded
}

// Close closes the kit's own module.
func (k *Kit) Close(ctx context.Context) {
	if k.guest != nil {
		_ = k.guest.Close(ctx)
	}
}

// Overrun returns the longest time that a call took beyond its limit.
func (k *Kit) Overrun() time.Duration { return time.Duration(k.overrun.Load()) }

// took notes the time of a call with a limit.
func (k *Kit) took(d, limit time.Duration) {
	for over := int64(d - limit); limit > 0; {
		if most := k.overrun.Load(); over <= most || k.overrun.CompareAndSwap(most, over) {
			return
		}
	}
}

// Attempt is one attack in progress.
type Attempt struct {
	*Kit
	Ctx    context.Context
	closed []func()
}

// Later registers a function to call when the attempt ends, in reverse order.
func (a *Attempt) Later(f func()) { a.closed = append(a.closed, f) }

// Close ends the attempt.
func (a *Attempt) Close() {
	for _, f := range slices.Backward(a.closed) {
		f()
	}
	a.closed = nil
}

// RigOptions configure a session. The zero value is an honest one.
type RigOptions struct {
	Wasm                []byte        // a module other than the kit's
	Module              target.Module // likewise, already loaded
	Handler             http.HandlerFunc
	Grants              []abi.Class
	Limits              target.Limits
	BaseURL             string // an address other than the server's
	Resolve             map[string][][]string
	RootCAs             []byte
	AllowPrivateNetwork bool // the server's own address is always allowed
	token               string
}

// Rig is a session and its server.
type Rig struct {
	target.Session
	kit   *Kit
	limit time.Duration // for a call; 0 is the host's default
	ctx   context.Context
	Log   *LockedBuffer
	url   string
	token string

	mu   sync.Mutex
	seen []seen
}

// seen is a request that a server received.
type seen struct {
	line, authorization, everything string
}

// Carries returns an error if a token is in the request, except once as the whole credential.
func (s seen) Carries(token string) error {
	if n := strings.Count(s.everything, token); n > 1 || n == 1 && s.authorization != "Bearer "+token {
		return fmt.Errorf("the token is in %s beyond the credential", Short(s.line))
	}
	return nil
}

// LockedBuffer is a buffer that is safe for concurrent use.
type LockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *LockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Honest answers a request as an honest service does.
func Honest(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"id":"it01"}`)
}

// NewRig starts a server and connects a session to it.
func (a *Attempt) NewRig(o RigOptions) (*Rig, error) {
	r := &Rig{kit: a.Kit, limit: o.Limits.CallTimeout, ctx: a.Ctx, Log: &LockedBuffer{}, token: Token}
	if o.token != "" {
		r.token = o.token
	}
	if o.Handler == nil {
		o.Handler = Honest
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.note(req)
		o.Handler(w, req)
	}))
	a.Later(func() { server.CloseClientConnections(); server.Close() })
	r.url = server.URL
	if o.BaseURL == "" {
		o.BaseURL = server.URL
	}
	m := o.Module
	var err error
	switch {
	case m != nil:
	case o.Wasm != nil:
		if m, err = a.Host.Load(a.Ctx, o.Wasm); err != nil {
			return nil, fmt.Errorf("the host refuses a module of the kit: %w", err)
		}
		a.Later(func() { _ = m.Close(context.WithoutCancel(a.Ctx)) })
	default:
		if m, err = a.Module(a.Ctx); err != nil {
			return nil, fmt.Errorf("the host refuses the kit's own module: %w", err)
		}
	}
	if o.Grants == nil {
		o.Grants = abi.Classes()
	}
	r.Session, err = m.Connect(a.Ctx, target.Connection{BaseURL: o.BaseURL, Token: r.token, Grants: o.Grants, Limits: o.Limits, Log: r.Log,
		AllowPrivateNetwork: o.AllowPrivateNetwork || o.BaseURL == server.URL, RootCAs: o.RootCAs, Resolve: o.Resolve})
	if err != nil {
		return nil, err
	}
	if o.Wasm == nil {
		r.Session = a.habits.translate(r.Session)
	}
	a.Later(func() { _ = r.Close(context.WithoutCancel(a.Ctx)) })
	return r, nil
}

func (r *Rig) note(req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, seen{req.Method + " " + req.RequestURI, Credential(req),
		fmt.Sprint(req.Method, req.RequestURI, req.Host, req.Header, string(body))})
}

// Requests returns the requests that the server received.
func (r *Rig) Requests() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// Lines returns the methods and URIs of the requests that the server received.
func (r *Rig) Lines() (all []string) {
	for _, s := range r.Requests() {
		all = append(all, s.line)
	}
	return all
}

// Result is the result of a call.
type Result struct {
	*abi.Result
	Rig   *Rig
	Steps []struct {
		Value uint64 `json:"value,string"`
		Text  string `json:"text"`
	}
	JSON []byte
	Took time.Duration
}

// Run runs steps. It fails if the token appears in the result or in the log.
func (r *Rig) Run(op string, steps ...string) (*Result, error) {
	input := `{"steps":[` + strings.Join(steps, ",") + `]}`
	if op == "raised" {
		input = strings.Replace(input, "{", `{"raise":"x",`, 1)
	}
	return r.RunInput(op, input)
}

// RunInput is Run with a complete input.
func (r *Rig) RunInput(op, input string) (*Result, error) {
	began := time.Now()
	res, err := r.Invoke(r.ctx, op, json.RawMessage(input))
	if err != nil {
		return nil, fmt.Errorf("the session failed: %w", err)
	}
	out := &Result{Result: res, Rig: r, Took: time.Since(began)}
	r.kit.took(out.Took, r.limit)
	out.JSON = Encode(res)
	if bytes.Contains(out.JSON, []byte(r.token)) {
		return nil, fmt.Errorf("the token is in the result: %s", Short(string(out.JSON)))
	}
	if strings.Contains(r.Log.String(), r.token) {
		return nil, errors.New("the token is in the log")
	}
	var answer struct {
		Steps json.RawMessage `json:"steps"`
	}
	if json.Unmarshal(res.Output, &answer) == nil && answer.Steps != nil {
		if err := json.Unmarshal(answer.Steps, &out.Steps); err != nil {
			return nil, fmt.Errorf("the kit's module does not know a step: %s", Short(string(res.Output)))
		}
	}
	return out, nil
}

// One runs steps in a new session with these options.
func (a *Attempt) One(o RigOptions, op string, steps ...string) (*Result, error) {
	r, err := a.NewRig(o)
	if err != nil {
		return nil, err
	}
	return r.Run(op, steps...)
}

// Text returns what a step returned, or "" if it was not reached.
func (r *Result) Text(i int) string {
	if i < len(r.Steps) {
		return r.Steps[i].Text
	}
	return ""
}

// Value returns the import's result in a step, or 0 if it was not reached.
func (r *Result) Value(i int) uint64 {
	if i < len(r.Steps) {
		return r.Steps[i].Value
	}
	return 0
}

// Succeeded returns an error unless the outcome is succeeded.
func (r *Result) Succeeded() error {
	if r.Outcome != abi.Succeeded {
		return fmt.Errorf("the call ended as %s: %s", r.Outcome, Short(string(r.JSON)))
	}
	return nil
}

// Contains returns an error unless a step's result contains want.
func (r *Result) Contains(step int, want string) error {
	if !strings.Contains(r.Text(step), want) {
		return fmt.Errorf("%q is not in the result of step %d: %s", want, step, Short(string(r.JSON)))
	}
	return nil
}

// Ended returns an error unless the outcome is one of these.
func (r *Result) Ended(outcomes ...abi.Outcome) error {
	if !slices.Contains(outcomes, r.Outcome) {
		return fmt.Errorf("the call ended as %s, want one of %v: %s", r.Outcome, outcomes, Short(string(r.JSON)))
	}
	return nil
}

// GotCode returns an error unless http_send returned one of these error codes in a step.
func (r *Result) GotCode(step int, codes ...abi.SendCode) error {
	var resp abi.Response
	if err := json.Unmarshal([]byte(r.Text(step)), &resp); err != nil || resp.Error == nil || !slices.Contains(codes, resp.Error.Code) {
		return fmt.Errorf("the module did not get one of %v: %s", codes, Short(string(r.JSON)))
	}
	return nil
}

// NamesLimit returns an error unless the result names the limit.
func (r *Result) NamesLimit(limit string) error {
	if !bytes.Contains(r.JSON, []byte(limit)) {
		return fmt.Errorf("the result does not name the limit %s: %s", limit, Short(string(r.JSON)))
	}
	return nil
}

// Saw returns an error unless the server received exactly these request lines.
func (r *Result) Saw(lines ...string) error {
	var got []string
	for _, s := range r.Rig.Requests() {
		got = append(got, s.line)
	}
	if !slices.Equal(got, lines) {
		return fmt.Errorf("the server saw %q, want %q", got, lines)
	}
	return nil
}

// Serves returns an error if the session no longer serves an honest call. Limits of attacks are short, so a call may end
// at its time on a busy machine. It is then made again.
func (r *Rig) Serves() error {
	const most = 10
	for n := 1; ; n++ {
		res, err := r.Run("read", Send(Get))
		if err == nil {
			err = res.Succeeded()
		}
		if err == nil {
			return nil
		}
		if n == most || res == nil || res.Outcome != abi.Unavailable || !strings.Contains(string(res.JSON), `"code":"timeout"`) {
			return fmt.Errorf("the next call: %w", err)
		}
	}
}

// Step returns a step for the kit's module.
func Step(do, text string, args ...any) string {
	s := map[string]any{"do": do}
	if text != "" {
		s["text"] = text
	}
	if len(args) > 0 {
		var texts []string
		for _, a := range args {
			texts = append(texts, fmt.Sprint(a))
		}
		s["args"] = texts
	}
	return string(Encode(s))
}

// Times returns a step that runs n times.
func Times(n int, s string) string { return strings.Replace(s, "{", fmt.Sprintf(`{"times":%d,`, n), 1) }

// Send returns the step that sends a request.
func Send(request string) string { return Step("http_send", request) }

// InitialMemory returns the initial memory of the kit's module in bytes.
func (k *Kit) InitialMemory() uint64 {
	m, err := wasmbin.Parse(k.wasm)
	if err != nil || len(m.Memories) == 0 {
		return 0
	}
	return uint64(m.Memories[0].Min) << 16
}

// RunWithin is Run with a shorter deadline than the connection's.
func (r *Rig) RunWithin(d time.Duration, steps ...string) (*Result, error) {
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	began := time.Now()
	defer func() { r.kit.took(time.Since(began), d) }()
	res, err := r.Invoke(ctx, "read", json.RawMessage(`{"steps":[`+strings.Join(steps, ",")+`]}`))
	if err != nil {
		return nil, err
	}
	return &Result{Result: res, Rig: r, JSON: Encode(res)}, nil
}
