package network

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mach5/okta-connector/host/secrets"
)

// authorities are the certificate authorities of a route. It reads their file again when the file changes. It is safe for
// concurrent use.
type authorities struct {
	read func() (*x509.CertPool, error)
	file string
	log  *slog.Logger

	reading sync.Mutex
	known   atomic.Pointer[pool]
}

// pool is a set of authorities that was read from a file with this stamp.
type pool struct {
	*x509.CertPool
	stamp string
}

// stampOf returns a text that changes when a file is written or replaced.
func stampOf(path string) string { return secrets.Default{}.Stamp("file:" + path) }

// current returns the authorities. It reads the file again if it has changed, and keeps the old ones if that fails.
func (a *authorities) current() *x509.CertPool {
	stamp := stampOf(a.file)
	if known := a.known.Load(); known.stamp == stamp {
		return known.CertPool
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	known := a.known.Load()
	if known.stamp == stamp { // another call has read it
		return known.CertPool
	}
	anew, err := a.read()
	if err != nil {
		a.log.Warn("the old certificate authorities stay in use", "reason", err.Error())
		anew = known.CertPool
	} else {
		a.log.Info("the certificate authorities were read again", "file", a.file)
	}
	a.known.Store(&pool{anew, stamp})
	return anew
}

// Authorities returns the certificate authorities that are trusted now; nil means the system's. It reads the file of
// Settings.CAFile again if that has changed.
func (r Route) Authorities() *x509.CertPool {
	if r.changing == nil {
		return r.RootCAs
	}
	return r.changing.current()
}

// Transport is an http.Transport that trusts the certificate authorities of a Route, also after they change. It is safe for
// concurrent use.
type Transport struct {
	route Route

	changing sync.Mutex
	now      atomic.Pointer[http.Transport]
}

// TLS returns the configuration of TLS with the service.
func (r Route) TLS() *tls.Config {
	return &tls.Config{RootCAs: r.Authorities(), MinVersion: max(r.TLSMin, tls.VersionTLS12)}
}

// NewTransport returns a Transport with the settings of t. It sets t.TLSClientConfig.
func NewTransport(t *http.Transport, r Route) *Transport {
	t.TLSClientConfig = r.TLS()
	out := &Transport{route: r}
	out.now.Store(t)
	return out
}

// RoundTrip implements http.RoundTripper. New connections trust the current authorities. After a change, older connections
// carry no new requests.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.Current().RoundTrip(req)
}

// Current returns the transport with the current authorities.
func (t *Transport) Current() *http.Transport {
	if t.route.changing == nil {
		return t.now.Load()
	}
	roots := t.route.Authorities()
	if now := t.now.Load(); now.TLSClientConfig.RootCAs == roots {
		return now
	}
	t.changing.Lock()
	defer t.changing.Unlock()
	old := t.now.Load()
	if old.TLSClientConfig.RootCAs == roots {
		return old
	}
	anew := old.Clone()
	anew.TLSClientConfig.RootCAs = roots
	t.now.Store(anew)
	old.CloseIdleConnections()
	return anew
}

// CloseIdleConnections closes connections that no request uses.
func (t *Transport) CloseIdleConnections() { t.now.Load().CloseIdleConnections() }
