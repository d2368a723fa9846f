package conformance

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
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// token is the secret of every connection: it must show up in one header, and nowhere else.
const token = "00aTokenThatMustNeverShowUpAnywhere0123456"

// get is the honest request.
const get = `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"00u1"},"headers":{"Authorization":"{{auth}}"}}`

// logs is the honest request for a list.
const logs = `{"endpoint":"GET /api/v1/logs","headers":{"Authorization":"{{auth}}"}}`

// manifest is what the kit's modules say of themselves.
func manifest() abi.Manifest {
	anything := json.RawMessage(`{"type":"object"}`)
	op := func(name string, class abi.Class, surfaces []abi.Surface, endpoints ...string) abi.Operation {
		o := abi.Operation{Name: name, Summary: "does what its input says", Class: class, Surfaces: surfaces, Idempotency: abi.Safe, InputSchema: anything}
		for _, e := range endpoints {
			o.Endpoints = append(o.Endpoints, abi.Endpoint{Endpoint: e, Bucket: e})
		}
		return o
	}
	read := op("read", abi.Read, []abi.Surface{abi.Axon, abi.SQL, abi.Ingest}, "GET /api/v1/users/{id}", "GET /api/v1/logs")
	read.Key = "id"
	raised := op("raised", abi.Read, []abi.Surface{abi.Axon}, "GET /api/v1/users/{id}", "DELETE /api/v1/users/{id}")
	raised.ClassRules = []abi.ClassRule{{Field: "raise", Class: abi.Destructive}}
	raised.InputSchema, raised.Endpoints[1].Class = json.RawMessage(`{"type":"object","properties":{"raise":{}}}`), abi.Destructive
	lowered := op("lowered", abi.Destructive, []abi.Surface{abi.Axon}, "POST /api/v1/users/{id}", "POST /api/v1/users/{id}/lifecycle/unlock",
		"POST /api/v1/users/{id}/lifecycle/deactivate")
	lowered.InputSchema = json.RawMessage(`{"type":"object","properties":{"action":{"enum":["unlock","credentials","deactivate",true]}}}`)
	lowered.ClassRules = []abi.ClassRule{{Field: "action", Equals: "unlock", Class: abi.Write}, {Field: "action", Equals: "credentials", Class: abi.Privileged}}
	for i, class := range []abi.Class{abi.Write, abi.Write, abi.Destructive} {
		lowered.Endpoints[i].Class = class
	}
	lowered.Endpoints[0].ClassRules = []abi.ClassRule{{Field: "credentials", Class: abi.Privileged}}
	strict := op("strict", abi.Read, []abi.Surface{abi.Axon}, "GET /api/v1/logs")
	strict.InputSchema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"name":{"type":"string","maxLength":16,"pattern":"^[a-z]+$"},
		"count":{"type":"integer","minimum":0,"maximum":10},"when":{"type":"string","format":"date-time"}}}`)
	return abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "example", Version: "0", ConfigSchema: anything,
		Auth: []abi.Auth{{Type: abi.AuthToken, Header: "Authorization", Prefix: "Bearer"}}, RequestIDHeader: "X-Request-Id", ResponseHeaders: []string{"x-request-id"},
		BaseURL:          &abi.BaseURL{Consoles: []abi.Console{{Suffix: "-admin.example.com", Use: ".example.com"}}},
		RateLimitHeaders: abi.RateLimitHeaders{Limit: "X-Rate-Limit-Limit", Remaining: "X-Rate-Limit-Remaining", Reset: "X-Rate-Limit-Reset"},
		Operations: []abi.Operation{read,
			op("write", abi.Write, []abi.Surface{abi.Axon}, "GET /api/v1/users/{id}", "POST /api/v1/users", "PUT /api/v1/users/{id}"),
			raised, lowered, strict}}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own types alone
	}
	return b
}

// kit is the equipment of one Run.
type kit struct {
	host     Host
	habits   *habits
	patience time.Duration

	once   sync.Once
	wasm   []byte
	guest  Module
	loaded error
}

func (k *kit) module(ctx context.Context) (Module, error) {
	k.once.Do(func() {
		if k.wasm, k.loaded = k.habits.guest(); k.loaded == nil {
			k.guest, k.loaded = k.host.Load(context.WithoutCancel(ctx), k.wasm)
		}
	})
	return k.guest, k.loaded
}

func (k *kit) close(ctx context.Context) {
	if k.guest != nil {
		_ = k.guest.Close(ctx)
	}
}

// attempt is one attack on its way.
type attempt struct {
	*kit
	ctx    context.Context
	closed []func()
}

func (a *attempt) later(f func()) { a.closed = append(a.closed, f) }

func (a *attempt) close() {
	for _, f := range slices.Backward(a.closed) {
		f()
	}
	a.closed = nil
}

// rigOptions say what a session is made of. The zero value is honest.
type rigOptions struct {
	wasm    []byte // another module than the kit's
	module  Module // likewise
	handler http.HandlerFunc
	grants  []abi.Class
	limits  Limits
	baseURL string // another address than the server's
	resolve map[string][][]string
	rootCAs []byte
	private bool
	token   string
}

// rig is a session and the server that it talks to.
type rig struct {
	Session
	ctx   context.Context
	log   *lockedBuffer
	url   string
	token string

	mu   sync.Mutex
	seen []seen
}

// seen is a request as a server got it.
type seen struct {
	line, authorization, everything string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func honest(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"id":"00u1"}`)
}

// session makes a server and a connection to it.
func (a *attempt) session(o rigOptions) (*rig, error) {
	r := &rig{ctx: a.ctx, log: &lockedBuffer{}, token: token}
	if o.token != "" {
		r.token = o.token
	}
	if o.handler == nil {
		o.handler = honest
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.note(req)
		o.handler(w, req)
	}))
	a.later(func() { server.CloseClientConnections(); server.Close() })
	r.url = server.URL
	if o.baseURL == "" {
		o.baseURL = server.URL
	}
	m := o.module
	var err error
	switch {
	case m != nil:
	case o.wasm != nil:
		if m, err = a.host.Load(a.ctx, o.wasm); err != nil {
			return nil, fmt.Errorf("a module of the kit is not taken: %w", err)
		}
		a.later(func() { _ = m.Close(context.WithoutCancel(a.ctx)) })
	default:
		if m, err = a.module(a.ctx); err != nil {
			return nil, fmt.Errorf("the kit's own module is not taken: %w", err)
		}
	}
	if o.grants == nil {
		o.grants = abi.Classes()
	}
	r.Session, err = m.Connect(a.ctx, Connection{BaseURL: o.baseURL, Token: r.token, Grants: o.grants, Limits: o.limits, Log: r.log,
		AllowPrivateNetwork: o.private, RootCAs: o.rootCAs, Resolve: o.resolve})
	if err != nil {
		return nil, err
	}
	if o.wasm == nil {
		r.Session = a.habits.translate(r.Session)
	}
	a.later(func() { _ = r.Close(context.WithoutCancel(a.ctx)) })
	return r, nil
}

func (r *rig) note(req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, seen{req.Method + " " + req.RequestURI, credential(req),
		fmt.Sprint(req.Method, req.RequestURI, req.Host, req.Header, string(body))})
}

// requests are those that the server got.
func (r *rig) requests() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// result is what became of a call.
type result struct {
	*abi.Result
	rig   *rig
	steps []struct {
		Value uint64 `json:"value,string"`
		Text  string `json:"text"`
	}
	raw  []byte
	took time.Duration
}

// invoke runs steps, and looks for the token in all that came of them.
func (r *rig) invoke(op string, steps ...string) (*result, error) {
	input := `{"steps":[` + strings.Join(steps, ",") + `]}`
	if op == "raised" {
		input = strings.Replace(input, "{", `{"raise":"x",`, 1)
	}
	return r.invokeRaw(op, input)
}

func (r *rig) invokeRaw(op, input string) (*result, error) {
	began := time.Now()
	res, err := r.Invoke(r.ctx, op, json.RawMessage(input))
	if err != nil {
		return nil, fmt.Errorf("the session failed: %w", err)
	}
	out := &result{Result: res, rig: r, took: time.Since(began)}
	out.raw = encode(res)
	if bytes.Contains(out.raw, []byte(r.token)) {
		return nil, fmt.Errorf("the token stands in the result: %s", short(string(out.raw)))
	}
	if strings.Contains(r.log.String(), r.token) {
		return nil, errors.New("the token stands in the log")
	}
	var answer struct {
		Steps json.RawMessage `json:"steps"`
	}
	if json.Unmarshal(res.Output, &answer) == nil && answer.Steps != nil {
		if err := json.Unmarshal(answer.Steps, &out.steps); err != nil {
			return nil, fmt.Errorf("the kit's module answered what it does not know: %s", short(string(res.Output)))
		}
	}
	return out, nil
}

// one runs steps in a new session with these options.
func (a *attempt) one(o rigOptions, op string, steps ...string) (*result, error) {
	r, err := a.session(o)
	if err != nil {
		return nil, err
	}
	return r.invoke(op, steps...)
}

// text of a step; "" when it was not reached.
func (r *result) text(i int) string {
	if i < len(r.steps) {
		return r.steps[i].Text
	}
	return ""
}

func (r *result) value(i int) uint64 {
	if i < len(r.steps) {
		return r.steps[i].Value
	}
	return 0
}

func (r *result) succeeded() error {
	if r.Outcome != abi.Succeeded {
		return fmt.Errorf("the call ended as %s: %s", r.Outcome, short(string(r.raw)))
	}
	return nil
}

func (r *result) contains(step int, want string) error {
	if !strings.Contains(r.text(step), want) {
		return fmt.Errorf("%q does not stand in what step %d got: %s", want, step, short(string(r.raw)))
	}
	return nil
}

// ended wants one of these outcomes.
func (r *result) ended(outcomes ...abi.Outcome) error {
	if !slices.Contains(outcomes, r.Outcome) {
		return fmt.Errorf("the call ended as %s, want one of %v: %s", r.Outcome, outcomes, short(string(r.raw)))
	}
	return nil
}

// code wants the step to have got one of these error codes of http_send.
func (r *result) code(step int, codes ...abi.SendCode) error {
	var resp abi.Response
	if err := json.Unmarshal([]byte(r.text(step)), &resp); err != nil || resp.Error == nil || !slices.Contains(codes, resp.Error.Code) {
		return fmt.Errorf("the module did not get one of %v: %s", codes, short(string(r.raw)))
	}
	return nil
}

// names wants the result, wherever it is, to name a limit.
func (r *result) names(limit string) error {
	if !bytes.Contains(r.raw, []byte(limit)) {
		return fmt.Errorf("nothing names the limit %s: %s", limit, short(string(r.raw)))
	}
	return nil
}

// saw wants the server to have got exactly these request lines.
func (r *result) saw(lines ...string) error {
	var got []string
	for _, s := range r.rig.requests() {
		got = append(got, s.line)
	}
	if !slices.Equal(got, lines) {
		return fmt.Errorf("the server saw %q, want %q", got, lines)
	}
	return nil
}

// serves wants the session to do honest work still.
func (r *rig) serves() error {
	res, err := r.invoke("read", send(get))
	if err != nil {
		return fmt.Errorf("the next call: %w", err)
	}
	if err := res.succeeded(); err != nil {
		return fmt.Errorf("the next call: %w", err)
	}
	return nil
}

// step is a step of the kit's module.
func step(do, text string, args ...any) string {
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
	return string(encode(s))
}

func times(n int, s string) string { return strings.Replace(s, "{", fmt.Sprintf(`{"times":%d,`, n), 1) }

func send(request string) string { return step("http_send", request) }

// initialMemory is how many bytes of memory the kit's module begins with.
func (k *kit) initialMemory() uint64 {
	m, err := wasmbin.Parse(k.wasm)
	if err != nil || len(m.Memories) == 0 {
		return 0
	}
	return uint64(m.Memories[0].Min) << 16
}
