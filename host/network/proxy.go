package network

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"

	"github.com/mach5/okta-connector/host/secrets"
)

// Proxy opens tunnels to services. The proxy resolves the names of services and sees only encrypted bytes of an https
// service. It is safe for concurrent use.
type Proxy struct {
	url    *url.URL
	names  Names
	place  string // where its address is written, with "in" or "for"
	secret secret
}

// String returns the proxy's address, without credentials.
func (p *Proxy) String() string { return p.url.Scheme + "://" + p.url.Host }

// Error says why a proxy opened no tunnel. The service received nothing.
type Error struct {
	Proxy  string // its address
	Reason string // what happened and what to do
	Status int    // the proxy's answer to CONNECT, or 0
	// Lasting means that the next try ends the same way, unless a setting changes.
	Lasting bool
	cause   error
	unknown bool // the proxy refuses the user or password
	foreign bool // the answer, or its lack, may be that of another protocol
}

// Error implements error.
func (e *Error) Error() string { return "proxy " + e.Proxy + ": " + e.Reason }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

func (p *Proxy) failed(cause error, format string, args ...any) *Error {
	return &Error{Proxy: p.String(), Reason: fmt.Sprintf(format, args...), cause: cause}
}

// misunderstood is failed for what may be the answer of another protocol.
func (p *Proxy) misunderstood(cause error, format string, args ...any) *Error {
	e := p.failed(cause, format, args...)
	e.foreign = true
	return e
}

func (p *Proxy) refused(format string, args ...any) *Error {
	e := p.failed(nil, format, args...)
	e.Lasting = true
	return e
}

// tunnelTimeout is how long a proxy may take to open a tunnel.
const tunnelTimeout = 30 * time.Second

// Connect opens a tunnel to an address, a host and a port. It reaches the proxy with dial, and trusts roots if the
// proxy is https; nil means the system's. The error is an *Error, or that of ctx.
func (p *Proxy) Connect(ctx context.Context, dial Dial, roots *x509.CertPool, address string) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	credentials, err := p.secret.get(within)
	if err != nil {
		return nil, p.unavailable(err)
	}
	conn, err := p.open(ctx, within, dial, roots, address, credentials)
	if e := (*Error)(nil); errors.As(err, &e) && e.unknown {
		anew, readErr := p.secret.after(within, credentials)
		if readErr != nil {
			return nil, p.unavailable(readErr)
		}
		if !anew.Equal(credentials) { // they were changed since they were read
			return p.open(ctx, within, dial, roots, address, anew)
		}
	}
	return conn, err
}

// unavailable returns the error for credentials that cannot be read.
func (p *Proxy) unavailable(err error) *Error {
	e := p.failed(err, "%v", err)
	e.Lasting = errors.Is(err, secrets.ErrUnavailable)
	return e
}

// open opens a tunnel with the credentials. within is ctx with the time limit of a tunnel.
func (p *Proxy) open(ctx, within context.Context, dial Dial, roots *x509.CertPool, address string, credentials secrets.Value) (net.Conn, error) {
	limited := within
	within, cancel := context.WithCancelCause(within)
	defer cancel(nil)
	silent := time.AfterFunc(silentFor, func() {
		if other := p.speaks(within, dial); other != "" {
			cancel(p.wrongScheme(other))
		}
	})
	conn, err := p.exchange(within, dial, roots, address, credentials)
	silent.Stop()
	var e *Error
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(context.Cause(within), &e):
		return nil, e
	case limited.Err() != nil:
		return nil, p.failed(limited.Err(), "it opened no connection to %s within %s: check the proxy", address, tunnelTimeout)
	case errors.As(err, &e) && e.foreign:
		if other := p.speaks(limited, dial); other != "" {
			return nil, p.wrongScheme(other)
		}
	}
	return nil, err
}

// exchange connects to the proxy and asks for a tunnel.
func (p *Proxy) exchange(within context.Context, dial Dial, roots *x509.CertPool, address string, credentials secrets.Value) (net.Conn, error) {
	conn, err := p.reach(within, dial, roots)
	if err == nil {
		stop := context.AfterFunc(within, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		if p.url.Scheme == "socks5" {
			err = p.socks(within, conn, credentials, address)
		} else {
			err = p.tunnel(conn, credentials, address)
		}
		if !stop() && err == nil {
			err = within.Err()
		}
		if err == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
	return nil, err
}

// reach connects to the proxy itself.
func (p *Proxy) reach(ctx context.Context, dial Dial, roots *x509.CertPool) (net.Conn, error) {
	conn, err := dial(ctx, "tcp", p.url.Host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			e := p.refused("its name does not exist: check %s", p.names.Proxy)
			e.cause = err
			return nil, e
		}
		return nil, p.failed(err, "it accepts no connection: check %s, and that the proxy is running", p.names.Proxy)
	}
	if p.url.Scheme != "https" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: p.url.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return nil, p.refused("its certificate is not trusted: %s", Untrusted(cert, p.names.CAFile))
		}
		return nil, p.misunderstood(err, "it does not speak TLS: check %s, or write http instead of https", p.names.Proxy)
	}
	return secure, nil
}

// maxAnswer limits the head of a proxy's answer, in bytes.
const maxAnswer = 16 << 10

// tunnel asks with CONNECT.
func (p *Proxy) tunnel(conn net.Conn, credentials secrets.Value, address string) error {
	head := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: mach5-connector\r\n"
	if !credentials.IsZero() {
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(credentials.Reveal())) + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return p.failed(err, "it broke the connection: check the proxy")
	}
	resp, err := readHead(conn)
	switch {
	case errors.Is(err, errNotHTTP):
		e := p.refused("its answer is not HTTP: check the scheme and port in %s", p.names.Proxy)
		e.foreign = true
		return e
	case err != nil:
		return p.misunderstood(err, "it broke the connection without an answer: check the proxy")
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	}
	return p.judge(resp.StatusCode, !credentials.IsZero(), address)
}

// judge returns what an answer to CONNECT other than success means. Some proxies answer 401 for a wrong password.
func (p *Proxy) judge(status int, withCredentials bool, address string) *Error {
	var e *Error
	switch {
	case (status == http.StatusProxyAuthRequired || status == http.StatusUnauthorized) && withCredentials:
		e = p.refused("it refuses the user or password (%d): check the value behind %s", status, p.names.Secret)
		e.unknown = true
	case status == http.StatusProxyAuthRequired, status == http.StatusUnauthorized:
		e = p.refused("it wants a user and a password (%d): give %s env:NAME or file:PATH, with user:password behind it", status, p.names.Secret)
	case status == http.StatusForbidden:
		e = p.refused("it does not allow connections to %s (403): ask its operator to allow them", address)
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented, status == http.StatusBadRequest, status == http.StatusNotFound:
		e = p.refused("it does not open tunnels (%d to CONNECT): check %s", status, p.names.Proxy)
		e.foreign = true // servers with TLS answer 400 to plain HTTP
	default:
		e = p.failed(nil, "it opened no connection to %s (%d): try again later, or ask its operator", address, status)
	}
	e.Status = status
	return e
}

var errNotHTTP = errors.New("not HTTP")

// readHead reads the head of an answer, byte by byte, since what follows belongs to the service.
func readHead(conn net.Conn) (*http.Response, error) {
	head, one := make([]byte, 0, 512), make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) && !bytes.HasSuffix(head, []byte("\n\n")) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return nil, err
		}
		head = append(head, one[0])
		if len(head) > maxAnswer || len(head) == 5 && string(head) != "HTTP/" {
			return nil, errNotHTTP
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, errNotHTTP
	}
	return resp, nil
}

// socks asks as in RFC 1928. conn is already connected to the proxy.
func (p *Proxy) socks(ctx context.Context, conn net.Conn, credentials secrets.Value, address string) error {
	var auth *proxy.Auth
	if !credentials.IsZero() {
		user, password, _ := strings.Cut(credentials.Reveal(), ":")
		auth = &proxy.Auth{User: user, Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", p.url.Host, auth, connected{conn})
	if err != nil {
		return p.failed(err, "it cannot be used")
	}
	if _, err = dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", address); err == nil {
		return nil
	}
	text := err.Error() // the library has no types for these
	switch {
	case strings.Contains(text, "authentication failed"):
		e := p.refused("it refuses the user or password: check the value behind %s", p.names.Secret)
		e.unknown = true
		return e
	case strings.Contains(text, "no acceptable authentication methods"):
		return p.refused("it wants a user and a password: give %s env:NAME or file:PATH, with user:password behind it", p.names.Secret)
	case strings.Contains(text, "not allowed by ruleset"):
		return p.refused("it does not allow connections to %s: ask its operator to allow them", address)
	case strings.Contains(text, "unexpected protocol version"):
		e := p.refused("its answer is not SOCKS 5: check the scheme and port in %s", p.names.Proxy)
		e.foreign = true
		return e
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return p.misunderstood(err, "it broke the connection without an answer: check the proxy")
	}
	return p.failed(err, "it opened no connection to %s: try again later, or ask its operator", address)
}

// connected is a dialer that returns a connection that is already there.
type connected struct{ net.Conn }

// Dial implements proxy.Dialer.
func (c connected) Dial(string, string) (net.Conn, error) { return c.Conn, nil }

// DialContext implements proxy.ContextDialer.
func (c connected) DialContext(context.Context, string, string) (net.Conn, error) { return c.Conn, nil }
