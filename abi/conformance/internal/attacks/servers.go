package attacks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

func zipped(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// hijacked responds with raw bytes.
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

// bomb is many MiB of spaces, compressed with gzip to a thousandth of that.
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

// serverAttacks are malicious servers. The module requests the log, reads the body and emits its records.
func serverAttacks() []kit.Attack {
	var all []kit.Attack
	limits := target.Limits{CallTimeout: 10 * time.Second, BodyBytes: 8 << 20, HeldBytes: 1 << 30, MemoryBytes: 32 << 20}
	serve := func(name, wall string, h http.HandlerFunc, check func(*kit.Result) error, more ...string) {
		all = append(all, kit.Attack{Family: "servers", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			limits := limits
			if wall == "deadline" || wall == "pacing" { // these wait until their limit
				limits.CallTimeout = time.Second
			}
			r, err := a.NewRig(kit.RigOptions{Handler: h, Limits: limits})
			if err != nil {
				return err
			}
			res, err := r.Run("read", append([]string{kit.Send(kit.Logs)}, more...)...)
			if err != nil {
				return err
			}
			return check(res)
		}})
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	emit := kit.Step("records_emit", `{"key":"id","summarise":["id"]}`, "{handle}")
	code := func(codes ...abi.SendCode) func(*kit.Result) error {
		return func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.GotCode(0, codes...)) }
	}
	calm := func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Failed, abi.Unavailable) }
	notEmitted := func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.Contains(1, `"error"`)) }

	for what, to := range map[string]string{
		"a file": "file:///etc/passwd", "itself": "/svc/v1/feed", "another path": "/svc/v1/items/x", "loopback": "http://127.0.0.1:9/",
		"another host": "https://evil.example/svc/v1/feed", "the cloud's metadata": "http://169.254.169.254/latest/meta-data/",
	} {
		serve("a redirect to "+what, "redirects", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}, func(r *kit.Result) error {
			return errors.Join(r.GotCode(0, abi.SendRedirect), r.Saw("GET /svc/v1/feed"))
		})
	}
	for _, status := range []int{301, 303, 307, 308} {
		serve(fmt.Sprintf("a redirect by %d", status), "redirects", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/svc/v1/items/x")
			w.WriteHeader(status)
		}, code(abi.SendRedirect))
	}
	serve("another protocol", "protocol", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}, code(abi.SendInterrupted, abi.SendConnect))
	serve("a response that is not HTTP", "protocol", hijacked(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") }), code(abi.SendInterrupted, abi.SendConnect))
	serve("a hundred responses of 103", "protocol", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100)+"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	}), calm)
	serve("2 MiB of headers", "response headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Big", strings.Repeat("x", 2<<20))
	}, code(abi.SendInterrupted, abi.SendConnect, abi.SendTooLarge))
	serve("1 MiB of Link headers", "response headers", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 10_000 {
			w.Header().Add("Link", fmt.Sprintf(`<https://x/svc/v1/feed?after=%d>; rel="next"`, i))
		}
	}, calm)
	serve("a header with a line break in it", "response headers", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: a\rX: b\r\nContent-Length: 2\r\n\r\n{}")
	}), calm)
	serve("hidden headers", "response headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "sid=secret-cookie")
		w.Header().Set("X-Internal", "secret-internal")
	}, func(r *kit.Result) error {
		if strings.Contains(r.Text(0), "secret-") {
			return errors.New("the module got them")
		}
		return r.Succeeded()
	})

	const large = "body limit"
	serve("a body over the limit", large, body(strings.Repeat(" ", 9<<20)), code(abi.SendTooLarge))
	serve("an endless body", large, func(w http.ResponseWriter, r *http.Request) {
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
	}, func(r *kit.Result) error { return r.Contains(0, `"error"`) })
	serve("a body that is not gzip as it says", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `{"id":"it01"}`)
	}, func(r *kit.Result) error { return r.Contains(0, `"error"`) })
	serve("a truncated gzip", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb()[:100])
	}, func(r *kit.Result) error { return r.Contains(0, `"error"`) })
	serve("an unknown encoding", "body encoding", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "zstd")
		_, _ = io.WriteString(w, `{}`)
	}, func(r *kit.Result) error { return r.Contains(0, `"error"`) })
	serve("a Content-Length of exabytes", large, hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n{}")
	}), code(abi.SendTooLarge, abi.SendInterrupted))
	serve("a Content-Length that is too large", "whole responses", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")
	}), code(abi.SendInterrupted))
	serve("a Content-Length that is too small", "whole responses", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"id\":\"forged\"}")
	}), func(r *kit.Result) error { // a second response must not be taken as that of the next request
		if err := r.Succeeded(); err != nil {
			return err
		}
		if strings.Contains(string(r.JSON), "forged") {
			return errors.New("a forged response was read")
		}
		return nil
	}, kit.Send(kit.Get), kit.Step("body_read", "", "{handle}", 0, 100))
	serve("two Content-Lengths", "whole responses", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}")
	}), code(abi.SendInterrupted, abi.SendConnect))
	serve("invalid chunks", "whole responses", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}")
	}), code(abi.SendInterrupted, abi.SendConnect))
	serve("a truncated response", "whole responses", hijacked(func(c net.Conn) {
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
		func(r *kit.Result) error { return r.Ended(abi.Unavailable, abi.Succeeded) })
	serve("headers that never come", "deadline", hijacked(func(c net.Conn) {
		for range 100 {
			if _, err := io.WriteString(c, "H"); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}), func(r *kit.Result) error { return r.Ended(abi.Unavailable, abi.Succeeded) })
	serve("silence", "deadline", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(r *kit.Result) error { return r.Ended(abi.Unavailable, abi.Succeeded) })

	const whole = "whole JSON"
	serve("HTML for JSON", whole, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Sign in</body></html>")
	}, notEmitted, emit)
	for what, text := range map[string]string{
		"truncated JSON":               `[{"id":"1"},{"id":`,
		"JSON with text after it":      `[{"id":"1"}] and more`,
		"JSON with a byte order mark":  "\ufeff" + `[{"id":"1"}]`,
		"JSON with a NUL":              "[{\"id\":\"a\x00b\"}]",
		"JSON with control characters": "[{\"id\":\"a\nb\"}]",
		"invalid numbers":              `[{"id":01},{"id":+1},{"id":NaN}]`,
		"single quotes":                `[{'id':'1'}]`,
		"a trailing comma":             `[{"id":"1"},]`,
		"comments":                     `[/* */{"id":"1"}]`,
	} {
		serve(what, whole, body(text), notEmitted, emit)
	}
	for what, text := range map[string]string{
		"JSON 100,000 levels deep":       strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"objects 100,000 levels deep":    strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"text that is not UTF-8":         "[{\"id\":\"\xff\xfe\"}]",
		"half a surrogate":               `[{"id":"\ud800"}]`,
		"a duplicate key":                `[{"id":"1","id":"2"}]`,
		"a number of 10,000 digits":      `[{"id":` + strings.Repeat("9", 10_000) + `}]`,
		"a number beyond all exponents":  `[{"id":1e999999999}]`,
		"a record of a number":           `[1,2,3]`,
		"a key of a megabyte":            `[{"` + strings.Repeat("k", 1<<20) + `":1,"id":"1"}]`,
		"a million empty records":        "[" + strings.Repeat("{},", 999_999) + "{}]",
		"a record with a million fields": `[{` + strings.Repeat(`"a":1,`, 1_000_000) + `"id":"1"}]`,
		"a key that is an object":        `[{"id":{"a":1}}]`,
		"JSON 8 million levels deep":     strings.Repeat("[", 8_000_000),
	} {
		serve(what, "strange JSON", body(text), func(r *kit.Result) error {
			return errors.Join(calm(r), wellFormed(r))
		}, emit)
	}
	keys := kit.Step("records_emit", `{"key":"id","keys":true}`, "{handle}")
	serve("keys of too many records", "emit options", body("["+strings.Repeat(`{"id":"1"},`, 1000)+`{"id":"1"}]`), notEmitted, keys)
	list, one := kit.Step("records_emit", `{"key":"id","want":"array"}`, "{handle}"), kit.Step("records_emit", `{"key":"id","want":"object"}`, "{handle}")
	for what, text := range map[string]string{"an object": `{"id":"1"}`, "null": "null", "a list with a number in it": `[{"id":"1"},7]`} {
		serve(what+" instead of a list", "emit options", body(text), notEmitted, list)
	}
	for what, text := range map[string]string{"a list": `[{"id":"1"}]`, "null": "null", "an object without the key": `{"code":"E"}`} {
		serve(what+" instead of an object", "emit options", body(text), notEmitted, one)
	}
	serve("keys of too many bytes", "emit options", body(`[{"id":"`+strings.Repeat("k", 100<<10)+`"}]`), notEmitted, keys)
	serve("204 with a body", "protocol", hijacked(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nContent-Length: 13\r\n\r\n{\"id\":\"it01\"}")
	}), func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.Contains(0, `"status":204`)) })
	serve("a status of 999", "protocol", hijacked(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n") }), calm)

	const pace = "pacing"
	for what, headers := range map[string][3]string{
		"negative":        {"-1", "-5", "-100"},
		"huge":            {"9223372036854775807", "0", "9223372036854775807"},
		"no numbers":      {"many", "some", "soon"},
		"empty":           {"", "", ""},
		"fractions":       {"1.5", "0.5", "1e300"},
		"of the past":     {"10", "0", "1"},
		"above the limit": {"1", "1000000", "0"},
	} {
		serve("rate limits that are "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			kit.Quota(w, headers[0], headers[1], headers[2])
			_, _ = io.WriteString(w, "[]")
		}, func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Throttled, abi.Unavailable) }, kit.Send(kit.Logs), kit.Send(kit.Logs))
	}
	for what, date := range map[string]string{"in 1970": "Thu, 01 Jan 1970 00:00:00 GMT", "in 9999": "Fri, 31 Dec 9999 23:59:59 GMT", "of an invalid form": "yesterday"} {
		serve("a Date "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date)
			kit.Quota(w, "10", "5", fmt.Sprint(time.Now().Unix()+60))
			_, _ = io.WriteString(w, "[]")
		}, func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Throttled, abi.Unavailable) }, kit.Send(kit.Logs), kit.Send(kit.Logs))
	}
	for what, after := range map[string]string{"a century": "3153600000", "a negative time": "-5", "no number": "later"} {
		serve("429 for "+what, pace, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		}, func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Throttled, abi.Unavailable) })
	}
	few := func(r *kit.Result) error {
		if n := len(r.Rig.Requests()); n > 5 {
			return fmt.Errorf("one request was sent %d times", n)
		}
		return r.Ended(abi.Succeeded, abi.Unavailable)
	}
	serve("endless 503", "repeats", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, few)
	serve("connections that always break", "repeats", hijacked(func(net.Conn) {}), few)
	all = append(all, kit.Attack{Family: "servers", Name: "a write without a response", Wall: "repeats", Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: limits, Handler: hijacked(func(net.Conn) {})})
		if err != nil {
			return err
		}
		res, err := r.Run("write", kit.Send(`{"endpoint":"POST /svc/v1/items","body":{"a":1}}`))
		if err != nil {
			return err
		}
		return res.Saw("POST /svc/v1/items")
	}})
	return all
}

// wellFormed returns an error unless the result is JSON, whatever the server sent.
func wellFormed(r *kit.Result) error {
	if len(r.JSON) == 0 || r.JSON[0] != '{' {
		return errors.New("the result is not an object")
	}
	return nil
}
