package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

const poll = "poll_system_log_page"

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

// serve serves a handler on a pipe until stop is called. In a synctest bubble, call stop before the bubble ends.
func serve(h http.Handler) (dial func(context.Context, string, string) (net.Conn, error), stop func()) {
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

// connect connects a module to the server that dial reaches. Close the connection when done.
func connect(tb testing.TB, m *host.Module, cfg host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name = "okta"
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = addressOf(tb)
	}
	if opts.Secrets == nil {
		opts.Secrets = hosttest.Secret(oktatest.DefaultToken)
	}
	c, err := hosttest.Open(m, cfg, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// addressOf returns an address of a test. Connections to one address share what they learn of its rate limits. Nothing dials it.
func addressOf(tb testing.TB) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, tb.Name())
	return fmt.Sprintf("http://127.0.0.1:%d", 1+h.Sum32()%65535)
}

// memory is a sink that keeps the records in memory. It may fail or be slow.
type memory struct {
	mu    sync.Mutex
	lines []string
	pages int
	times map[string]int // by uuid
	fail  func(page int) error
}

func (m *memory) Write(_ context.Context, p sink.Page) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages++
	if m.fail != nil {
		if err := m.fail(m.pages); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	if m.times == nil {
		m.times = map[string]int{}
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		m.lines = append(m.lines, line)
		m.times[gjson.Get(line, "uuid").String()]++
	}
	return nil
}

func (m *memory) Close() error   { return nil }
func (m *memory) String() string { return "memory" }

// wantAll checks that the sink has every event of an org, and each at most most times.
func (m *memory) wantAll(t *testing.T, org *oktatest.Org, most int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	missing, doubled, all := 0, 0, 0
	for e := range org.Events() {
		all++
		switch n := m.times[gjson.GetBytes(e, "uuid").String()]; {
		case n == 0:
			missing++
		case n > most:
			doubled++
		}
	}
	if missing > 0 || doubled > 0 {
		t.Errorf("of %d events %d are missing and %d were written more than %d times", all, missing, doubled, most)
	}
}

// counting is a sink that only counts records.
type counting struct{ records, bytes int64 }

func (c *counting) Write(_ context.Context, p sink.Page) error {
	n, err := p.WriteTo(io.Discard)
	c.records += int64(p.Len())
	c.bytes += n
	return err
}

func (c *counting) Close() error   { return nil }
func (c *counting) String() string { return "counting" }

// run drains the log of a connection into a sink. With a path, it stores the checkpoint and keys there. set sets other fields
// of the Drain.
func run(ctx context.Context, t testing.TB, c *host.Connection, s sink.Sink, opts host.SourceOptions, path string, set ...func(*ingest.Drain)) (*ingest.Drain, error) {
	t.Helper()
	opts.Operation = poll
	d := &ingest.Drain{Connection: c.Config().Name, Operation: poll, Key: "uuid", Feed: ingest.Source(c, opts), Sink: s, Persist: opts.Follow, Follow: opts.Follow}
	for _, f := range set {
		f(d)
	}
	keys := ""
	if path != "" {
		var err error
		if d.Checkpoint, err = checkpoint.Open(path, checkpoint.Identity{Kind: "okta", Connection: c.Config().Name, BaseURL: "x", Operation: poll}); err != nil {
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

// snapshot reads a checkpoint file and its keys, and returns a function that restores them.
func snapshot(t *testing.T, path string) (restore func()) {
	t.Helper()
	kept := map[string][]byte{}
	for _, p := range []string{path, path + ".keys"} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		kept[p] = b
	}
	return func() {
		for p, b := range kept {
			if err := os.WriteFile(p, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// unlimited is the rate-limit configuration of an org without limits.
var unlimited = map[string]int{"*": -1, "/api/v1/logs": -1}

// events returns n events with the same time and numbered uuids.
func events(from, n int, published string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"uuid":"00000000-0000-4000-8000-%012d","published":%q}`, from+i, published))
	}
	return all
}

// scripted is a log whose answers a test gives, by the number of the request.
type scripted struct {
	t     *testing.T
	mu    sync.Mutex
	asked []string // path and query of each request
	reply func(n int, w http.ResponseWriter, r *http.Request) (body string)
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.RequestURI())
	n := len(s.asked)
	s.mu.Unlock()
	if n > 50 {
		s.t.Errorf("over 50 requests: %s", r.URL.RequestURI())
		http.Error(w, "too many requests for this test", http.StatusForbidden)
		return
	}
	body := s.reply(n, w, r)
	_, _ = io.WriteString(w, body)
}

func (s *scripted) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func list(events []string) string { return "[" + strings.Join(events, ",") + "]" }

func link(w http.ResponseWriter, rel, target string) {
	w.Header().Add("Link", "<https://example-admin.okta.com"+target+`>; rel="`+rel+`"`)
}

// checkpointAt returns the checkpoint in a file, or nil if there is no file.
func checkpointAt(t *testing.T, path string) json.RawMessage {
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

// eventually waits until ok returns true. Its limit is long, for slow machines.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("%s: not after 10 minutes", what)
		}
	}
}
