package network_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/host/network"
)

// listens serves each connection with a function, until the test ends.
func listens(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// socks serves as a SOCKS 5 proxy does: it answers its own greeting. Others get nothing, or the end of the connection.
func socks(silent bool) func(net.Conn) {
	return func(conn net.Conn) {
		first := make([]byte, 3)
		if _, err := io.ReadFull(conn, first); err != nil {
			return
		}
		if first[0] == 5 {
			_, _ = conn.Write([]byte{5, 0})
		} else if silent {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// silentHTTP waits for the end of a head, as a strict HTTP proxy does, however foreign the bytes are.
func silentHTTP(conn net.Conn) {
	var head []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		if _, err := conn.Read(one); err != nil {
			return
		}
		head = append(head, one[0])
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
}

// TestConnect_WithAnotherScheme_SaysWhatTheProxySpeaks has proxies whose address has the wrong scheme. A proxy that answers
// nothing costs seconds, and not the time limit of a tunnel.
func TestConnect_WithAnotherScheme_SaysWhatTheProxySpeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for silent proxies: without -short")
	}
	t.Parallel()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	strict := func(conn net.Conn) { // answers plain HTTP with an alert, as OpenSSL does, or with nothing
		_ = tls.Server(conn, secure.TLS).Handshake()
	}
	for name, c := range map[string]struct {
		address, scheme, want string
	}{
		"http to SOCKS that ends":      {listens(t, socks(false)), "http", "it does not speak HTTP but SOCKS 5: write socks5://127.0.0.1:"},
		"http to SOCKS that waits":     {listens(t, socks(true)), "http", "it does not speak HTTP but SOCKS 5: write socks5://127.0.0.1:"},
		"http to TLS with an alert":    {listens(t, strict), "http", "it does not speak HTTP but TLS: write https://127.0.0.1:"},
		"http to TLS that answers 400": {secure.Listener.Addr().String(), "http", "it does not speak HTTP but TLS: write https://127.0.0.1:"},
		"https to HTTP that waits":     {listens(t, silentHTTP), "https", "it does not speak TLS but HTTP: write http://127.0.0.1:"},
		"https to SOCKS that waits":    {listens(t, socks(true)), "https", "it does not speak TLS but SOCKS 5: write socks5://127.0.0.1:"},
		"SOCKS to HTTP that waits":     {listens(t, silentHTTP), "socks5", "it does not speak SOCKS 5 but HTTP: write http://127.0.0.1:"},
		"SOCKS to TLS":                 {listens(t, strict), "socks5", "it does not speak SOCKS 5 but TLS: write https://127.0.0.1:"},
		"none of them":                 {listens(t, func(net.Conn) {}), "http", "it broke the connection without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := network.Settings{Proxy: c.scheme + "://" + c.address}.Route(&url.URL{Scheme: "https", Host: "example.com"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := r.Proxy.Connect(t.Context(), (&net.Dialer{}).DialContext, nil, "example.com:443")
			if err == nil {
				_ = conn.Close()
				t.Fatal("it opened a tunnel")
			}
			var e *network.Error
			if !errors.As(err, &e) || !strings.Contains(e.Reason, c.want) || e.Lasting != strings.Contains(c.want, "write ") {
				t.Errorf("%+v, want %q", err, c.want)
			}
		})
	}
}

// TestConnect_SlowProxyOfTheRightScheme_IsAwaited has a proxy that thinks about CONNECT for longer than a probe waits.
func TestConnect_SlowProxyOfTheRightScheme_IsAwaited(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a slow proxy: without -short")
	}
	t.Parallel()
	probed := make(chan struct{})
	var once sync.Once
	address := listens(t, func(conn net.Conn) {
		first := make([]byte, 7)
		if _, err := io.ReadFull(conn, first); err != nil {
			return
		}
		if string(first) == "CONNECT" { // answered when the client has looked for the cause
			<-probed
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		if string(first) == "OPTIONS" {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			once.Do(func() { close(probed) })
		}
	})
	r, err := network.Settings{Proxy: "http://" + address}.Route(&url.URL{Scheme: "https", Host: "example.com"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.Proxy.Connect(t.Context(), (&net.Dialer{}).DialContext, nil, "example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
