// Package network reaches services through the network of a company: its proxy and its certificate authorities.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/mach5/okta-connector/host/secrets"
)

// Environment is the value of a proxy setting that takes the proxy from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
const Environment = "environment"

// Dial connects to an address. It is the function of net.Dialer.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Settings say how to reach a service, as a connection file has them. The zero value is a direct connection.
type Settings struct {
	Proxy    string // an address, such as http://proxy.example.com:3128, or Environment; empty is a direct connection
	Secret   string // reference to user:password for the proxy; empty if it needs none
	CAFile   string // PEM file of certificate authorities that are trusted besides the system's
	TLSMin   string // lowest TLS version: 1.2, which is the default, or 1.3
	Resolver secrets.Resolver
	Names    Names        // names for messages; default those of a connection file
	Logger   *slog.Logger // gets changes of CAFile; default: discard
	// LookupEnv finds a variable for Environment. Default os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// FileError says that the file of a setting cannot be used.
type FileError struct {
	Setting string // the name of the setting
	reason  error
}

// Error implements error.
func (e *FileError) Error() string { return e.Setting + ": " + e.reason.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.reason }

// CheckProxy checks the value of Settings.Proxy.
func CheckProxy(address string) error {
	if address == Environment {
		return nil
	}
	_, _, err := parseProxy(address, false, fields.Secret)
	return err
}

// Names are the names that a user knows the settings by.
type Names struct{ Proxy, Secret, CAFile, TLSMin string }

// fields are the names in a connection file.
var fields = Names{"proxy", "proxy_credentials_ref", "ca_file", "tls_min"}

// Route is how to reach one service. The zero value is a direct connection that trusts the system's authorities.
type Route struct {
	Proxy   *Proxy         // nil is a direct connection
	RootCAs *x509.CertPool // nil is the system's
	TLSMin  uint16         // as in tls.Config; 0 is TLS 1.2, the lowest
	CAFile  string         // name of the setting for more authorities, for messages

	changing *authorities // RootCAs as their file has them; nil if there is no file
}

// Route checks the settings, reads CAFile, and returns how to reach the service at base. roots replaces the system's
// certificate authorities, unless it is nil. The error names the setting and says what to write.
func (s Settings) Route(base *url.URL, roots *x509.CertPool) (r Route, err error) {
	if s.Names == (Names{}) {
		s.Names = fields
	}
	r.CAFile = s.Names.CAFile
	if r.TLSMin, err = s.tlsVersion(); err != nil {
		return r, err
	}
	if s.Secret != "" && s.Proxy == "" {
		return r, fmt.Errorf("%s: there is no proxy: give %s, too, or leave it out", s.Names.Secret, s.Names.Proxy)
	}
	if r.Proxy, err = s.proxyFor(base); err != nil {
		return r, err
	}
	if r.Proxy != nil && base.Scheme == "http" && !Loopback(r.Proxy.url.Hostname()) {
		return r, fmt.Errorf("%s: requests over http could be read on the way to %s: use https in the service's address", s.Names.Proxy, r.Proxy)
	}
	if s.CAFile == "" {
		r.RootCAs = roots
		return r, nil
	}
	stamp := stampOf(s.CAFile) // before the read, so that a change during it is noticed
	if r.RootCAs, err = s.roots(roots); err != nil {
		return r, err
	}
	log := s.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r.changing = &authorities{read: func() (*x509.CertPool, error) { return s.roots(roots) }, file: s.CAFile, log: log}
	r.changing.known.Store(&pool{r.RootCAs, stamp})
	return r, nil
}

// tlsVersion returns Route.TLSMin.
func (s Settings) tlsVersion() (uint16, error) {
	switch s.TLSMin {
	case "", "1.2":
		return 0, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("%s: found %.20q: write \"1.2\" or \"1.3\"", s.Names.TLSMin, s.TLSMin)
}

// roots returns the trusted certificate authorities: those of more, or else the system's, and those of CAFile.
func (s Settings) roots(more *x509.CertPool) (*x509.CertPool, error) {
	text, err := readCA(s.CAFile)
	if err != nil {
		return nil, &FileError{s.Names.CAFile, err}
	}
	pool := more
	if pool == nil {
		if pool, err = x509.SystemCertPool(); err != nil { // this system has no pool: trust CAFile alone
			pool = x509.NewCertPool()
		}
	}
	pool = pool.Clone()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &FileError{s.Names.CAFile, fmt.Errorf("%s has no certificate. Write certificates as PEM, which begin with -----BEGIN CERTIFICATE-----", s.CAFile)}
	}
	return pool, nil
}

const maxCAFile = 4 << 20 // bytes; a system's whole list has 200 KB

func readCA(path string) ([]byte, error) {
	info, err := os.Stat(path)
	var failed *os.PathError
	switch {
	case errors.As(err, &failed):
		return nil, unreadable{failed}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxCAFile:
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes. Name a PEM file", path, maxCAFile)
	}
	text, err := os.ReadFile(path)
	if errors.As(err, &failed) {
		return nil, unreadable{failed}
	}
	return text, err
}

// unreadable is an error of reading a file, with what to do.
type unreadable struct{ failed *os.PathError }

// Error implements error.
func (u unreadable) Error() string {
	return fmt.Sprintf("%s: %v. Name a PEM file that this user can read", u.failed.Path, u.failed.Err)
}

// Unwrap returns the error of the file.
func (u unreadable) Unwrap() error { return u.failed }

// proxyFor returns the proxy for a service at base. It returns nil if the connection is direct.
func (s Settings) proxyFor(base *url.URL) (*Proxy, error) {
	address := s.Proxy
	if address == Environment {
		var err error
		if address, err = s.fromEnvironment(base); err != nil {
			return nil, err
		}
	}
	if address == "" {
		return nil, nil
	}
	u, credentials, err := parseProxy(address, s.Proxy == Environment, s.Names.Secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Names.Proxy, err)
	}
	p := &Proxy{url: u, names: s.Names, place: "for " + s.Names.Proxy, secret: newSecret(func(context.Context) (secrets.Value, error) { return credentials, nil }, nil)}
	if s.Proxy == Environment {
		p.place = "in the environment"
	}
	if s.Secret != "" {
		p.secret = newSecret(s.credentials, func() string {
			if stamper, ok := s.Resolver.(secrets.Stamper); ok {
				return stamper.Stamp(s.Secret)
			}
			return ""
		})
	}
	return p, nil
}

// credentials reads user:password.
func (s Settings) credentials(ctx context.Context) (secrets.Value, error) {
	v, err := s.Resolver.Resolve(ctx, s.Secret)
	if err != nil {
		return v, fmt.Errorf("%s: %w", s.Names.Secret, err)
	}
	if !strings.Contains(v.Reveal(), ":") {
		return secrets.Value{}, fmt.Errorf("%s: %s has no colon: write user:password into it", s.Names.Secret, secrets.Name(s.Secret))
	}
	return v, nil
}

// fromEnvironment returns the proxy that the environment names for a service. It is empty if there is none, or if
// NO_PROXY lists the service. Loopback addresses are never reached through it.
func (s Settings) fromEnvironment(base *url.URL) (string, error) {
	lookup := s.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	first := func(names ...string) string {
		for _, name := range names {
			if v, _ := lookup(name); v != "" {
				return v
			}
		}
		return ""
	}
	all := first("ALL_PROXY", "all_proxy")
	config := httpproxy.Config{HTTPSProxy: first("HTTPS_PROXY", "https_proxy"), HTTPProxy: first("HTTP_PROXY", "http_proxy"), NoProxy: first("NO_PROXY", "no_proxy")}
	if config.HTTPSProxy == "" {
		config.HTTPSProxy = all
	}
	if config.HTTPProxy == "" {
		config.HTTPProxy = all
	}
	u, err := config.ProxyFunc()(base)
	if err != nil { // its text contains the value, and that may contain a password
		return "", fmt.Errorf("%s: the address in the environment is not valid: write it as http://HOST:PORT into HTTPS_PROXY", s.Names.Proxy)
	}
	if u == nil {
		return "", nil
	}
	return u.String(), nil
}

var schemes = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// parseProxy checks the address of a proxy and adds its port. Only an address of the environment may contain a user and
// a password.
func parseProxy(address string, fromEnvironment bool, secret string) (*url.URL, secrets.Value, error) {
	const want = "want an address such as http://proxy.example.com:3128 (http, https or socks5), or environment"
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, secrets.Value{}, errors.New(want)
	}
	port, known := schemes[u.Scheme]
	var credentials secrets.Value
	switch {
	case !known:
		return nil, secrets.Value{}, errors.New(want)
	case u.User != nil && !fromEnvironment:
		return nil, secrets.Value{}, fmt.Errorf("the address contains a user or password: remove it, put user:password into the environment or a file, and give %s env:NAME or file:PATH", secret)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, secrets.Value{}, errors.New("the address has a path, query or fragment: write only http://HOST:PORT")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		credentials = secrets.New(u.User.Username() + ":" + password)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return &url.URL{Scheme: strings.TrimSuffix(u.Scheme, "h"), Host: net.JoinHostPort(strings.ToLower(u.Hostname()), port)}, credentials, nil
}

// Loopback reports whether a host of a URL, in lower case, is a loopback address or localhost.
func Loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
