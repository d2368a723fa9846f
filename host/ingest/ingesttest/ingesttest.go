// Package ingesttest is the harness of tests that drain a source of a connector into a sink.
package ingesttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

// pipe is an in-process network with one server. The clock of synctest would stop during real network I/O.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Serve serves a handler on a pipe until stop is called. In a synctest bubble, call stop before the bubble ends.
func Serve(h http.Handler) (dial func(context.Context, string, string) (net.Conn, error), stop func()) {
	p := newPipe()
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(p) // ends with Close
	}()
	return p.dial, func() {
		_ = s.Close()
		<-done
	}
}

// Connect connects a module to the server that dial reaches. Close the connection when done. Empty fields of cfg and opts are set
// as hosttest.Open does. The default name is the module's kind, and the default address is one of the test alone.
func Connect(tb testing.TB, m *host.Module, cfg host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name = m.Manifest().Kind
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = addressOf(tb)
	}
	c, err := hosttest.Open(m, cfg, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// ConnectTo connects to a handler through a pipe, until the test ends.
func ConnectTo(tb testing.TB, m *host.Module, h http.Handler, cfg host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	dial, stop := Serve(h)
	opts.Dial = dial
	c := Connect(tb, m, cfg, opts)
	tb.Cleanup(func() {
		_ = c.Close(context.Background())
		stop()
	})
	return c
}

// addressOf returns an address of a test. Connections to one address share what they learn of its rate limits. Nothing dials it.
func addressOf(tb testing.TB) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, tb.Name())
	return fmt.Sprintf("http://127.0.0.1:%d", 1+h.Sum32()%65535)
}

// Memory is a sink that keeps the records in memory. It may fail or be slow. Lock Mu to read its fields while a run writes to it.
type Memory struct {
	Mu    sync.Mutex
	Lines []string
	Pages int
	Fail  func(page int) error // called before a page is kept, if set
}

// Write implements sink.Sink.
func (m *Memory) Write(_ context.Context, p sink.Page) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.Pages++
	if m.Fail != nil {
		if err := m.Fail(m.Pages); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		m.Lines = append(m.Lines, strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// Close implements sink.Sink.
func (m *Memory) Close() error { return nil }

// String implements sink.Sink.
func (m *Memory) String() string { return "memory" }

// WantAll checks that the sink has all records of a log, and each at most most times. key is the member that identifies a record.
func (m *Memory) WantAll(t *testing.T, log iter.Seq[json.RawMessage], key string, most int) {
	t.Helper()
	m.Mu.Lock()
	defer m.Mu.Unlock()
	times := map[string]int{}
	for _, line := range m.Lines {
		times[gjson.Get(line, key).String()]++
	}
	missing, doubled, all := 0, 0, 0
	for record := range log {
		all++
		switch n := times[gjson.GetBytes(record, key).String()]; {
		case n == 0:
			missing++
		case n > most:
			doubled++
		}
	}
	if missing > 0 || doubled > 0 {
		t.Errorf("of %d records %d are missing and %d were written more than %d times", all, missing, doubled, most)
	}
}

// Source is a source of a connector.
type Source struct{ Operation, Key string }

// Run drains the source of a connection into a sink. With a path, it stores the checkpoint and keys there. set sets other fields
// of the Drain.
func (s Source) Run(ctx context.Context, t testing.TB, c *host.Connection, to sink.Sink, opts host.SourceOptions, path string, set ...func(*ingest.Drain)) (*ingest.Drain, error) {
	t.Helper()
	opts.Operation = s.Operation
	d := &ingest.Drain{Connection: c.Config().Name, Operation: s.Operation, Key: s.Key, Feed: ingest.Source(c, opts), Sink: to, Persist: opts.Follow, Follow: opts.Follow}
	for _, f := range set {
		f(d)
	}
	keys := ""
	if path != "" {
		var err error
		id := checkpoint.Identity{Kind: c.Config().Kind, Connection: c.Config().Name, BaseURL: "x", Operation: s.Operation}
		if d.Checkpoint, err = checkpoint.Open(path, id); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Checkpoint.Close() }()
		if d.At, err = d.Checkpoint.Load(); err != nil {
			t.Fatal(err)
		}
		keys = path + ".keys"
	}
	d.Recent = ingest.OpenRecent(keys, d.At)
	defer func() { _ = d.Recent.Close() }()
	return d, d.Run(ctx)
}

// RunRange drains a range into a sink, and returns what it said. It stores the checkpoint and keys at path. timeMember is the
// member with a record's time.
func (s Source) RunRange(ctx context.Context, t testing.TB, c *host.Connection, to sink.Sink, timeMember string, input json.RawMessage, path string) (d *ingest.Drain, said []string, err error) {
	t.Helper()
	d = &ingest.Drain{Operation: s.Operation, Key: s.Key, Feed: ingest.Range(c, s.Operation, input, timeMember), Sink: to,
		Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	id := checkpoint.Identity{Kind: c.Config().Kind, Connection: c.Config().Name, BaseURL: "x", Operation: s.Operation}
	if d.Checkpoint, err = checkpoint.Open(path, id); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Checkpoint.Close() }()
	if d.At, err = d.Checkpoint.Load(); err != nil {
		t.Fatal(err)
	}
	d.Recent = ingest.OpenRecent(path+".keys", d.At)
	defer func() { _ = d.Recent.Close() }()
	err = d.Run(ctx)
	return d, said, err
}

// Scripted is a log whose answers a test gives, by the number of the request.
type Scripted struct {
	T     *testing.T
	Reply func(n int, w http.ResponseWriter, r *http.Request) (body string)

	mu    sync.Mutex
	asked []string // path and query of each request
}

// ServeHTTP implements http.Handler.
func (s *Scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.RequestURI())
	n := len(s.asked)
	s.mu.Unlock()
	if n > 50 {
		s.T.Errorf("over 50 requests: %s", r.URL.RequestURI())
		http.Error(w, "too many requests for this test", http.StatusForbidden)
		return
	}
	body := s.Reply(n, w, r)
	_, _ = io.WriteString(w, body)
}

// Requests returns the path and query of each request so far.
func (s *Scripted) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// CheckpointAt returns the checkpoint in a file, or nil if there is no file.
func CheckpointAt(t *testing.T, path string) json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(gjson.GetBytes(b, "checkpoint").Raw)
}

// Eventually waits until ok returns true. Its limit is long, for slow machines.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("%s: not after 10 minutes", what)
		}
	}
}

// PageSize returns a source's config with a page size; 0 means the connector's default.
func PageSize(n int) json.RawMessage {
	if n == 0 {
		return nil
	}
	return json.RawMessage(fmt.Sprintf(`{"page_size":%d}`, n))
}

// Stretch returns the input of a range.
func Stretch(since, until time.Time, page int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"since":%q,"until":%q,"page_size":%d}`, since.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339), page))
}
