// Package proxytest has a forward proxy for tests.
package proxytest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/secrets"
)

// Proxy is a forward proxy on a loopback address. It answers CONNECT, and refuses every other request. Its methods may
// be called concurrently.
type Proxy struct {
	Address string      // host:port
	TLS     *tls.Config // the proxy speaks TLS, unless nil

	Credentials string        // user:password that it wants; empty if none
	Wrong       int           // status for wrong credentials; default 407
	Status      int           // status of every answer; 0 opens tunnels
	Raw         string        // written instead of an answer
	Early       bool          // Raw is written before a request is read
	Wait        time.Duration // before an answer
	Cut         int64         // bytes of a service after which the tunnel breaks; 0 never
	To          string        // every tunnel leads to this address; empty leads to the one that was asked for

	listener net.Listener
	mu       sync.Mutex
	asked    []string
	others   []string
	conns    []net.Conn
}

// New starts a proxy that ends with the test. change sets its fields before it starts; nil changes nothing.
func New(t testing.TB, change func(*Proxy)) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), listener: l}
	if change != nil {
		change(p)
	}
	if p.TLS != nil {
		p.listener = tls.NewListener(l, p.TLS)
	}
	go func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, conn)
			p.mu.Unlock()
			go p.serve(conn)
		}
	}()
	t.Cleanup(p.Close)
	return p
}

// Close ends the proxy and all its tunnels.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// Asked returns the addresses of all CONNECT requests.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// Others returns the request lines of all other requests.
func (p *Proxy) Others() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.others...)
}

func (p *Proxy) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if p.Early {
		_, _ = io.WriteString(conn, p.Raw)
	}
	reader := bufio.NewReader(conn)
	req, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	p.mu.Lock()
	if req.Method == http.MethodConnect {
		p.asked = append(p.asked, req.Host)
	} else {
		p.others = append(p.others, req.Method+" "+req.RequestURI)
	}
	p.mu.Unlock()
	time.Sleep(p.Wait)
	switch want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Credentials)); {
	case p.Raw != "":
		_, _ = io.WriteString(conn, p.Raw)
		return
	case req.Method != http.MethodConnect:
		reply(conn, http.StatusMethodNotAllowed)
		return
	case p.Status != 0:
		reply(conn, p.Status)
		return
	case p.Credentials != "" && req.Header.Get("Proxy-Authorization") != want:
		status := http.StatusProxyAuthRequired
		if p.Wrong != 0 {
			status = p.Wrong
		}
		reply(conn, status)
		return
	}
	to := p.To
	if to == "" {
		to = req.Host
	}
	service, err := net.DialTimeout("tcp", to, 10*time.Second)
	if err != nil {
		reply(conn, http.StatusBadGateway)
		return
	}
	defer func() { _ = service.Close() }()
	reply(conn, http.StatusOK)
	go func() {
		_, _ = io.Copy(service, reader)
		if c, ok := service.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
	}()
	if p.Cut > 0 {
		_, _ = io.CopyN(conn, service, p.Cut)
		return
	}
	_, _ = io.Copy(conn, service)
}

func reply(conn net.Conn, status int) {
	resp := http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	if status == http.StatusProxyAuthRequired {
		resp.Header.Set("Proxy-Authenticate", `Basic realm="proxy"`)
	}
	if status/100 != 2 {
		resp.ContentLength, resp.Close = 0, true
		_ = resp.Write(conn)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
}

// PEM encodes a certificate.
func PEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Authority makes a certificate authority. It returns the certificate and the key as PEM.
func Authority(t testing.TB, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return PEM(&x509.Certificate{Raw: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// Route returns how to reach base with these settings. credentials are the client's user:password; empty is none. roots
// are those of network.Settings.Route.
func Route(t testing.TB, base string, s network.Settings, credentials string, roots *x509.CertPool) network.Route {
	t.Helper()
	if credentials != "" {
		s.Secret = "env:PROXY_USER"
		s.Resolver = secrets.Default{LookupEnv: func(string) (string, bool) { return credentials, true }}
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Route(u, roots)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
