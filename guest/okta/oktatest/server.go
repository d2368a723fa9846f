package oktatest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Server is a listening org or replay. Close it after use.
type Server struct {
	*Org        // nil when a Replay is served
	URL  string // scheme, host and port, without a slash at the end

	http         http.Server
	done         chan struct{}
	certificates *x509.CertPool
}

// Start serves the org over HTTP on a free loopback port. It panics if there is none.
func (o *Org) Start() *Server { return must(o.Listen("127.0.0.1:0")) }

// StartTLS serves the org over HTTPS, including HTTP/2, on a free loopback port, with a new certificate: see
// Server.Certificates. It panics if there is no port.
func (o *Org) StartTLS() *Server { return must(listen("127.0.0.1:0", o, o, true)) }

// Listen serves the org over HTTP on a TCP address such as "127.0.0.1:8080".
func (o *Org) Listen(address string) (*Server, error) { return listen(address, o, o, false) }

// Listen serves the replay over HTTP on a TCP address such as "127.0.0.1:8080".
func (p *Replay) Listen(address string) (*Server, error) { return listen(address, p, nil, false) }

// Certificates returns the certificate of a server of StartTLS, for a client's RootCAs. It is nil without TLS.
func (s *Server) Certificates() *x509.CertPool { return s.certificates }

// Close stops the server: it refuses new connections, cuts open ones and waits for the listener to end.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// Shutdown stops the server after the requests under way are answered, or when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err == nil {
		<-s.done
	}
	return err
}

func must(s *Server, err error) *Server {
	if err != nil {
		panic("oktatest: " + err.Error())
	}
	return s
}

func listen(address string, h http.Handler, o *Org, secure bool) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{Org: o, URL: "http://" + l.Addr().String(), done: make(chan struct{})}
	s.http.Handler = h
	s.http.ReadHeaderTimeout = 30 * time.Second
	s.http.ErrorLog = log.New(io.Discard, "", 0) // faults cut connections intentionally
	serve := func() error { return s.http.Serve(l) }
	if secure {
		certificate, pool, err := selfSigned()
		if err != nil {
			l.Close()
			return nil, err
		}
		s.URL, s.certificates = "https://"+l.Addr().String(), pool
		s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		serve = func() error { return s.http.ServeTLS(l, "", "") }
	}
	go func() {
		defer close(s.done)
		serve() // always returns http.ErrServerClosed, or the listener's error
	}()
	return s, nil
}

// selfSigned creates a certificate for loopback names that is valid for one day.
func selfSigned() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "simulated Okta org"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost", "example.com"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read back the certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool, nil
}
