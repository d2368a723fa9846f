package network

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/secrets"
)

func TestRoute_WrongSetting_SaysWhatToWrite(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	https, http := "https://example.com", "http://127.0.0.1:8080"
	for _, c := range []struct {
		s    Settings
		base string
		want string
	}{
		{Settings{Proxy: "proxy.example.com:3128"}, https, "proxy: want an address such as http://proxy.example.com:3128"},
		{Settings{Proxy: "ftp://proxy.example.com"}, https, "proxy: want an address such as"},
		{Settings{Proxy: "http://"}, https, "proxy: want an address such as"},
		{Settings{Proxy: "http://ada:s3cret@proxy.example.com"}, https, "give proxy_credentials_ref env:NAME"},
		{Settings{Proxy: "http://proxy.example.com/path"}, https, "write only http://HOST:PORT"},
		{Settings{Secret: "env:X"}, https, "proxy_credentials_ref: there is no proxy"},
		{Settings{Proxy: "http://proxy.example.com"}, http, "use https"},
		{Settings{Proxy: "http://127.0.0.1:3128"}, http, ""},
		{Settings{TLSMin: "1.1"}, https, `tls_min: found "1.1": write "1.2" or "1.3"`},
		{Settings{CAFile: filepath.Join(folder, "missing.pem")}, https, "missing.pem: no such file"},
		{Settings{CAFile: folder}, https, "is not a regular file"},
		{Settings{CAFile: empty}, https, "has no certificate"},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.s.Route(base, nil)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v, want %q", c.s, err, c.want)
		}
	}
}

func TestRoute_ProxyOfEnvironment_FollowsItsVariables(t *testing.T) {
	for _, c := range []struct{ base, env, want string }{
		{"https://example.com", "", "direct"},
		{"https://example.com", "HTTPS_PROXY=http://p:1", "http://p:1"},
		{"https://example.com", "https_proxy=p:1", "http://p:1"},
		{"https://example.com", "HTTP_PROXY=http://p:1", "direct"},
		{"https://example.com", "ALL_PROXY=socks5://p", "socks5://p:1080"},
		{"https://example.com", "all_proxy=socks5h://P:9", "socks5://p:9"},
		{"https://example.com", "HTTPS_PROXY=http://p:1 NO_PROXY=.example.com", "http://p:1"},
		{"https://example.com", "HTTPS_PROXY=http://p:1 NO_PROXY=example.com", "direct"},
		{"https://a.example.com", "HTTPS_PROXY=http://p:1 no_proxy=.example.com", "direct"},
		{"https://example.com", "HTTPS_PROXY=http://p:1 NO_PROXY=*", "direct"},
		{"https://10.1.2.3", "HTTPS_PROXY=http://p:1 NO_PROXY=10.0.0.0/8", "direct"},
		{"http://127.0.0.1:8080", "HTTP_PROXY=http://p:1", "direct"},
		{"https://example.com", "HTTPS_PROXY=http://ada:s3cret@p", "http://p:80"},
		{"https://example.com", "HTTPS_PROXY=ftp://ada:s3cret@p", "proxy: want"},
		{"https://example.com", "HTTPS_PROXY=http://ada:s3cret@[", "proxy: the address"},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		s := Settings{Proxy: Environment, LookupEnv: func(name string) (string, bool) {
			for _, v := range strings.Fields(c.env) {
				if n, value, _ := strings.Cut(v, "="); n == name {
					return value, true
				}
			}
			return "", false
		}}
		r, err := s.Route(base, nil)
		got := "direct"
		switch {
		case err != nil:
			got = err.Error()
		case r.Proxy != nil:
			got = r.Proxy.String()
			if v, err := r.Proxy.secret.get(t.Context()); err != nil || (v.Reveal() == "ada:s3cret") != strings.Contains(c.env, "ada") {
				t.Errorf("%s: credentials %q, %v", c.env, v.Reveal(), err)
			}
		}
		if !strings.HasPrefix(got, c.want) && !strings.Contains(got, c.want) || strings.Contains(got, "s3cret") {
			t.Errorf("%s with %s: %s, want %s", c.base, c.env, got, c.want)
		}
	}
}

func TestCredentials_WithoutColon_AreRefused(t *testing.T) {
	s := Settings{Proxy: "http://p:1", Secret: "env:X", Resolver: secrets.Default{LookupEnv: func(string) (string, bool) { return "s3cret", true }}}
	if _, err := s.credentials(t.Context()); err == nil || !strings.Contains(err.Error(), "write user:password") || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

// FuzzParseProxy checks that no address smuggles anything into the request to the proxy.
func FuzzParseProxy(f *testing.F) {
	for _, s := range []string{"http://p:1", "socks5://[::1]:9", "https://ada:s@p", "environment", "http://p\r\nX: y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, _, err := parseProxy(s, true, "x")
		if err == nil && (u.Port() == "" || u.User != nil || strings.ContainsAny(u.Host, "\r\n ")) {
			t.Errorf("%q became %s", s, u)
		}
	})
}

// FuzzReadHead checks that the head of a proxy's answer is read to its end, and not further.
func FuzzReadHead(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 407 x\nA: b\n\n", "HTTP/", "HTTP/1.1 200 OK\r\nA: b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mine, theirs := net.Pipe()
		done := make(chan int)
		go func() {
			n, _ := theirs.Write([]byte(s))
			_ = theirs.Close()
			done <- n
		}()
		_, err := readHead(mine)
		_ = mine.Close()
		if n := <-done; n > maxAnswer+1 || err == nil && !strings.HasSuffix(s[:n], "\n") {
			t.Errorf("%d bytes were read of %q: %v", n, s, err)
		}
	})
}
