package egress

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// clock does not wait, and counts the time that was slept.
type clock struct {
	now   atomic.Int64
	slept atomic.Int64
}

func (c *clock) Now() time.Time { return time.Unix(1_800_000_000, c.now.Load()) }

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.now.Add(int64(d))
	c.slept.Add(int64(d))
	return ctx.Err()
}

var rateHeaders = abi.RateLimitHeaders{Limit: "X-Rate-Limit-Limit", Remaining: "X-Rate-Limit-Remaining", Reset: "X-Rate-Limit-Reset"}

// service returns the service of these tests.
func service() Service {
	return Service{Headers: rateHeaders, Habits: &abi.RateLimitHabits{ZeroLimit: abi.ZeroConcurrency}, RequestIDHeader: "X-Okta-Request-Id",
		ResponseHeaders: []string{"x-okta-request-id"}, ContentTypeParameters: []string{"okta-response"}}
}

func client(t *testing.T, base string, change func(*Config)) (*Client, *clock) {
	t.Helper()
	u, err := ParseBaseURL(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	clk := &clock{}
	cfg := Config{BaseURL: u, Service: service(), Clock: clk}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, clk
}

// endpoint returns an endpoint that declares the query parameters of these tests.
func endpoint(s string) abi.Endpoint {
	return abi.Endpoint{Endpoint: s, Bucket: "b", Query: []string{"a", "after", "b", "flag", "id", "limit", "q", "r"}}
}

func get(c *Client) (*Response, *abi.SendError) {
	return c.Send(context.Background(), Call{Endpoint: endpoint("GET /x"), Authorization: "SSWS secret"})
}

func post(c *Client) (*Response, *abi.SendError) {
	return c.Send(context.Background(), Call{Endpoint: endpoint("POST /x"), Request: abi.Request{Body: []byte(`{}`)}, Authorization: "SSWS secret"})
}

// oktaAddresses is what a manifest says of a service's addresses.
var oktaAddresses = &abi.BaseURL{Example: "https://example.okta.com", Consoles: []abi.Console{{Suffix: "-admin.okta.com", Use: ".okta.com"},
	{Suffix: "-admin.oktapreview.com", Use: ".oktapreview.com"}, {Suffix: "-admin.okta-emea.com", Use: ".okta-emea.com"}}}

func TestParseBaseURL_OfURLs_NormalisesOrExplains(t *testing.T) {
	for in, want := range map[string]string{
		"https://Example.okta.com":              "https://example.okta.com",
		"https://example.okta.com/":             "https://example.okta.com",
		"https://id.example.com:8443":           "https://id.example.com:8443",
		"http://127.0.0.1:8080":                 "http://127.0.0.1:8080",
		"http://localhost:1":                    "http://localhost:1",
		"":                                      "!origin",
		"example.okta.com":                      "!origin",
		"http://example.okta.com":               "!https",
		"ftp://example.okta.com":                "!https",
		"https://user:pw@example.okta.com":      "!token_secret_ref",
		"https://example.okta.com/api/v1/logs":  "!drop the path /api/v1/logs",
		"http://127.0.0.1:32907/api/v1":         "!drop the path /api/v1: base_url is the origin only, http://127.0.0.1:32907",
		"http://example.com:8443/api":           "!drop the path /api: base_url is the origin only, https://example.com:8443",
		"https://[::1]:8443?a":                  "!base_url is the origin only, https://[::1]:8443",
		"https://example.okta.com?x=1":          "!query",
		"https://example.okta.com#x":            "!fragment",
		"https://example-admin.okta.com":        "!https://example.okta.com",
		"https://example-admin.oktapreview.com": "!https://example.oktapreview.com",
		"https://":                              "!origin",
		"https://example.okta.com:65535":        "https://example.okta.com:65535",
		"https://example.okta.com:65536":        "!not a port",
		"https://example.okta.com:99999":        "!not a port",
		"https://example.okta.com:0":            "!not a port",
	} {
		u, err := ParseBaseURL(in, oktaAddresses)
		if reason, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%q: %v, want an error with %q", in, err, reason)
			}
		} else if err != nil || u.String() != want {
			t.Errorf("%q: %v %v, want %s", in, u, err, want)
		}
	}
}

// FuzzBlank fills a blank with any value. An accepted value must arrive as one segment, and nothing else may change.
func FuzzBlank(f *testing.F) {
	for _, s := range []string{"ada@example.com", "a/b", "..", "%2e%2e", "%252e%252e%252f", "x?y#z", "a;b=c", "é😀", "a b+c", `a\b`, "\x00"} {
		f.Add(s)
	}
	t1 := parseTemplate("/api/v1/users/{id}/roles")
	f.Fuzz(func(t *testing.T, value string) {
		path, err := t1.fill(map[string]string{"id": value}, &abi.Endpoint{Delimiters: []string{"id"}})
		if strict, refused := t1.fill(map[string]string{"id": value}, &abi.Endpoint{}); refused == nil && (err != nil || strict != path || strings.ContainsAny(value, "/?#;\\")) {
			t.Fatalf("%q is %q, and %q %v with delimiters", value, strict, path, err)
		}
		if err != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		parts := strings.Split(req.URL.EscapedPath(), "/")
		if len(parts) != 6 || parts[1] != "api" || parts[2] != "v1" || parts[3] != "users" || parts[5] != "roles" || req.URL.RawQuery != "" {
			t.Fatalf("%q arrives as %q", value, parts)
		}
		if got, err := url.PathUnescape(parts[4]); err != nil || got != value || got == "." || got == ".." {
			t.Fatalf("%q arrives as %q", value, got)
		}
	})
}

// FuzzLink follows any link. An accepted link must stay within its endpoint.
func FuzzLink(f *testing.F) {
	for _, s := range []string{"https://x-admin.okta.com/api/v1/users?after=1&limit=2", "/api/v1/users", "//evil/api/v1/users", "/api/v1/users/..", "https://u:p@x/api/v1/users", "/api/v1/users?a=%00", "/api/v1/users#f", "?x", "/api/v1/user%73"} {
		f.Add(s)
	}
	t1 := parseTemplate("/api/v1/users")
	f.Fuzz(func(t *testing.T, s string) {
		path, pairs, err := t1.link(s, &abi.Endpoint{})
		if err != nil {
			return
		}
		raw, err := query(pairs)
		if err != nil {
			return
		}
		if path != "/api/v1/users" {
			t.Fatalf("%q leads to %q", s, path)
		}
		if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + "?" + raw + " HTTP/1.1\r\nHost: x\r\n\r\n"))); err != nil {
			t.Fatalf("%q gives a query that a server cannot read: %q", s, raw)
		}
	})
}

func TestSend_AfterAFailure_RepeatsOnlyReads(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		reset    bool
		read     int // requests that the server sees
		write    int
		wantCode abi.SendCode
	}{
		{"503", 503, false, 4, 1, ""},
		{"502", 502, false, 4, 1, ""},
		{"500", 500, false, 1, 1, ""},
		{"404", 404, false, 1, 1, ""},
		{"reset", 0, true, 4, 1, abi.SendInterrupted},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(c.name+" "+method, func(t *testing.T) {
				var seen atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
					seen.Add(1)
					if c.reset {
						panic(http.ErrAbortHandler)
					}
					w.WriteHeader(c.status)
				}))
				defer server.Close()
				cl, _ := client(t, server.URL, nil)
				send, want := get, c.read
				if method == "POST" {
					send, want = post, c.write
				}
				resp, err := send(cl)
				if got := int(seen.Load()); got != want {
					t.Errorf("the server saw %d requests, want %d", got, want)
				}
				if c.wantCode != "" {
					if err == nil || err.Code != c.wantCode || !err.Sent {
						t.Errorf("%+v", err)
					}
				} else if err != nil || resp.Status != c.status {
					t.Errorf("%+v %+v", resp, err)
				}
			})
		}
	}
}

// The server closes an idle connection after it has read the next request. That is when http.Transport repeats
// requests that it considers safe.
func TestSend_WriteOnADeadConnection_IsNotRepeated(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		t.Run(method, func(t *testing.T) {
			var writes atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "GET" {
					return
				}
				_, _ = io.ReadAll(r.Body)
				writes.Add(1)
				conn, _, _ := w.(http.Hijacker).Hijack()
				_ = conn.Close()
			}))
			defer server.Close()
			cl, _ := client(t, server.URL, nil)
			if _, err := get(cl); err != nil { // leaves an idle connection
				t.Fatal(err)
			}
			call := Call{Endpoint: endpoint(method + " /x")}
			if method != "DELETE" {
				call.Request.Body = []byte(`{}`)
			}
			_, err := cl.Send(context.Background(), call)
			if err == nil || !err.Sent || err.Code != abi.SendInterrupted || writes.Load() != 1 {
				t.Errorf("%+v, %d writes", err, writes.Load())
			}
		})
	}
}

func TestSend_WriteThatWasNotSent_IsRepeated(t *testing.T) {
	var dials atomic.Int32
	cl, clk := client(t, "http://127.0.0.1:1", func(c *Config) {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, fmt.Errorf("dial: %w", io.ErrClosedPipe)
		}
	})
	_, err := post(cl)
	if err == nil || err.Sent || err.Code != abi.SendConnect || dials.Load() != 4 || clk.slept.Load() == 0 {
		t.Errorf("%+v after %d dials and %d ns", err, dials.Load(), clk.slept.Load())
	}
}

func rateLimited(w http.ResponseWriter, limit, remaining, resetIn int) {
	now := time.Unix(1_700_000_000, 0).UTC() // far from the client's clock, which must not matter
	w.Header().Set("Date", now.Format(http.TimeFormat))
	w.Header().Set("X-Rate-Limit-Limit", fmt.Sprint(limit))
	w.Header().Set("X-Rate-Limit-Remaining", fmt.Sprint(remaining))
	w.Header().Set("X-Rate-Limit-Reset", fmt.Sprint(now.Unix()+int64(resetIn)))
}

func TestSend_429_WaitsAndRepeats(t *testing.T) {
	for _, c := range []struct {
		name     string
		limit    int
		min, max time.Duration
	}{
		{"a used-up bucket until its reset", 100, 30 * time.Second, 32 * time.Second},
		{"too many at once, briefly", 0, 500 * time.Millisecond, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					rateLimited(w, c.limit, 0, 30)
					w.WriteHeader(429)
				}
			}))
			defer server.Close()
			cl, clk := client(t, server.URL, nil)
			resp, err := post(cl)
			if err != nil || resp.Status != 200 || n.Load() != 2 {
				t.Fatalf("%+v %+v, %d requests", resp, err, n.Load())
			}
			if slept := time.Duration(clk.slept.Load()); slept < c.min || slept > c.max {
				t.Errorf("slept %s, want %s to %s", slept, c.min, c.max)
			}
		})
	}
}

func TestSend_BucketResetPastTheDeadline_IsThrottledAtOnce(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		rateLimited(w, 100, 0, 50)
	}))
	defer server.Close()
	cl, clk := client(t, server.URL, nil)
	if _, err := get(cl); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(20*time.Second))
	defer cancel()
	_, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x"), Request: abi.Request{Body: []byte(`{}`)}})
	if err == nil || err.Code != abi.SendRateLimited || err.Sent || err.RetryAfterMS < 50_000 || n.Load() != 1 || clk.slept.Load() != 0 {
		t.Errorf("%+v after %d requests", err, n.Load())
	}
}

func TestSend_OfBodies_DecodesWithinTheLimit(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
		code    abi.SendCode
	}{
		{"plain", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") }, "hello", ""},
		{"chunked", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "lo")
		}, "hello", ""},
		{"gzip", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("the request does not accept gzip")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, big)
			_ = z.Close()
		}, big, ""},
		{"gzip in other letters", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("the request does not accept gzip")
			}
			w.Header().Set("Content-Encoding", " GZip ")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, big)
			_ = z.Close()
		}, big, ""},
		{"a gzip bomb", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 20 {
				_, _ = io.WriteString(z, big)
			}
			_ = z.Close()
		}, "", abi.SendTooLarge},
		{"a length over the limit", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "100000000") }, "", abi.SendTooLarge},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				if _, err := io.WriteString(w, big); err != nil {
					return
				}
			}
		}, "", abi.SendTooLarge},
		{"shorter than it said", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "hello")
		}, "", abi.SendInterrupted},
		{"gzip cut off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 2})
		}, "", abi.SendInterrupted},
		{"an encoding that was not requested", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, "x")
		}, "", abi.SendInterrupted},
		{"none", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			cl, _ := client(t, server.URL, func(c *Config) { c.MaxBody, c.MaxAttempts = 1<<20, 1 })
			resp, err := get(cl)
			if c.code != "" {
				if err == nil || err.Code != c.code || !err.Sent {
					t.Errorf("%+v, want %s", err, c.code)
				}
				return
			}
			if err != nil || string(resp.Body.Bytes()) != c.want {
				t.Fatalf("%+v", err)
			}
			resp.Body.Release()
			if resp.Body.Release(); resp.Body.Bytes() != nil {
				t.Error("the body can be read after it was released")
			}
		})
	}
}

func TestSend_WriteWithoutBody_SendsContentLengthZero(t *testing.T) {
	for _, version := range []int{1, 2} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != 0 || len(r.TransferEncoding) > 0 || r.Header.Get("Content-Length") != "0" || r.ProtoMajor != version {
				w.WriteHeader(411)
			}
		}))
		server.EnableHTTP2 = version == 2
		server.StartTLS()
		defer server.Close()
		trust := x509.NewCertPool()
		trust.AddCert(server.Certificate())
		for _, method := range []string{"POST", "PUT"} {
			cl, _ := client(t, server.URL, func(c *Config) { c.Route.RootCAs = trust })
			if resp, err := cl.Send(context.Background(), Call{Endpoint: endpoint(method + " /x")}); err != nil || resp.Status != 200 {
				t.Errorf("%s over HTTP/%d: %+v %+v", method, version, resp, err)
			}
		}
	}
}

func TestSend_OverUntrustedTLS_Fails(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	for _, c := range []struct {
		name, base, want string
		pool             *x509.CertPool
	}{
		{"trusted", server.URL, "", trust},
		{"signed by an unknown authority", server.URL, "is not trusted here", nil},
		{"for another name", strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "for another name", trust},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, _ := client(t, c.base, func(cfg *Config) { cfg.Route.RootCAs = c.pool })
			resp, err := post(cl)
			if c.want == "" {
				if err != nil || resp.Status != 200 {
					t.Errorf("%+v", err)
				}
				return
			}
			if err == nil || err.Code != abi.SendTLS || err.Sent || !strings.Contains(err.Message, c.want) {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestDialer_OfPrivateAddresses_RefusesUnlessAllowed(t *testing.T) {
	for address, public := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true,
		"127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false,
		"::1": false, "fe80::1": false, "fc00::1": false, "::ffff:127.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false,
	} {
		for _, allow := range []bool{false, true} {
			dialled := ""
			cl, _ := client(t, "https://example.okta.com", func(c *Config) {
				c.AllowPrivateNetwork, c.MaxAttempts = allow, 1
				c.Lookup = func(context.Context, string) ([]net.IPAddr, error) {
					return []net.IPAddr{{IP: net.ParseIP(address)}}, nil
				}
				c.Dial = func(_ context.Context, _, to string) (net.Conn, error) {
					dialled = to
					return nil, io.ErrClosedPipe
				}
			})
			_, err := get(cl)
			if (dialled != "") != (public || allow) {
				t.Errorf("%s (allow_private_network %v): dialled %q, %v", address, allow, dialled, err)
			}
			if !public && !allow && !strings.Contains(err.Message, "allow_private_network") {
				t.Errorf("%s: %+v does not say what to do", address, err)
			}
		}
	}
}

func TestNew_WithAProxyInTheEnvironment_IgnoresIt(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	cl, _ := client(t, "https://example.okta.com", nil)
	if cl.transport.Current().Proxy != nil {
		t.Error("a proxy is used")
	}
}

func TestSend_Failing_RepeatsNothingOfTheRequest(t *testing.T) {
	cl, _ := client(t, "http://127.0.0.1:1", func(c *Config) { c.MaxAttempts = 1 })
	_, err := cl.Send(context.Background(), Call{Endpoint: abi.Endpoint{Endpoint: "POST /x/{id}", Bucket: "b", Query: []string{"q"}}, Authorization: "SSWS secret-token",
		Request: abi.Request{Path: map[string]string{"id": "secret-id"}, Query: [][2]string{{"q", "secret-query"}}, Body: []byte(`"secret-body"`)}})
	if err == nil || strings.Contains(err.Message, "secret") || !strings.Contains(err.Message, "refuses connections") {
		t.Errorf("%+v", err)
	}
}
