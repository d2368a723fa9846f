package httpsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/sink"
)

// health is the status of a sink. It is safe for concurrent use.
type health struct {
	mu            sync.Mutex
	status        sink.Status
	interruptions int64
}

func (h *health) answered(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status.Err = err; err != nil {
		h.status.Failures++
	}
}

func (h *health) retry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Retries++
}

func (h *health) interrupted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interruptions++
}

// Status implements sink.Monitor.
func (s *Sink) Status() sink.Status {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	out := s.health.status
	out.Up = out.Err == nil
	return out
}

// Interruptions implements sink.Volatile.
func (s *Sink) Interruptions() int64 {
	s.watching.probe()
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.interruptions
}

const dialTimeout = 15 * time.Second

// dial opens a connection. If the sink watches its service, the connection is watched.
func (s *Sink) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	if s.url.Scheme == "http" && (s.opts.authorized() || !s.opts.Plaintext) {
		d.Control = onlyLoopback
	}
	c, err := s.reach(ctx, d.DialContext, protocol, address)
	if err != nil || !s.opts.Watch {
		return c, err
	}
	return s.watching.add(c, func() {
		// A running service also closes idle connections. If it has ended, it accepts no new one.
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		defer cancel()
		c, err := s.reach(ctx, d.DialContext, protocol, address)
		if err != nil {
			s.health.interrupted()
			return
		}
		_ = c.Close() // nothing was sent
	}), nil
}

// reach connects to an address, through a proxy if there is one. Without a proxy, Options.Lookup resolves its name.
func (s *Sink) reach(ctx context.Context, dial network.Dial, protocol, address string) (net.Conn, error) {
	if p := s.opts.Route.Proxy; p != nil {
		return p.Connect(ctx, dial, s.opts.Route.Authorities(), address)
	}
	address, err := s.resolved(ctx, address)
	if err != nil {
		return nil, err
	}
	return dial(ctx, protocol, address)
}

// resolved returns an address whose name Options.Lookup has resolved. Without Lookup it returns the address.
func (s *Sink) resolved(ctx context.Context, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || s.opts.Lookup == nil {
		return address, err
	}
	found, err := s.opts.Lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no address found", Name: host, IsNotFound: true}
	}
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(found[0].String(), port), nil
}

// errPlain is the error for a name such as localhost that resolves to an address of another machine.
var errPlain = errors.New("not a loopback address, and http would send in plain text: use https")

// onlyLoopback refuses every address but loopback ones. A net.Dialer calls it for each address that it tries, after
// the name was resolved.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().Unmap().IsLoopback() || a.Addr().Zone() != "" {
		return fmt.Errorf("%s is %w", address, errPlain)
	}
	return nil
}

// watching is the set of watched connections. It is safe for concurrent use.
type watching struct {
	mu     sync.Mutex
	open   map[*watched]bool
	probes []chan struct{} // each is closed when a probe of the service has ended
}

func (w *watching) add(c net.Conn, ended func()) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[*watched]bool{}
	}
	conn := &watched{Conn: c, all: w, ended: ended}
	w.open[conn] = true
	return conn
}

// finish removes a connection that ended. If the other side ended it, the service is probed.
func (w *watching) finish(c *watched, theirs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.open[c] {
		return
	}
	delete(w.open, c)
	if !theirs {
		return
	}
	done := make(chan struct{})
	w.probes = append(w.probes, done)
	go func() {
		defer close(done)
		c.ended()
	}()
}

// probe finds connections that the other side closed, even if no Read has noticed it yet. It waits for the probes of
// their service.
func (w *watching) probe() {
	w.mu.Lock()
	all := slices.Collect(maps.Keys(w.open))
	w.mu.Unlock()
	for _, c := range all {
		if closedByPeer(c.Conn) {
			w.finish(c, true)
		}
	}
	w.mu.Lock()
	probes := w.probes
	w.probes = nil
	w.mu.Unlock()
	for _, done := range probes {
		<-done
	}
}

// watched is a connection that reports when the other side closes it.
type watched struct {
	net.Conn
	all   *watching
	ended func()
}

// Read implements net.Conn. Between two requests the HTTP client waits in Read.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.all.finish(w, true)
	}
	return n, err
}

// Close implements net.Conn.
func (w *watched) Close() error {
	w.all.finish(w, false)
	return w.Conn.Close()
}
