package conformance

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
)

func zipped(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// hijacked answers with bytes of its own making.
func hijacked(f func(conn net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		f(conn)
	}
}

// bomb is a gzip of so many MiB of spaces, of a thousandth of the size.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	block := bytes.Repeat([]byte{' '}, 1<<20)
	for range 64 {
		_, _ = z.Write(block)
	}
	_ = z.Close()
	return b.Bytes()
})

// serverAttacks are servers that mean harm. The module asks for the log, reads the body, and emits its records.
func serverAttacks() []Attack {
	var all []Attack
	limits := Limits{CallTimeout: 10 * time.Second, BodyBytes: 8 << 20, HeldBytes: 1 << 30, MemoryBytes: 32 << 20}
	serve := func(name, wall string, h http.HandlerFunc, check func(*result) error, more ...string) {
		all = append(all, Attack{Family: "servers", Name: name, Wall: wall, run: func(a *attempt) error {
			limits := limits
			if wall == "deadline" || wall == "pacing" { // these wait as long as they may
				limits.CallTimeout = time.Second
			}
			r, err := a.session(rigOptions{handler: h, limits: limits})
			if err != nil {
				return err
			}
			res, err := r.invoke("read", append([]string{send(logs)}, more...)...)
			if err != nil {
				return err
			}
			return check(res)
		}})
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	emit := step("records_emit", `{"key":"id","summarise":["id"]}`, "{handle}")
	code := func(codes ...abi.SendCode) func(*result) error {
		return func(r *result) error { return errors.Join(r.succeeded(), r.code(0, codes...)) }
	}
	calm := func(r *result) error { return r.ended(abi.Succeeded, abi.Failed, abi.Unavailable) }
	notEmitted := func(r *result) error { return errors.Join(r.succeeded(), r.contains(1, `"error"`)) }

	for what, to := range map[string]string{
		"a file": "file:///etc/passwd", "itself": "/api/v1/logs", "another path": "/api/v1/users/x", "loopback": "http://127.0.0.1:9/",
		"another host": "https://evil.example/api/v1/logs", "the cloud's metadata": "http://169.254.169.254/latest/meta-data/",
	} {
		serve("a redirect to "+what, "redirects", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}, func(r *result) error {
			return errors.Join(r.code(0, abi.SendRedirect), r.saw("GET /api/v1/logs"))
		})
	}
	for _, status := range []int{301, 303, 307, 308} {
		serve(fmt.Sprintf("a redirect by %d", status), "redirects", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/api/v1/users/x")
			w.WriteHeader(status)
		}, code(abi.SendRedirect))
	}
	serve("another protocol", "protocol", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}, code(abi.SendInterrupted, abi.SendConnect))
	serve("an answer that is no HTTP", "protocol", hijacked(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") }), code(abi.SendInterrupted, abi.SendConnect))
	serve("a hundred answers of 103", "protocol", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100)+"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	}), calm)
	serve("2 MiB of headers", "headers of answers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Big", strings.Repeat("x", 2<<20))
	}, code(abi.SendInterrupted, abi.SendConnect, abi.SendTooLarge))
	serve("1 MiB of Link headers", "headers of answers", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 10_000 {
			w.Header().Add("Link", fmt.Sprintf(`<https://x/api/v1/logs?after=%d>; rel="next"`, i))
		}
	}, calm)
	serve("a header with a line break in it", "headers of answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: a\rX: b\r\nContent-Length: 2\r\n\r\n{}")
	}), calm)
	serve("headers that the module may not see", "headers of answers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "sid=secret-cookie")
		w.Header().Set("X-Internal", "secret-internal")
	}, func(r *result) error {
		if strings.Contains(r.text(0), "secret-") {
			return errors.New("the module saw them")
		}
		return r.succeeded()
	})

	const large = "body limit"
	serve("a body over the limit", large, body(strings.Repeat(" ", 9<<20)), code(abi.SendTooLarge))
	serve("a body without an end", large, func(w http.ResponseWriter, r *http.Request) {
		block := bytes.Repeat([]byte{' '}, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}, code(abi.SendTooLarge))
	serve("a gzip bomb", large, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb())
	}, code(abi.SendTooLarge))
	serve("a gzip bomb in an error", large, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(bomb())
	}, code(abi.SendTooLarge))
	serve("a gzip in a gzip", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip, gzip")
		_, _ = w.Write(bomb())
	}, func(r *result) error { return r.contains(0, `"error"`) })
	serve("a body that says gzip and is not", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `{"id":"00u1"}`)
	}, func(r *result) error { return r.contains(0, `"error"`) })
	serve("a gzip that is cut off", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb()[:100])
	}, func(r *result) error { return r.contains(0, `"error"`) })
	serve("an encoding that nobody knows", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "zstd")
		_, _ = io.WriteString(w, `{}`)
	}, func(r *result) error { return r.contains(0, `"error"`) })
	serve("a Content-Length of exabytes", large, hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n{}")
	}), code(abi.SendTooLarge, abi.SendInterrupted))
	serve("a Content-Length that promises more", "whole answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")
	}), code(abi.SendInterrupted))
	serve("a Content-Length that promises less", "whole answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"id\":\"forged\"}")
	}), func(r *result) error { // a second answer must never be taken for that of the next request
		if err := r.succeeded(); err != nil {
			return err
		}
		if strings.Contains(string(r.raw), "forged") {
			return errors.New("a forged answer was read")
		}
		return nil
	}, send(get), step("body_read", "", "{handle}", 0, 100))
	serve("two Content-Lengths", "whole answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}")
	}), code(abi.SendInterrupted, abi.SendConnect))
	serve("chunks that are none", "whole answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}")
	}), code(abi.SendInterrupted, abi.SendConnect))
	serve("an answer that breaks off", "whole answers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"a\"")
	}), code(abi.SendInterrupted))
	slow := func(w http.ResponseWriter, r *http.Request, text string, every time.Duration) {
		for i := 0; r.Context().Err() == nil; i++ {
			_, _ = io.WriteString(w, text[i%len(text):i%len(text)+1])
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(every):
			}
		}
	}
	serve("a body that drips", "deadline", func(w http.ResponseWriter, r *http.Request) { slow(w, r, "[1,", 100*time.Millisecond) },
		func(r *result) error { return r.ended(abi.Unavailable, abi.Succeeded) })
	serve("headers that never come", "deadline", hijacked(func(c net.Conn) {
		for range 100 {
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}), func(r *result) error { return r.ended(abi.Unavailable, abi.Succeeded) })
	serve("silence", "deadline", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(r *result) error { return r.ended(abi.Unavailable, abi.Succeeded) })

	const whole = "whole JSON"
	serve("HTML for JSON", whole, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Sign in</body></html>")
	}, notEmitted, emit)
	for what, text := range map[string]string{
		"JSON that breaks off":        `[{"id":"1"},{"id":`,
		"JSON with something after":   `[{"id":"1"}] and more`,
		"JSON with a byte order mark": "\ufeff" + `[{"id":"1"}]`,
		"JSON with a NUL":             "[{\"id\":\"a\x00b\"}]",
		"JSON with raw controls":      "[{\"id\":\"a\nb\"}]",
		"numbers that are none":       `[{"id":01},{"id":+1},{"id":NaN}]`,
		"single quotes":               `[{'id':'1'}]`,
		"a trailing comma":            `[{"id":"1"},]`,
		"comments":                    `[/* */{"id":"1"}]`,
	} {
		serve(what, whole, body(text), notEmitted, emit)
	}
	for what, text := range map[string]string{
		"JSON 100,000 levels deep":       strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"objects 100,000 levels deep":    strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"text that is not UTF-8":         "[{\"id\":\"\xff\xfe\"}]",
		"half a surrogate":               `[{"id":"\ud800"}]`,
		"a key that stands twice":        `[{"id":"1","id":"2"}]`,
		"a number of 10,000 digits":      `[{"id":` + strings.Repeat("9", 10_000) + `}]`,
		"a number beyond all exponents":  `[{"id":1e999999999}]`,
		"a record of a number":           `[1,2,3]`,
		"a key of a megabyte":            `[{"` + strings.Repeat("k", 1<<20) + `":1,"id":"1"}]`,
		"a million empty records":        "[" + strings.Repeat("{},", 999_999) + "{}]",
		"a record with a million fields": `[{` + strings.Repeat(`"a":1,`, 1_000_000) + `"id":"1"}]`,
		"a key that is an object":        `[{"id":{"a":1}}]`,
		"JSON 8 million levels deep":     strings.Repeat("[", 8_000_000),
	} {
		serve(what, "strange JSON", body(text), func(r *result) error {
			return errors.Join(calm(r), wellFormed(r))
		}, emit)
	}
	keys := step("records_emit", `{"key":"id","keys":true}`, "{handle}")
	serve("keys of more records than may be told", "emit options", body("["+strings.Repeat(`{"id":"1"},`, 1000)+`{"id":"1"}]`), notEmitted, keys)
	list, one := step("records_emit", `{"key":"id","want":"array"}`, "{handle}"), step("records_emit", `{"key":"id","want":"object"}`, "{handle}")
	for what, text := range map[string]string{"an object": `{"id":"1"}`, "null": "null", "a list with a number in it": `[{"id":"1"},7]`} {
		serve(what+" for a list that is wanted", "emit options", body(text), notEmitted, list)
	}
	for what, text := range map[string]string{"a list": `[{"id":"1"}]`, "null": "null", "an object without the key": `{"errorCode":"E"}`} {
		serve(what+" for an object that is wanted", "emit options", body(text), notEmitted, one)
	}
	serve("keys of more bytes than may be told", "emit options", body(`[{"id":"`+strings.Repeat("k", 100<<10)+`"}]`), notEmitted, keys)
	serve("204 with a body", "protocol", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nContent-Length: 13\r\n\r\n{\"id\":\"00u1\"}")
	}), func(r *result) error { return errors.Join(r.succeeded(), r.contains(0, `"status":204`)) })
	serve("a status of 999", "protocol", hijacked(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n") }), calm)

	const pace = "pacing"
	for what, headers := range map[string][3]string{
		"negative":        {"-1", "-5", "-100"},
		"huge":            {"9223372036854775807", "0", "9223372036854775807"},
		"no numbers":      {"many", "some", "soon"},
		"empty":           {"", "", ""},
		"fractions":       {"1.5", "0.5", "1e300"},
		"of the past":     {"10", "0", "1"},
		"over themselves": {"1", "1000000", "0"},
	} {
		serve("rate limits that are "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			quota(w, headers[0], headers[1], headers[2])
			_, _ = io.WriteString(w, "[]")
		}, func(r *result) error { return r.ended(abi.Succeeded, abi.Throttled, abi.Unavailable) }, send(logs), send(logs))
	}
	for what, date := range map[string]string{"in 1970": "Thu, 01 Jan 1970 00:00:00 GMT", "in 9999": "Fri, 31 Dec 9999 23:59:59 GMT", "that is none": "yesterday"} {
		serve("a Date "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date)
			quota(w, "10", "5", fmt.Sprint(time.Now().Unix()+60))
			_, _ = io.WriteString(w, "[]")
		}, func(r *result) error { return r.ended(abi.Succeeded, abi.Throttled, abi.Unavailable) }, send(logs), send(logs))
	}
	for what, after := range map[string]string{"a century": "3153600000", "a negative time": "-5", "no number": "later"} {
		serve("429 for "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		}, func(r *result) error { return r.ended(abi.Succeeded, abi.Throttled, abi.Unavailable) })
	}
	few := func(r *result) error {
		if n := len(r.rig.requests()); n > 5 {
			return fmt.Errorf("one request was sent %d times", n)
		}
		return r.ended(abi.Succeeded, abi.Unavailable)
	}
	serve("503 for ever", "repeats", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, few)
	serve("connections that break for ever", "repeats", hijacked(func(net.Conn) {}), few)
	all = append(all, Attack{Family: "servers", Name: "a write whose answer never comes is not sent twice", Wall: "repeats", run: func(a *attempt) error {
		r, err := a.session(rigOptions{limits: limits, handler: hijacked(func(net.Conn) {})})
		if err != nil {
			return err
		}
		res, err := r.invoke("write", send(`{"endpoint":"POST /api/v1/users","body":{"a":1}}`))
		if err != nil {
			return err
		}
		return res.saw("POST /api/v1/users")
	}})
	return all
}

// wellFormed wants the result itself to be JSON, whatever the server wrote.
func wellFormed(r *result) error {
	if len(r.raw) == 0 || r.raw[0] != '{' {
		return errors.New("the result is not an object")
	}
	return nil
}

// networkAttacks are names, addresses and certificates that lead elsewhere.
func networkAttacks() []Attack {
	var all []Attack
	add := func(name, wall string, run func(*attempt) error) {
		all = append(all, Attack{Family: "network", Name: name, Wall: wall, run: run})
	}
	// Names resolve to addresses of private networks: nothing is dialled there.
	for what, address := range map[string]string{
		"the cloud's metadata": "169.254.169.254", "the metadata of IPv6": "fd00:ec2::254", "a private network": "10.0.0.1", "another private network": "192.168.1.1",
		"loopback": "127.0.0.1", "loopback of IPv6": "::1", "loopback in IPv6's clothes": "::ffff:127.0.0.1", "this host": "0.0.0.0", "a carrier's network": "100.64.0.1",
		"link-local of IPv6": "fe80::1", "multicast": "224.0.0.1", "a site of IPv6": "fec0::1", "an IPv4 address behind NAT64": "64:ff9b::a9fe:a9fe", "an IPv4 address behind 6to4": "2002:a9fe:a9fe::1",
	} {
		add("a name that leads to "+what, "private addresses", func(a *attempt) error {
			res, err := a.one(rigOptions{baseURL: "https://org.example", resolve: map[string][][]string{"org.example": {{address}}},
				limits: Limits{CallTimeout: 10 * time.Second}}, "read", send(get))
			if err != nil {
				return err
			}
			if err := res.code(0, abi.SendConnect); err != nil {
				return err
			}
			return res.names("allow_private_network")
		})
	}
	add("a name with an address that is public and one that is not", "private addresses", func(a *attempt) error {
		listener, hits, err := listen(a)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(listener)
		_, err = a.one(rigOptions{baseURL: "https://org.example:" + port, resolve: map[string][][]string{"org.example": {{"127.0.0.1", "8.8.8.8"}}},
			limits: Limits{CallTimeout: time.Second}}, "read", send(get))
		if err == nil && hits.Load() > 0 {
			return errors.New("the private one was dialled")
		}
		return err
	})
	add("a name whose second answer is private", "judged address", func(a *attempt) error {
		listener, hits, err := listen(a)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(listener)
		_, err = a.one(rigOptions{baseURL: "https://localhost.example:" + port,
			resolve: map[string][][]string{"localhost.example": {{"8.8.8.8"}, {"127.0.0.1"}}}, limits: Limits{CallTimeout: 2 * time.Second}}, "read", send(get), send(get))
		if err == nil && hits.Load() > 0 {
			return errors.New("it was dialled")
		}
		return err
	})
	for what, url := range map[string]string{
		"plain http to another host": "http://org.example.com", "a file": "file:///etc/passwd", "a user in the address": "https://user:secret@org.example.com",
		"a path": "https://org.example.com/evil", "a query": "https://org.example.com/?x=1", "a fragment": "https://org.example.com/#x",
		"no host": "https://", "a host with a line break": "https://exa\nmple.com", "a host with a zone": "https://[fe80::1%25eth0]", "another scheme": "gopher://org.example.com",
		"a host with a NUL": "https://org.example.com\x00.evil.example", "the admin console": "https://example-admin.example.com",
		"a port that is none": "https://org.example.com:99999", "port 0": "https://org.example.com:0", "a colon without a port": "https://org.example.com:",
	} {
		add("a base URL of "+what, "base URL", func(a *attempt) error {
			m, err := a.module(a.ctx)
			if err != nil {
				return err
			}
			s, err := m.Connect(a.ctx, Connection{BaseURL: url, Token: token, Grants: abi.Classes(), Log: io.Discard})
			if err != nil {
				return nil
			}
			_ = s.Close(a.ctx)
			return errors.New("the connection was made")
		})
	}
	newest := uint16(tls.VersionTLS13)
	certificate := func(name string, want bool, change func(*x509.Certificate), trusted bool) {
		newest := newest
		add(name, "certificates", func(a *attempt) error {
			cert, ca, err := issue(change)
			if err != nil {
				return err
			}
			var hits atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1); honest(w, r) }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: newest}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			a.later(server.Close)
			o := rigOptions{baseURL: server.URL, limits: Limits{CallTimeout: 5 * time.Second}}
			if trusted {
				o.rootCAs = ca
			}
			res, err := a.one(o, "read", send(get))
			if err != nil {
				return err
			}
			if want {
				return res.contains(0, `"status":200`)
			}
			if hits.Load() > 0 {
				return errors.New("the request was sent")
			}
			return res.code(0, abi.SendTLS)
		})
	}
	certificate("a sound certificate is taken", true, func(*x509.Certificate) {}, true)
	certificate("a certificate of an authority that nobody trusts", false, func(*x509.Certificate) {}, false)
	certificate("a certificate that has expired", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, true)
	certificate("a certificate of the future", false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, true)
	certificate("a certificate for another name", false, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"evil.example"} }, true)
	certificate("a certificate for another purpose", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }, true)
	newest = tls.VersionTLS11
	certificate("a server of TLS 1.1", false, func(*x509.Certificate) {}, true)
	return all
}

// listen counts the connections to an address of loopback.
func listen(a *attempt) (address string, hits *atomic.Int64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	hits = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	}()
	a.later(func() { _ = l.Close(); <-done })
	return l.Addr().String(), hits, nil
}

// issue makes an authority, and a certificate of it that is sound but for the change.
func issue(change func(*x509.Certificate)) (cert tls.Certificate, ca []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kit"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		return cert, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-24 * time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	change(leaf)
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, caKey)
	if err != nil {
		return cert, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), nil
}
