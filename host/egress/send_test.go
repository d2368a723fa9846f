package egress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/network"
)

func TestSend_ToARedirect_FailsWithoutFollowing(t *testing.T) {
	elsewhere := record(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(fmt.Sprint(status, method), func(t *testing.T) {
				var n atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n.Add(1)
					http.Redirect(w, r, elsewhere.URL+"/y", status)
				}))
				defer server.Close()
				cl, _ := client(t, server.URL, nil)
				_, err := cl.Send(context.Background(), Call{Endpoint: endpoint(method + " /x"), Authorization: "SSWS secret"})
				if err == nil || err.Code != abi.SendRedirect || !err.Sent || n.Load() != 1 || len(elsewhere.uris()) != 0 {
					t.Errorf("%+v after %d requests; elsewhere got %q", err, n.Load(), elsewhere.uris())
				}
			})
		}
	}
}

func TestSend_SwitchingProtocols_Fails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	}))
	defer server.Close()
	cl, _ := client(t, server.URL, nil)
	if _, err := post(cl); err == nil || err.Code != abi.SendInterrupted || !err.Sent {
		t.Errorf("%+v", err)
	}
}

// refusing starts a server that answers 429 several times, and then 200.
func refusing(t *testing.T, times int, headers func(w http.ResponseWriter)) (base string, seen *atomic.Int32) {
	seen = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if int(seen.Add(1)) <= times {
			headers(w)
			w.WriteHeader(429)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, seen
}

func TestSend_429OnAnyMethod_WaitsAndRepeats(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		base, seen := refusing(t, 3, func(w http.ResponseWriter) { rateLimited(w, 100, 0, 20) })
		cl, clk := client(t, base, nil)
		resp, err := cl.Send(context.Background(), Call{Endpoint: endpoint(method + " /x")})
		slept := time.Duration(clk.slept.Load())
		if err != nil || resp.Status != 200 || resp.Attempts != 4 || seen.Load() != 4 || resp.Waited != slept || slept < 63*time.Second || slept > 65*time.Second {
			t.Errorf("%s: %+v %+v, slept %s", method, resp, err, slept)
		}
	}
}

func TestSend_429WithoutEnd_StopsAfterEightWaits(t *testing.T) {
	for name, headers := range map[string]func(http.ResponseWriter){
		"a bucket":         func(w http.ResponseWriter) { rateLimited(w, 100, 0, 20) },
		"too many at once": func(w http.ResponseWriter) { rateLimited(w, 0, 0, 20) },
		"no headers":       func(w http.ResponseWriter) { w.Header()["Date"] = nil },
	} {
		t.Run(name, func(t *testing.T) {
			base, seen := refusing(t, 1000, headers)
			cl, _ := client(t, base, nil)
			_, err := post(cl)
			if err == nil || err.Code != abi.SendRateLimited || err.Sent || err.RetryAfterMS <= 0 || seen.Load() != maxThrottled+1 {
				t.Errorf("%+v after %d requests", err, seen.Load())
			}
		})
	}
}

func TestSend_429PastTheDeadline_ReturnsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		headers func(http.ResponseWriter)
		min     int64
	}{
		"a bucket":    {func(w http.ResponseWriter) { rateLimited(w, 100, 0, 50) }, 51_000},
		"Retry-After": {func(w http.ResponseWriter) { w.Header().Set("Retry-After", "30") }, 30_000},
	} {
		t.Run(name, func(t *testing.T) {
			base, seen := refusing(t, 1, c.headers)
			cl, clk := client(t, base, nil)
			ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(20*time.Second))
			defer cancel()
			_, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x")})
			if err == nil || err.Code != abi.SendRateLimited || err.Sent || err.RetryAfterMS < c.min || seen.Load() != 1 || clk.slept.Load() != 0 {
				t.Errorf("%+v after %d requests, slept %d", err, seen.Load(), clk.slept.Load())
			}
		})
	}
}

func TestSend_WithRateLimitShare_LeavesTheRestToOthers(t *testing.T) {
	var left atomic.Int32
	left.Store(13)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rateLimited(w, 100, int(left.Add(-1)), 50)
	}))
	defer server.Close()
	for share, want := range map[float64]int{0: 3, 1: 13} {
		left.Store(13)
		cl, clk := client(t, server.URL, func(c *Config) { c.RateLimitShare = share })
		n := 0
		for ; clk.slept.Load() == 0 && n < 50; n++ {
			if _, err := get(cl); err != nil {
				t.Fatal(err)
			}
		}
		if n-1 != want {
			t.Errorf("share %v: %d requests before a wait, want %d", share, n-1, want)
		}
		if q := cl.Quota(); len(q) != 1 || q[0].Bucket != "b" || q[0].Limit != 100 {
			t.Errorf("%+v", q)
		}
	}
}

func TestSend_BackoffPastTheDeadline_ReturnsTheLastResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "busy")
	}))
	defer server.Close()
	cl, clk := client(t, server.URL, func(c *Config) { c.Rand = func() float64 { return 0.5 } })
	// Waits of 200, 400 and 800 ms: the third does not fit.
	ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(time.Second))
	defer cancel()
	resp, err := cl.Send(ctx, Call{Endpoint: endpoint("GET /x")})
	if err != nil || resp.Status != 503 || string(resp.Body.Bytes()) != "busy" || resp.Attempts != 3 || resp.Waited != 600*time.Millisecond {
		t.Errorf("%+v %+v", resp, err)
	}
}

func TestSend_503WithRetryAfter_WaitsThatLong(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(503)
		}
	}))
	defer server.Close()
	cl, clk := client(t, server.URL, nil)
	if resp, err := get(cl); err != nil || resp.Status != 200 || resp.Attempts != 2 || resp.Waited < 5*time.Second || resp.Waited > 6*time.Second {
		t.Errorf("%+v %v", resp, err)
	}
	n = 0
	ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(4*time.Second))
	defer cancel()
	if resp, err := cl.Send(ctx, Call{Endpoint: endpoint("GET /x")}); err != nil || resp.Status != 503 || n != 1 || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%+v %v", resp, err)
	}
}

// A failure that waiting cannot fix is not retried, and Attempts says how often it was tried.
func TestSend_AfterAPermanentFailure_TriesOnce(t *testing.T) {
	lookups := 0
	looks := func(err error) func(*Config) {
		return func(c *Config) {
			c.Lookup = func(context.Context, string) ([]net.IPAddr, error) {
				lookups++
				return nil, err
			}
		}
	}
	for name, c := range map[string]struct {
		base     string
		change   func(*Config)
		lasting  bool
		attempts int
	}{
		"an unknown name":   {"https://example.okta.com", looks(&net.DNSError{Err: "no such host", IsNotFound: true}), true, 1},
		"a private address": {"https://10.0.0.1", nil, true, 1},
		"DNS is down":       {"https://example.okta.com", looks(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), false, 4},
		"refused":           {"http://127.0.0.1:1", nil, false, 4},
	} {
		cl, _ := client(t, c.base, func(cfg *Config) {
			if c.change != nil {
				c.change(cfg)
			}
		})
		resp, err := get(cl)
		if err == nil || err.Lasting != c.lasting || err.Sent || resp == nil || resp.Attempts != c.attempts || (resp.Waited > 0) != (c.attempts > 1) {
			t.Errorf("%s: %+v %+v", name, resp, err)
		}
	}
	if lookups != 5 {
		t.Errorf("%d look-ups", lookups)
	}
}

func TestBackoff_AfterFailures_DoublesUpToTheCap(t *testing.T) {
	for _, c := range []struct {
		failures int
		rand     float64
		want     time.Duration
	}{{1, 0, 100 * time.Millisecond}, {1, 0.5, 200 * time.Millisecond}, {3, 0.5, 800 * time.Millisecond}, {6, 0.5, 5 * time.Second}, {100, 0.5, 5 * time.Second}} {
		cl, _ := client(t, "http://127.0.0.1:1", func(cfg *Config) { cfg.Rand = func() float64 { return c.rand } })
		if got := cl.backoff(c.failures); got != c.want {
			t.Errorf("after %d failures %s, want %s", c.failures, got, c.want)
		}
	}
}

func TestSend_WithoutConnection_NamesTheReason(t *testing.T) {
	fails := func(err error) func(*Config) {
		return func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		}
	}
	looks := func(err error) func(*Config) {
		return func(c *Config) {
			c.Lookup = func(context.Context, string) ([]net.IPAddr, error) { return nil, err }
		}
	}
	const org = "https://example.okta.com"
	for name, c := range map[string]struct {
		base   string
		change func(*Config)
		code   abi.SendCode
		want   string
	}{
		"an unknown name":   {org, looks(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), abi.SendConnect, "the host example.okta.com does not exist: check base_url"},
		"no address":        {org, looks(nil), abi.SendConnect, "the host example.okta.com does not exist: check base_url"},
		"DNS is down":       {org, looks(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), abi.SendConnect, "cannot be resolved at the moment"},
		"refused":           {"http://127.0.0.1:1", nil, abi.SendConnect, "127.0.0.1:1 refuses connections"},
		"no route":          {"http://127.0.0.1:1", fails(&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}), abi.SendConnect, "no route to 127.0.0.1:1"},
		"silence":           {"http://127.0.0.1:1", fails(&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}), abi.SendConnect, "accepted no connection within"},
		"something else":    {"http://127.0.0.1:1", fails(errors.New("SSWS secret")), abi.SendConnect, "no connection to 127.0.0.1:1"},
		"a private address": {"https://10.0.0.1", nil, abi.SendConnect, "allow_private_network"},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := client(t, c.base, func(cfg *Config) {
				cfg.MaxAttempts = 1
				if c.change != nil {
					c.change(cfg)
				}
			})
			_, err := post(cl)
			if err == nil || err.Code != c.code || err.Sent || !strings.Contains(err.Message, c.want) || strings.ContainsAny(err.Message, "\r\n") || strings.Contains(err.Message, "secret") {
				t.Errorf("%+v, want %s %q", err, c.code, c.want)
			}
		})
	}
}

// certificate returns a self-signed certificate for a name that expires at a time.
func certificate(t *testing.T, ends time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-48 * time.Hour), NotAfter: ends,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestSend_OverUnacceptableTLS_NamesTheReason(t *testing.T) {
	good, trust := certificate(t, time.Now().Add(24*time.Hour))
	old, trustOld := certificate(t, time.Now().Add(-24*time.Hour))
	for name, c := range map[string]struct {
		tls   *tls.Config
		trust *x509.CertPool
		want  string
	}{
		"expired":              {&tls.Config{Certificates: []tls.Certificate{old}}, trustOld, "has expired"},
		"TLS 1.1":              {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, trust, "TLS 1.2"},
		"none":                 {nil, trust, "speaks http, but base_url says https"},
		"but TLS 1.2":          {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, trust, ""},
		"an unknown authority": {&tls.Config{Certificates: []tls.Certificate{good}}, trustOld, "is not trusted here"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			if c.tls == nil {
				server.Start()
			} else {
				server.TLS = c.tls
				server.StartTLS()
			}
			defer server.Close()
			cl, _ := client(t, "https://"+server.Listener.Addr().String(), func(cfg *Config) { cfg.Route.RootCAs = c.trust })
			_, err := post(cl)
			if c.want == "" {
				if err != nil {
					t.Errorf("%+v", err)
				}
				return
			}
			if err == nil || err.Code != abi.SendTLS || err.Sent || !strings.Contains(err.Message, c.want) || n.Load() != 0 {
				t.Errorf("%+v, want %q", err, c.want)
			}
		})
	}
}

func TestSend_AfterAnInterruptedHandshake_Repeats(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var n atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_, _ = conn.Read(make([]byte, 16<<10))
			_ = conn.Close()
		}
	}()
	cl, _ := client(t, "https://"+listener.Addr().String(), nil)
	if _, err := post(cl); err == nil || err.Code != abi.SendConnect || err.Sent || n.Load() != 4 {
		t.Errorf("%+v after %d connections", err, n.Load())
	}
}

func TestSend_AfterATimeout_NamesWhoseItWas(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	defer silent.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer slow.Close()
	for name, base := range map[string]string{"no answer": silent.URL, "no end": slow.URL} {
		t.Run(name, func(t *testing.T) {
			cl, _ := client(t, base, func(c *Config) { c.Timeout = 30 * time.Millisecond })
			if _, err := post(cl); err == nil || err.Code != abi.SendTimeout || !err.Sent || !strings.Contains(err.Message, "30ms") {
				t.Errorf("the attempt's: %+v", err)
			}
			cl, _ = client(t, base, nil)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			defer cancel()
			if _, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x")}); err == nil || err.Code != abi.SendTimeout || !err.Sent || !strings.Contains(err.Message, "time ended") {
				t.Errorf("the call's: %+v", err)
			}
		})
	}
}

func TestSend_CanceledBefore_WasNotSent(t *testing.T) {
	server := record(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cl, _ := client(t, server.URL, nil)
	_, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x")})
	if err == nil || err.Code != abi.SendCanceled || err.Sent || len(server.uris()) != 0 {
		t.Errorf("%+v", err)
	}
}

func TestSend_CanceledWhileDialling_WasNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cl, _ := client(t, "http://127.0.0.1:1", func(c *Config) {
		c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	if _, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x")}); err == nil || err.Code != abi.SendCanceled || err.Sent {
		t.Errorf("%+v", err)
	}
}

// A request may be canceled after it got a connection and before it writes to it.
func TestTrail_CanceledBeforeAWrite_PreventsTheWrite(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	conn := &countedConn{Conn: ours}
	first := &trail{write: true, cancel: func() {}}
	first.gotConn(httptrace.GotConnInfo{Conn: conn})
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if !first.sent() {
		t.Error("a request with a byte written counts as unsent")
	}
	second := &trail{write: true, cancel: func() {}}
	second.gotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
	if second.sent() {
		t.Error("a request with nothing written counts as sent")
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a request was sent after it counted as unsent")
	}
}

// stubborn is a connection that accepts bytes after it was closed.
type stubborn struct {
	net.Conn
	got bytes.Buffer
}

func (s *stubborn) Write(b []byte) (int, error) { return s.got.Write(b) }
func (s *stubborn) Close() error                { return nil }

func TestCountedConn_AfterSeal_WritesNothing(t *testing.T) {
	below := &stubborn{}
	conn := &countedConn{Conn: below}
	if n, err := conn.Write([]byte("x")); n != 1 || err != nil || conn.seal(0) || !conn.seal(1) {
		t.Fatalf("%d %v", n, err)
	}
	if _, err := conn.Write([]byte("y")); err == nil || below.got.String() != "x" {
		t.Errorf("%v, wrote %q", err, below.got.String())
	}
}

func TestTrail_OnASharedConnection_MayHaveBeenSent(t *testing.T) {
	tr := &trail{conn: &countedConn{}, http2: true}
	if !tr.sent() {
		t.Error("on an HTTP/2 connection, it is unknown whether a request was sent")
	}
}

func TestSend_WithoutConnection_TakesNothingFromTheBucket(t *testing.T) {
	base, _ := refusing(t, 0, nil)
	cl, _ := client(t, base, func(c *Config) { c.MaxAttempts = 3 })
	cl.limiter.Observe("b", 200, http.Header{"Date": {"Fri, 14 Jul 2017 02:40:00 GMT"}, "X-Rate-Limit-Limit": {"100"}, "X-Rate-Limit-Remaining": {"50"}, "X-Rate-Limit-Reset": {"1500000040"}})
	cl.transport.Current().DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, dialError{io.EOF} }
	if _, err := get(cl); err == nil || cl.Quota()[0].Remaining != 50 {
		t.Errorf("%+v %+v", err, cl.Quota())
	}
}

func TestTrail_OfAWriteRepeatedByNetHTTP_CancelsIt(t *testing.T) {
	canceled := false
	tr := &trail{write: true, cancel: func() { canceled = true }}
	for i := range 2 {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		conn := &countedConn{Conn: ours}
		tr.gotConn(httptrace.GotConnInfo{Conn: conn})
		_, err := conn.Write([]byte("x"))
		if again := i == 1; (err != nil) != again || canceled != again || tr.stopped != again {
			t.Errorf("connection %d: wrote with %v, canceled %v", i, err, canceled)
		}
	}
	if !tr.sent() {
		t.Error("what was sent on the first connection is forgotten")
	}
}

func TestSend_ReadOnADeadConnection_IsRepeated(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 2 {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		}
	}))
	defer server.Close()
	cl, _ := client(t, server.URL, nil)
	for range 2 {
		if _, err := get(cl); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 3 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestDialer_WithOneGoodAddress_Connects(t *testing.T) {
	server := record(t)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	var mu sync.Mutex
	var dialled []string
	hung := make(chan struct{})
	cl, _ := client(t, "https://example.okta.com:"+port, func(c *Config) {
		c.Lookup = func(context.Context, string) ([]net.IPAddr, error) {
			var all []net.IPAddr
			for _, a := range []string{"10.0.0.1", "93.184.215.1", "169.254.169.254", "93.184.215.2", "93.184.215.3"} {
				all = append(all, net.IPAddr{IP: net.ParseIP(a)})
			}
			return all, nil
		}
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialled = append(dialled, address)
			mu.Unlock()
			switch host, _, _ := net.SplitHostPort(address); host {
			case "93.184.215.1":
				return nil, syscall.ECONNREFUSED
			case "93.184.215.2": // never answers
				<-ctx.Done()
				close(hung)
				return nil, ctx.Err()
			}
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		}
	})
	conn, err := cl.transport.Current().DialContext(context.Background(), "tcp", "example.okta.com:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	<-hung
	if got := strings.Join(dialled, " "); got != strings.ReplaceAll("93.184.215.1:P 93.184.215.2:P 93.184.215.3:P", "P", port) {
		t.Errorf("dialled %s", got)
	}
}

func TestDialer_OfLocalhost_DialsOnlyLoopback(t *testing.T) {
	for host, want := range map[string]bool{"http://localhost:1": true, "https://example.okta.com": false} {
		dialled := false
		cl, _ := client(t, host, func(c *Config) {
			c.MaxAttempts = 1
			c.Lookup = func(context.Context, string) ([]net.IPAddr, error) {
				return []net.IPAddr{{IP: net.IPv4(10, 0, 0, 1)}, {IP: net.IPv4(127, 0, 0, 1)}}, nil
			}
			c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
				dialled = true
				if !strings.HasPrefix(address, "127.") {
					t.Errorf("%s: dialled %s", host, address)
				}
				return nil, io.EOF
			}
		})
		if _, err := get(cl); err == nil || dialled != want {
			t.Errorf("%s: dialled %v, %v", host, dialled, err)
		}
	}
}

// TestDialer_OverPlainHTTP_DialsOnlyLoopback resolves localhost as a hosts file or a rebinding resolver might.
func TestDialer_OverPlainHTTP_DialsOnlyLoopback(t *testing.T) {
	for _, c := range []struct {
		base  string
		found []net.IPAddr
		want  string // addresses that may be dialled
	}{
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("93.184.215.14")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("10.0.0.1")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("0.0.0.0")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("::")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("::ffff:93.184.215.14")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("::1"), Zone: "eth0"}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("fe80::1"), Zone: "lo"}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("64:ff9b::7f00:1")}}, ""},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("93.184.215.14")}, {IP: net.ParseIP("::1")}, {IP: net.ParseIP("2606:2800:21f::1")}}, "[::1]:1"},
		{"http://localhost:1", []net.IPAddr{{IP: net.ParseIP("::ffff:127.0.0.1")}, {IP: net.ParseIP("127.8.9.10")}}, "127.0.0.1:1 127.8.9.10:1"},
		{"http://[::ffff:127.0.0.1]:1", nil, "127.0.0.1:1"},
		{"http://127.0.0.1:1", nil, "127.0.0.1:1"},
		{"https://localhost:1", []net.IPAddr{{IP: net.ParseIP("93.184.215.14")}}, "93.184.215.14:1"}, // TLS protects the token
	} {
		for _, allow := range []bool{false, true} {
			var dialled []string
			cl, _ := client(t, c.base, func(cfg *Config) {
				cfg.MaxAttempts, cfg.AllowPrivateNetwork = 1, allow
				cfg.Lookup = func(context.Context, string) ([]net.IPAddr, error) { return c.found, nil }
				cfg.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
					dialled = append(dialled, address)
					return nil, io.EOF
				}
			})
			_, err := get(cl)
			if got := strings.Join(dialled, " "); got != c.want {
				t.Errorf("%s, %v (allow_private_network %v): dialled %q, want %q", c.base, c.found, allow, got, c.want)
			}
			if c.want == "" && (err == nil || err.Code != abi.SendConnect || !err.Lasting || !strings.Contains(err.Message, "use https in base_url")) {
				t.Errorf("%s, %v: %+v does not say what to do", c.base, c.found, err)
			}
		}
	}
}

func TestPublic_OfNAT64_ChecksTheEmbeddedAddress(t *testing.T) {
	for address, want := range map[string]bool{"64:ff9b::5db8:d70e": true, "64:ff9b::a00:1": false, "64:ff9b::7f00:1": false, "::5db8:d70e": false,
		"64:ff9b:1::1": false, "2001::1": false, "3fff::1": false, "fec0::1": false, "ff02::1": false, "100::1": false} {
		a, err := resolve(context.Background(), nil, address)
		if err != nil || public(a[0]) != want {
			t.Errorf("%s: public %v, want %v", address, !want, want)
		}
	}
}

func TestNew_WithABadConfig_Fails(t *testing.T) {
	u := func(s string) *url.URL { p, _ := url.Parse(s); return p }
	for name, c := range map[string]Config{
		"no base URL":    {},
		"a path":         {BaseURL: u("https://example.okta.com/x")},
		"http":           {BaseURL: u("http://example.okta.com")},
		"negative limit": {BaseURL: u("https://example.okta.com"), MaxBody: -1},
		"a share over 1": {BaseURL: u("https://example.okta.com"), RateLimitShare: 1.1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestBuffer_AtEverySize_KeepsItsBytes(t *testing.T) {
	b, err := readBuffer(strings.NewReader("hello"), -1, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Bytes(); len(got) != cap(got) {
		t.Error("memory after the body is accessible")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(b.Release)
	}
	wg.Wait()
	if b.Bytes() != nil || b.Len() != 0 {
		t.Error("a released buffer still shows its bytes")
	}
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		for _, expected := range []int64{-1, 0, 10, int64(size), 200_000} {
			want := bytes.Repeat([]byte("x"), size)
			b, err := readBuffer(bytes.NewReader(want), expected, 1<<20, nil)
			if err != nil || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%d bytes, %d expected: %v, got %d", size, expected, err, b.Len())
			}
			b.Release()
		}
	}
	if b, err := readBuffer(strings.NewReader("12345"), -1, 5, nil); err != nil || b.Len() != 5 {
		t.Errorf("a body of the maximum size: %v", err)
	}
	if _, err := readBuffer(strings.NewReader("123456"), -1, 5, nil); !errors.Is(err, errTooLarge) {
		t.Errorf("a body over the limit: %v", err)
	}
}

// Many calls run at once over pooled memory and decoders. Each must get its own response.
func TestSend_Concurrently_DoesNotMixBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out io.Writer = w
		if id := r.URL.Query().Get("id"); len(id)%2 == 0 {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer func() { _ = z.Close() }()
			out = z
		}
		_, _ = io.WriteString(out, strings.Repeat(r.URL.Query().Get("id")+" ", 1000))
	}))
	defer server.Close()
	cl, _ := client(t, server.URL, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 40 {
				id := fmt.Sprint(i * 40 * j)
				resp, err := cl.Send(context.Background(), Call{Endpoint: endpoint("GET /x"), Request: abi.Request{Query: [][2]string{{"id", id}}}})
				if err != nil || string(resp.Body.Bytes()) != strings.Repeat(id+" ", 1000) {
					t.Errorf("%s: %+v", id, err)
					return
				}
				resp.Body.Release()
			}
		})
	}
	wg.Wait()
}

func TestABIHeaders_OfAResponse_AreTheAllowedOnes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Link", `</a>; rel="self"`)
		h.Add("Link", `</b>; rel="next"`)
		h.Set("Set-Cookie", "sid=secret")
		h.Set("X-Okta-Request-Id", "r1")
	}))
	defer server.Close()
	cl, _ := client(t, server.URL, nil)
	resp, err := get(cl)
	if err != nil {
		t.Fatal(err)
	}
	got := cl.ABIHeaders(resp)
	if fmt.Sprint(got["link"]) != `[</a>; rel="self" </b>; rel="next"]` || got["set-cookie"] != nil || resp.RequestID != "r1" || resp.Body != nil {
		t.Errorf("%v %+v", got, resp)
	}
	for name := range got {
		if name != strings.ToLower(name) {
			t.Error(name)
		}
	}
}

func TestSend_RepeatingARequest_LogsNoValues(t *testing.T) {
	base, _ := refusing(t, 1, func(w http.ResponseWriter) { rateLimited(w, 100, 0, 20) })
	var log strings.Builder
	cl, _ := client(t, base, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := cl.Send(context.Background(), Call{Endpoint: abi.Endpoint{Endpoint: "POST /x/{id}", Bucket: "b", Query: []string{"q"}}, Authorization: "SSWS secret-token",
		Request: abi.Request{Path: map[string]string{"id": "secret-id"}, Query: [][2]string{{"q", "secret-query"}}, Body: []byte(`"secret-body"`)}})
	if err != nil || !strings.Contains(log.String(), "POST /x/{id}") || strings.Contains(log.String(), "secret") {
		t.Errorf("%+v: %s", err, log.String())
	}
}

// FuzzLinkWithBlanks follows any link with blanks. An accepted link must fill the template with one plain segment per
// blank.
func FuzzLinkWithBlanks(f *testing.F) {
	for _, s := range []string{"https://x/api/v1/users/a%2Fb/groups?after=1", "/api/v1/users/..;/groups", "/api/v1/users/%2e%2e/groups", "//h/api/v1/users/é/groups?a=b&c", "/api/v1/users/a;b/groups?x=%26"} {
		f.Add(s)
	}
	tmpl := parseTemplate("/api/v1/users/{id}/groups")
	f.Fuzz(func(t *testing.T, link string) {
		path, pairs, err := tmpl.link(link, &abi.Endpoint{})
		if err != nil {
			return
		}
		query, err := query(pairs)
		if err != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + "?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			t.Fatalf("%q: %q %q: %v", link, path, query, err)
		}
		parts := strings.Split(req.URL.EscapedPath(), "/")
		if len(parts) != 6 || parts[3] != "users" || parts[5] != "groups" || req.URL.RawQuery != query {
			t.Fatalf("%q arrives as %q", link, parts)
		}
		if id, err := url.PathUnescape(parts[4]); err != nil || abi.CheckBlank(id, false) != nil {
			t.Fatalf("%q arrives with %q", link, id)
		}
		for name, values := range req.URL.Query() {
			for _, v := range values {
				if checkQuery(name, v) != nil {
					t.Fatalf("%q arrives with %q=%q", link, name, v)
				}
			}
		}
	})
}

// FuzzParseBaseURL parses any origin. An accepted origin must be valid, and be accepted again.
func FuzzParseBaseURL(f *testing.F) {
	for _, s := range []string{"https://example.okta.com", "http://[::1]:8080/", "https://u:p@h", "https://h:443", "http://localhost", "https://H/?#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseBaseURL(s, nil)
		if err != nil {
			return
		}
		again, err := ParseBaseURL(u.String(), nil)
		if err != nil || again.String() != u.String() || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && !(u.Scheme == "http" && network.Loopback(u.Hostname())) || u.Host != strings.ToLower(u.Host) {
			t.Fatalf("%q gives %q, and that %v %v", s, u, again, err)
		}
	})
}
