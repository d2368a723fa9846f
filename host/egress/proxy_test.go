package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/network/proxytest"
)

// secure is a service with TLS, and the pool that trusts it.
func secure(t *testing.T, http2 bool, handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.StartTLS()
	t.Cleanup(server.Close)
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	return server, trust
}

// through returns a client whose requests go through a proxy.
func through(t *testing.T, base, proxy, credentials string, trust *x509.CertPool, change func(*Config)) *Client {
	t.Helper()
	route := proxytest.Route(t, base, network.Settings{Proxy: proxy}, credentials, trust)
	c, _ := client(t, base, func(c *Config) {
		c.Route, c.MaxAttempts = route, 1
		if change != nil {
			change(c)
		}
	})
	return c
}

func fetch(c *Client) (*Response, *abi.SendError) {
	return c.Send(context.Background(), Call{Endpoint: endpoint("GET /x"), Authorization: "SSWS secret"})
}

func TestSend_ThroughProxy_UsesATunnel(t *testing.T) {
	for name, c := range map[string]struct {
		credentials string
		http2, tls  bool // the service's protocol, and TLS to the proxy
	}{"plain": {}, "HTTP/2": {http2: true}, "with credentials": {credentials: "ada:s3cret"}, "over TLS": {tls: true, credentials: "ada:pass:word"}} {
		t.Run(name, func(t *testing.T) {
			version := 0
			server, trust := secure(t, c.http2, func(_ http.ResponseWriter, r *http.Request) {
				version = r.ProtoMajor
				if r.Header.Get("Proxy-Authorization") != "" || r.Header.Get("Authorization") != "SSWS secret" {
					t.Error("the service got the headers", r.Header)
				}
			})
			scheme := "http://"
			proxy := proxytest.New(t, func(p *proxytest.Proxy) {
				if p.Credentials = c.credentials; c.tls {
					scheme, p.TLS = "https://", &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"http/1.1"}}
				}
			})
			resp, err := fetch(through(t, server.URL, scheme+proxy.Address, c.credentials, trust, nil))
			if err != nil || resp.Status != 200 || len(proxy.Asked()) != 1 || proxy.Asked()[0] != server.Listener.Addr().String() || len(proxy.Others()) != 0 {
				t.Fatalf("%+v, the proxy was asked for %v and %v", err, proxy.Asked(), proxy.Others())
			}
			if want := map[bool]int{false: 1, true: 2}[c.http2]; version != want {
				t.Errorf("HTTP/%d, want %d", version, want)
			}
		})
	}
}

// TestSend_ThroughProxy_LeavesTheNameToIt uses a name that nobody else can resolve.
func TestSend_ThroughProxy_LeavesTheNameToIt(t *testing.T) {
	server, trust := secure(t, false, func(http.ResponseWriter, *http.Request) {})
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.To = server.Listener.Addr().String() })
	resolved := make(chan string, 10)
	c := through(t, "https://example.com", "http://"+proxy.Address, "", trust, func(c *Config) {
		c.Lookup = func(_ context.Context, host string) ([]net.IPAddr, error) {
			resolved <- host
			return nil, &net.DNSError{IsNotFound: true}
		}
	})
	if resp, err := fetch(c); err != nil || resp.Status != 200 || proxy.Asked()[0] != "example.com:443" || len(resolved) != 0 {
		t.Fatalf("%+v; %v; %d names were resolved", err, proxy.Asked(), len(resolved))
	}
}

// TestSend_ThroughProxyToAPrivateAddress_IsRefused: a proxy hides only the addresses of names.
func TestSend_ThroughProxyToAPrivateAddress_IsRefused(t *testing.T) {
	proxy := proxytest.New(t, nil)
	c := through(t, "https://10.1.2.3", "http://"+proxy.Address, "", nil, nil)
	if _, err := fetch(c); err == nil || err.Code != abi.SendConnect || !strings.Contains(err.Message, "allow_private_network") || len(proxy.Asked()) != 0 {
		t.Fatalf("%+v; %v", err, proxy.Asked())
	}
}

// TestSend_ProxyFails_SaysWhatToDo also checks that a write counts as not sent, and that no message has the password.
func TestSend_ProxyFails_SaysWhatToDo(t *testing.T) {
	server, trust := secure(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the service was reached") })
	for name, c := range map[string]struct {
		change  func(*proxytest.Proxy)
		mine    string // credentials of the client
		scheme  string // scheme of the proxy's address; default http
		want    string
		lasting bool
	}{
		"no credentials":    {func(p *proxytest.Proxy) { p.Credentials = "a:b" }, "", "", "it wants a user and a password (407): give proxy_credentials_ref", true},
		"wrong credentials": {func(p *proxytest.Proxy) { p.Credentials = "a:b" }, "ada:s3cret", "", "it refuses the user or password (407)", true},
		"wrong with 401":    {func(p *proxytest.Proxy) { p.Credentials, p.Wrong = "a:b", 401 }, "ada:s3cret", "", "it refuses the user or password (401)", true},
		"not allowed":       {func(p *proxytest.Proxy) { p.Status = 403 }, "", "", "it does not allow connections to 127.0.0.1:", true},
		"no tunnels":        {func(p *proxytest.Proxy) { p.Status = 405 }, "", "", "it does not open tunnels (405 to CONNECT)", true},
		"no way on":         {func(p *proxytest.Proxy) { p.Status = 502 }, "", "", "it opened no connection to 127.0.0.1:", false},
		"not HTTP":          {func(p *proxytest.Proxy) { p.Raw = "SSH-2.0-OpenSSH_9\r\n" }, "", "", "its answer is not HTTP", true},
		"endless":           {func(p *proxytest.Proxy) { p.Raw = "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", 1<<14) }, "", "", "its answer is not HTTP", true},
		"half an answer":    {func(p *proxytest.Proxy) { p.Raw = "HTTP/1.1 2" }, "", "", "it broke the connection without an answer", false},
		"gone":              {nil, "", "", "it accepts no connection", false},
		"TLS to http":       {func(*proxytest.Proxy) {}, "", "https", "it does not speak TLS but HTTP: write http://127.0.0.1:", true},
		"SOCKS to http":     {func(p *proxytest.Proxy) { p.Raw, p.Early = "HTTP/1.1 400 Bad Request\r\n\r\n", true }, "", "socks5", "it does not speak SOCKS 5 but HTTP: write http://127.0.0.1:", true},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := proxytest.New(t, c.change)
			if name == "gone" {
				proxy.Close()
			}
			scheme := c.scheme
			if scheme == "" {
				scheme = "http"
			}
			client := through(t, server.URL, scheme+"://"+proxy.Address, c.mine, trust, func(c *Config) { c.Timeout = 5 * time.Second })
			_, err := client.Send(context.Background(), Call{Endpoint: endpoint("POST /x")})
			if err == nil || err.Code != abi.SendConnect || err.Sent || err.Lasting != c.lasting || !strings.Contains(err.Message, c.want) || !strings.Contains(err.Message, "proxy "+scheme+"://"+proxy.Address) {
				t.Errorf("%+v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Message, "s3cret") {
				t.Errorf("the message has the password: %s", err.Message)
			}
		})
	}
}

// TestSend_ProxyIsSlow_EndsWithTheRequest: the request's time ends while the proxy opens the tunnel.
func TestSend_ProxyIsSlow_EndsWithTheRequest(t *testing.T) {
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.Wait = time.Minute })
	c := through(t, "https://127.0.0.1:1", "http://"+proxy.Address, "", nil, func(c *Config) { c.Timeout = 100 * time.Millisecond })
	if _, err := fetch(c); err == nil || err.Code != abi.SendTimeout || err.Sent {
		t.Fatalf("%+v", err)
	}
}

// TestSend_ProxyDies_ReportsWhatWasSent breaks the tunnel in the middle of an answer.
func TestSend_ProxyDies_ReportsWhatWasSent(t *testing.T) {
	server, trust := secure(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) })
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.Cut = 100 << 10 })
	_, err := through(t, server.URL, "http://"+proxy.Address, "", trust, nil).Send(context.Background(), Call{Endpoint: endpoint("POST /x")})
	if err == nil || err.Code != abi.SendInterrupted || !err.Sent {
		t.Fatalf("%+v", err)
	}
}

// TestSend_ProxyReadsAlong_NeedsItsAuthority: such a proxy shows a certificate of its own.
func TestSend_ProxyReadsAlong_NeedsItsAuthority(t *testing.T) {
	reader, _ := secure(t, false, func(http.ResponseWriter, *http.Request) {})
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.To = reader.Listener.Addr().String() })
	if _, err := fetch(through(t, "https://example.com", "http://"+proxy.Address, "", nil, nil)); err == nil || err.Code != abi.SendTLS || !strings.Contains(err.Message, "ca_file") || err.Sent {
		t.Fatalf("%+v", err)
	}
	trusted := network.Settings{Proxy: "http://" + proxy.Address, CAFile: pemOf(t, reader)}
	route, err := trusted.Route(&url.URL{Scheme: "https", Host: "example.com"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := client(t, "https://example.com", func(c *Config) { c.Route = route })
	if resp, err := fetch(c); err != nil || resp.Status != 200 {
		t.Fatalf("%+v", err)
	}
}

// pemOf writes the certificate of a server into a file.
func pemOf(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, proxytest.PEM(s.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSend_OldTLS_IsRefusedBySetting(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	for least, works := range map[string]bool{"": true, "1.2": true, "1.3": false} {
		route, err := network.Settings{TLSMin: least, CAFile: pemOf(t, server)}.Route(&url.URL{Scheme: "https"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := client(t, server.URL, func(c *Config) { c.Route = route })
		if _, err := fetch(c); (err == nil) != works || err != nil && !strings.Contains(err.Message, "does not speak TLS 1.3 or later") {
			t.Errorf("tls_min %q: %+v", least, err)
		}
	}
}

// TestSend_ManyThroughProxy_ShareItSafely is for the race detector.
func TestSend_ManyThroughProxy_ShareItSafely(t *testing.T) {
	server, trust := secure(t, false, func(http.ResponseWriter, *http.Request) {})
	proxy := proxytest.New(t, nil)
	c := through(t, server.URL, "http://"+proxy.Address, "", trust, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if resp, err := fetch(c); err != nil || resp.Status != 200 {
				t.Errorf("%+v", err)
			}
		})
	}
	all.Wait()
}
