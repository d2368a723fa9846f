package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
)

// A host in another language runs as a process. It reads requests from standard input and writes responses to
// standard output, one JSON object per line. A response has the id of its request. Responses may come in any order,
// since several calls run at once.
//
//	{"id":1,"do":"load","file":"/tmp/m.wasm"}                       {"id":1,"handle":1}  or  {"id":1,"error":"why not"}
//	{"id":2,"do":"connect","handle":1,"connection":{…}}             {"id":2,"handle":2}
//	{"id":3,"do":"invoke","handle":2,"operation":"read","input":"e30="} {"id":3,"result":{"outcome":…},"log":"lines since the last answer"}
//	{"id":4,"do":"source", … ,"checkpoint":"e30="}, or "table"      {"id":4,"page":{"outcome":…,"records":[…]}}
//	{"id":5,"do":"cancel","call":3}                                 none; call 3 ends soon
//	{"id":6,"do":"close","handle":2}                                {"id":6}
//
// input and checkpoint are base64, since they may not be valid JSON.
//
// A connection has the members base_url, token, grants, allow_private_network, root_cas (PEM), resolve and limits.
// resolve is {"name":[["address"]]}: the addresses of the first lookup of a name, the second, and so on. The last
// entry answers all later lookups. limits has the members call_ms, requests, body_bytes, held_bytes, result_bytes,
// records, memory_bytes, concurrency and log_bytes.
//
// Serve is such a process for a host in Go.

type wireRequest struct {
	ID         int64           `json:"id"`
	Do         string          `json:"do"`
	File       string          `json:"file,omitempty"`
	Handle     int64           `json:"handle,omitempty"`
	Call       int64           `json:"call,omitempty"`
	Connection *wireConnection `json:"connection,omitempty"`
	Operation  string          `json:"operation,omitempty"`
	Input      []byte          `json:"input,omitempty"` // base64, since an input may not be JSON
	Checkpoint []byte          `json:"checkpoint,omitempty"`
}

type wireAnswer struct {
	ID     int64       `json:"id"`
	Error  string      `json:"error,omitempty"`
	Handle int64       `json:"handle,omitempty"`
	Result *abi.Result `json:"result,omitempty"`
	Page   *Page       `json:"page,omitempty"`
	Log    string      `json:"log,omitempty"`
}

type wireConnection struct {
	BaseURL             string                `json:"base_url"`
	Token               string                `json:"token"`
	Grants              []abi.Class           `json:"grants"`
	AllowPrivateNetwork bool                  `json:"allow_private_network,omitempty"`
	RootCAs             string                `json:"root_cas,omitempty"`
	Resolve             map[string][][]string `json:"resolve,omitempty"`
	Limits              wireLimits            `json:"limits"`
}

type wireLimits struct {
	CallMS      int64 `json:"call_ms,omitempty"`
	Requests    int   `json:"requests,omitempty"`
	BodyBytes   int64 `json:"body_bytes,omitempty"`
	HeldBytes   int64 `json:"held_bytes,omitempty"`
	ResultBytes int64 `json:"result_bytes,omitempty"`
	Records     int   `json:"records,omitempty"`
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	Concurrency int   `json:"concurrency,omitempty"`
	LogBytes    int   `json:"log_bytes,omitempty"`
}

// Process is a Host in another process. It is safe for concurrent use. Close it when done.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{}

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan wireAnswer
}

var errDied = errors.New("the host's process ended")

// Start starts the process of a host. The process inherits standard error.
func Start(program string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(program, args...), done: make(chan struct{}), waiting: map[int64]chan wireAnswer{}}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		dec := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
		for {
			var a wireAnswer
			if dec.Decode(&a) != nil {
				return
			}
			p.mu.Lock()
			ch := p.waiting[a.ID]
			delete(p.waiting, a.ID)
			p.mu.Unlock()
			if ch != nil {
				ch <- a
			}
		}
	}()
	return p, nil
}

// Close closes the standard input of the process, and kills it if it has not ended after 10 seconds.
func (p *Process) Close() error {
	_ = p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
	}
	return p.cmd.Wait()
}

func (p *Process) write(r wireRequest) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, '\n'))
	return err
}

// ask sends a request and waits for its response. If ctx ends, it asks to cancel the call and continues to wait.
func (p *Process) ask(ctx context.Context, r wireRequest) (wireAnswer, error) {
	ch := make(chan wireAnswer, 1)
	p.mu.Lock()
	p.next++
	r.ID = p.next
	p.waiting[r.ID] = ch
	err := p.write(r)
	p.mu.Unlock()
	if err != nil {
		return wireAnswer{}, fmt.Errorf("%w: %v", errDied, err)
	}
	canceled := ctx.Done()
	for {
		select {
		case a := <-ch:
			if a.Error != "" {
				return a, errors.New(a.Error)
			}
			return a, nil
		case <-p.done:
			return wireAnswer{}, errDied
		case <-canceled:
			canceled = nil
			p.mu.Lock()
			err := p.write(wireRequest{Do: "cancel", Call: r.ID})
			p.mu.Unlock()
			if err != nil {
				return wireAnswer{}, fmt.Errorf("%w: %v", errDied, err)
			}
		}
	}
}

// Load implements Host.
func (p *Process) Load(ctx context.Context, wasm []byte) (Module, error) {
	f, err := os.CreateTemp("", "conformance-*.wasm")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(wasm)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	a, err := p.ask(ctx, wireRequest{Do: "load", File: f.Name()})
	if err != nil {
		return nil, err
	}
	return &remote{p: p, handle: a.Handle}, nil
}

// remote is a module or a session of a Process.
type remote struct {
	p      *Process
	handle int64
	log    io.Writer
}

// Connect implements Module.
func (r *remote) Connect(ctx context.Context, c Connection) (Session, error) {
	a, err := r.p.ask(ctx, wireRequest{Do: "connect", Handle: r.handle, Connection: &wireConnection{BaseURL: c.BaseURL, Token: c.Token, Grants: c.Grants,
		AllowPrivateNetwork: c.AllowPrivateNetwork, RootCAs: string(c.RootCAs), Resolve: c.Resolve,
		Limits: wireLimits{c.Limits.CallTimeout.Milliseconds(), c.Limits.Requests, c.Limits.BodyBytes, c.Limits.HeldBytes, c.Limits.ResultBytes, c.Limits.Records,
			c.Limits.MemoryBytes, c.Limits.Concurrency, c.Limits.LogBytes}}})
	if err != nil {
		return nil, err
	}
	return &remote{p: r.p, handle: a.Handle, log: c.Log}, nil
}

func (r *remote) call(ctx context.Context, do, operation string, input, checkpoint json.RawMessage) (wireAnswer, error) {
	a, err := r.p.ask(ctx, wireRequest{Do: do, Handle: r.handle, Operation: operation, Input: input, Checkpoint: checkpoint})
	_, _ = io.WriteString(r.log, a.Log)
	return a, err
}

// Invoke implements Session.
func (r *remote) Invoke(ctx context.Context, operation string, input json.RawMessage) (*abi.Result, error) {
	a, err := r.call(ctx, "invoke", operation, input, nil)
	if err == nil && a.Result == nil {
		err = errors.New("the response to an invoke has no result")
	}
	return a.Result, err
}

// Source implements Session.
func (r *remote) Source(ctx context.Context, operation string, config, checkpoint json.RawMessage) (*Page, error) {
	return r.page(r.call(ctx, "source", operation, config, checkpoint))
}

// Table implements Session.
func (r *remote) Table(ctx context.Context, operation string, input json.RawMessage) (*Page, error) {
	return r.page(r.call(ctx, "table", operation, input, nil))
}

func (r *remote) page(a wireAnswer, err error) (*Page, error) {
	if err == nil && a.Page == nil {
		err = errors.New("the response has no page")
	}
	return a.Page, err
}

// Close implements Module and Session.
func (r *remote) Close(ctx context.Context) error {
	_, err := r.p.ask(context.WithoutCancel(ctx), wireRequest{Do: "close", Handle: r.handle})
	return err
}

// Serve runs the process side of the protocol for a host in Go. It returns when in ends.
func Serve(in io.Reader, out io.Writer, h Host) error {
	s := &server{host: h, out: out, things: map[int64]any{}, cancels: map[int64]context.CancelFunc{}}
	dec := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		var r wireRequest
		if err := dec.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if r.Do == "cancel" {
			s.mu.Lock()
			if cancel := s.cancels[r.Call]; cancel != nil {
				cancel()
			}
			s.mu.Unlock()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.mu.Lock()
		s.cancels[r.ID] = cancel
		s.mu.Unlock()
		wg.Go(func() {
			a := s.answer(ctx, r)
			a.ID = r.ID
			cancel()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.cancels, r.ID)
			b, err := json.Marshal(a)
			if err != nil {
				b, _ = json.Marshal(wireAnswer{ID: r.ID, Error: "the response is not JSON: " + err.Error()})
			}
			_, _ = s.out.Write(append(b, '\n'))
		})
	}
}

type server struct {
	host Host

	mu      sync.Mutex
	out     io.Writer
	last    int64
	things  map[int64]any // modules and sessions
	cancels map[int64]context.CancelFunc
}

// served is a session and its log.
type served struct {
	Session
	log *kit.LockedBuffer
	at  int // how much of the log was sent
}

func (s *server) keep(thing any) wireAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.things[s.last] = thing
	return wireAnswer{Handle: s.last}
}

func (s *server) answer(ctx context.Context, r wireRequest) wireAnswer {
	fail := func(err error) wireAnswer { return wireAnswer{Error: err.Error()} }
	if r.Do == "load" {
		wasm, err := os.ReadFile(r.File)
		if err != nil {
			return fail(err)
		}
		m, err := s.host.Load(ctx, wasm)
		if err != nil {
			return fail(err)
		}
		return s.keep(m)
	}
	s.mu.Lock()
	thing := s.things[r.Handle]
	if r.Do == "close" {
		delete(s.things, r.Handle)
	}
	s.mu.Unlock()
	switch thing := thing.(type) {
	case *served:
		a := thing.answer(ctx, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		text := thing.log.String()
		a.Log, thing.at = text[thing.at:], len(text)
		return a
	case Module:
		switch c := r.Connection; {
		case r.Do == "close":
			if err := thing.Close(ctx); err != nil {
				return fail(err)
			}
			return wireAnswer{}
		case r.Do == "connect" && c != nil:
			log := &kit.LockedBuffer{}
			l := c.Limits
			session, err := thing.Connect(ctx, Connection{BaseURL: c.BaseURL, Token: c.Token, Grants: c.Grants, AllowPrivateNetwork: c.AllowPrivateNetwork,
				RootCAs: []byte(c.RootCAs), Resolve: c.Resolve, Log: log, Limits: Limits{CallTimeout: time.Duration(l.CallMS) * time.Millisecond, Requests: l.Requests, BodyBytes: l.BodyBytes, HeldBytes: l.HeldBytes,
					ResultBytes: l.ResultBytes, Records: l.Records, MemoryBytes: l.MemoryBytes, Concurrency: l.Concurrency, LogBytes: l.LogBytes}})
			if err != nil {
				return fail(err)
			}
			return s.keep(&served{Session: session, log: log})
		}
	}
	return fail(fmt.Errorf("%s of handle %d: the handle is unknown, or of another kind", r.Do, r.Handle))
}

func (s *served) answer(ctx context.Context, r wireRequest) (a wireAnswer) {
	var err error
	switch r.Do {
	case "invoke":
		a.Result, err = s.Invoke(ctx, r.Operation, r.Input)
	case "source":
		a.Page, err = s.Source(ctx, r.Operation, r.Input, r.Checkpoint)
	case "table":
		a.Page, err = s.Table(ctx, r.Operation, r.Input)
	case "close":
		err = s.Close(ctx)
	default:
		err = fmt.Errorf("unknown request %q", r.Do)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
