package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// importAttacks call every import with arguments that make no sense.
func importAttacks() []Attack {
	var all []Attack
	// call has a module take steps; whatever comes of them, the result says it, nothing leaves, and the session serves on.
	call := func(name, wall string, check func(*result) error, steps ...string) {
		all = append(all, Attack{Family: "imports", Name: name, Wall: wall, run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invoke("read", steps...)
			if err != nil {
				return err
			}
			if err := check(res); err != nil {
				return err
			}
			return r.serves()
		}})
	}
	const outside = "message bounds"
	trapped := func(r *result) error { return errors.Join(r.ended(abi.Failed), r.saw()) }
	told := func(want string) func(*result) error {
		return func(r *result) error { return errors.Join(r.succeeded(), r.contains(0, want), r.saw()) }
	}
	is := func(i int, want uint64) func(*result) error {
		return func(r *result) error {
			if err := r.succeeded(); err != nil {
				return err
			}
			if got := r.value(i); got != want {
				return fmt.Errorf("step %d answered %d, want %d", i, got, want)
			}
			return nil
		}
	}
	const far = "0xffffffffffffffff"
	call("http_send of no message", outside, told(`"malformed"`), step("http_send", "", 0))
	call("http_send of an offset that is none", outside, told(`"malformed"`), step("http_send", "", 0x10000))
	call("http_send of an offset beyond all memory", outside, told(`"malformed"`), step("http_send", "", far))
	call("http_send of an offset over 32 bits", outside, told(`"malformed"`), step("http_send", "", "0x100000040"))
	call("http_send of the middle of a message", outside, told(`"malformed"`), step("http_send", get, 72))
	call("http_send of its own answer", outside, func(r *result) error { return errors.Join(r.succeeded(), r.contains(1, `"malformed"`)) },
		step("http_send", "", 0), step("http_send", "", "{last}"))
	call("http_send of a freed message", outside, func(r *result) error { return errors.Join(r.succeeded(), r.contains(2, `"malformed"`)) },
		step("message of", "", 64), step("free", "", "{last}"), step("http_send", "", "{last}"))
	call("a message of 2 MiB", "message size", told(`"malformed"`), growing("http_send", logs+"{{grow}}", " ", 2<<20))
	call("records_emit of a body that is not there", "handles", told("no body"), step("records_emit", "{}", 7))
	call("records_emit of body 0", "handles", told("no body"), step("records_emit", "{}", 0))
	call("records_emit of a handle near 2^64", "handles", told("no body"), step("records_emit", "{}", far))
	call("records_emit of a handle over 32 bits", "handles", func(r *result) error {
		return errors.Join(r.succeeded(), r.contains(1, "no body"))
	}, send(get), step("records_emit", "{}", "0x100000001"))
	call("body_read of a handle over 32 bits", "handles", is(1, 0), send(get), step("body_read", "", "0x100000001", 0, 100))
	call("body_read of a body that is not there", "handles", is(0, 0), step("body_read", "", 7, 0, 100))
	call("body_read of a handle near 2^64", "handles", is(0, 0), step("body_read", "", far, 0, 100))
	call("body_read from behind the body", "body bounds", is(1, 0), send(get), step("body_read", "", "{handle}", 1<<20, 100))
	call("body_read from near 2^64", "body bounds", is(1, 0), send(get), step("body_read", "", "{handle}", far, 100))
	call("body_read beyond the body", "body bounds", func(r *result) error {
		if got := strings.TrimRight(r.text(1), " "); got != `{"id":"00u1"}` {
			return fmt.Errorf("a body of 13 bytes was read as %q", got)
		}
		return nil
	}, send(get), step("body_read", "", "{handle}", 0, far))
	call("body_read whose end wraps around", "body bounds", func(r *result) error {
		if got := strings.TrimRight(r.text(1), " "); got != `"00u1"}` {
			return fmt.Errorf("bytes 6 to 13 were read as %q", got)
		}
		return nil
	}, send(get), step("body_read", "", "{handle}", 6, "0xfffffffffffffffe"))
	call("records_emit with options that are none", "emit options", told("options"), step("records_emit", `{"path":1}`, 1))
	call("records_emit with an unknown option", "emit options", told("options"), step("records_emit", `{"file":"/etc/passwd"}`, 1))
	call("records_emit along a path of another language", "emit options", told("path"), step("records_emit", `{"path":"#(id==1)|@tostr"}`, 1))
	call("records_emit with a thousand paths", "emit options", told("paths"),
		step("records_emit", `{"summarise":["a"`+strings.Repeat(`,"a"`, 1000)+`]}`, 1))
	call("records_emit of the same records twice", "emit once", func(r *result) error {
		return errors.Join(r.succeeded(), r.contains(2, "already"))
	}, send(get), step("records_emit", "{}", "{handle}"), step("records_emit", "{}", "{handle}"))
	call("records_emit with numbers that are negative", "emit options", func(r *result) error { return r.succeeded() },
		send(get), step("records_emit", `{"skip":-5,"limit":-5}`, "{handle}"))
	for what, text := range map[string]string{
		"a list": "[1]", "a number": "7", "text that is no JSON": "{", "two objects": "{}{}", "nothing": " ", "a list of two objects": "[{},{}]",
	} {
		call("record_emit of "+what, "record shape", is(0, 0), step("record_emit", text))
	}
	call("record_emit of an offset that is none", outside, is(0, 0), step("record_emit", "", far))
	call("secret_get of another name", "secrets by name", told("error"), step("secret_get", "env:API_TOKEN"))
	call("secret_get of a path", "secrets by name", told("error"), step("secret_get", "file:/etc/passwd"))
	call("secret_get of nothing", "secrets by name", told("error"), step("secret_get", "", 0))
	all = append(all, Attack{Family: "imports", Name: "wait for longer than there is", Wall: "waiting", run: func(a *attempt) error {
		res, err := a.one(rigOptions{limits: Limits{CallTimeout: 2 * time.Second}}, "read", step("wait", "", far))
		if err != nil {
			return err
		}
		return is(0, 0)(res)
	}})
	call("alloc of 2^63 bytes", "memory of messages", is(0, 0), step("alloc", "", "0x8000000000000000"))
	call("alloc of 4 GiB less one", "memory of messages", is(0, 0), step("alloc", "", "0xffffffff"))
	call("messages beyond the limit", "memory of messages", is(0, 0), times(64, step("alloc", "", 1<<20)))
	call("length of the middle of a message", outside, is(0, 0), step("length of the middle", "a message of some words"))
	call("length of a freed message", outside, is(0, 0), step("length of what was freed", "a message"))
	call("length of what is none", outside, is(0, 0), step("length", "", far))
	call("length_unsafe of what is none", outside, is(0, 0), step("length_unsafe", "", "0xfffffff8"))
	call("free of what is none", outside, is(0, 0), step("free", "", far))
	call("free of the input", outside, func(r *result) error { return r.ended(abi.Succeeded, abi.Failed) },
		step("free", "", 64), step("message of", "", 4096))
	call("a message that is freed twice and given out twice", outside, func(r *result) error {
		if r.value(2) == r.value(3) {
			return errors.New("one message was given out twice")
		}
		return r.succeeded()
	}, step("message of", "", 64), step("free twice", "", "{last}"), step("alloc", "", 64), step("alloc", "", 64))
	for _, f := range []string{"load_u8", "load_u64", "store_u8", "store_u64"} {
		call(f+" beyond all memory", outside, trapped, step(f, "", "0xfffffff0", 1))
		call(f+" at 0, where books may lie", outside, func(r *result) error { return r.ended(abi.Failed, abi.Succeeded) }, step(f, "", 0, "0xffffffff"))
	}
	call("input_load_u64 beyond all memory", outside, trapped, step("input_load_u64", "", "0xfffffff0"))
	call("input_load_u8 behind the input", outside, func(r *result) error { return r.ended(abi.Failed, abi.Succeeded) }, step("input_load_u8", "", "0x7fffffff"))
	call("fd_write of standard output", "no output", is(0, 0), step("fd_write", "printed", 1))
	call("fd_write of a file that nobody opened", "no files", is(0, 8), step("fd_write", "printed", 7))
	call("fd_write of 10,000 buffers at once", "no output", func(r *result) error { return r.ended(abi.Succeeded, abi.Failed) }, step("fd_write vectors", strings.Repeat("x", 4096), 2, 10_000))
	call("fd_write of buffers outside of memory", "no output", func(r *result) error { return r.ended(abi.Succeeded, abi.Failed) }, step("fd_write nowhere", "", "0xfffffff0", 8))
	call("fd_close of a file that nobody opened", "no files", is(0, 8), step("fd_close", "", 7))
	call("fd_read of a file that nobody opened", "no files", is(0, 8), step("fd_read", "", 3))
	call("folders that were opened before", "no files", is(0, 8), step("fd_prestat_get", "", 3))
	call("the environment", "no environment", is(0, 0), step("environ", ""))
	call("the arguments", "no environment", is(0, 0), step("args", ""))
	call("random_get of 4 GiB", "no input", func(r *result) error { return r.ended(abi.Succeeded, abi.Failed) }, step("random_get", "", 0, "0xffffffff"))
	std := func(name, wall string, run func(r *rig) error) {
		all = append(all, Attack{Family: "imports", Name: name, Wall: wall, run: func(a *attempt) error {
			return withStandardFiles(a, func(out *os.File) error {
				r, err := a.session(rigOptions{})
				if err != nil {
					return err
				}
				if err := run(r); err != nil {
					return err
				}
				printed, err := os.ReadFile(out.Name())
				if err == nil && strings.Contains(string(printed), marker) {
					err = errors.New("it stands in the output of the host's process")
				}
				return err
			})
		}})
	}
	for i, fd := range []string{"standard output", "standard error"} {
		std("a module that prints to "+fd, "no output", func(r *rig) error {
			res, err := r.invoke("read", step("fd_write", marker+"\n", i+1))
			if err != nil {
				return err
			}
			return res.ended(abi.Succeeded, abi.Failed)
		})
	}
	std("a module that reads standard input", "no input", func(r *rig) error {
		res, err := r.invoke("read", step("fd_read", "", 0))
		if err != nil {
			return err
		}
		if res.text(0) != "" {
			return fmt.Errorf("it got %q", res.text(0))
		}
		return is(0, 0)(res)
	})
	return all
}

// withStandardFiles gives this process other standard files for a while: an input that has something to read, and an output
// that can be looked at. A host in another process keeps its own, where what a module prints would break its answers.
func withStandardFiles(a *attempt, run func(out *os.File) error) error {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte(marker), 0o600); err != nil {
		return err
	}
	in, err := os.Open(filepath.Join(dir, "in"))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	stdin, stdout, stderr := os.Stdin, os.Stdout, os.Stderr
	os.Stdin, os.Stdout, os.Stderr = in, out, out
	defer func() { os.Stdin, os.Stdout, os.Stderr = stdin, stdout, stderr }()
	err = run(out)
	a.close() // while the files are there
	return err
}

// requestAttacks are requests that a host must not send, or not as they stand.
func requestAttacks() []Attack {
	var all []Attack
	for _, c := range []struct{ name, wall, op, request, uri string }{
		{"a slash in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"a/b?c#d"}}`, "GET /api/v1/users/a%2Fb%3Fc%23d"},
		{"dots in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":".."}}`, ""},
		{"a dot in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"."}}`, ""},
		{"a path step in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"../groups"}}`, ""},
		{"a path step with a backslash", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"..\\groups"}}`, ""},
		{"an escaped path step", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"%2e%2e"}}`, ""},
		{"a path step escaped twice", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"%252e%252e"}}`, ""},
		{"a line break in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x\r\nX-Evil: 1"}}`, ""},
		{"a NUL in a blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x\u0000y"}}`, ""},
		{"a path step with a parameter", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"..;x=1"}}`, ""},
		{"a path step escaped ten times", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"%` + strings.Repeat("25", 9) + `2e%` + strings.Repeat("25", 9) + `2e"}}`, ""},
		{"a blank of a link that is no text", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","link":"/api/v1/users/%ff"}`, ""},
		{"an empty blank", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":""}}`, ""},
		{"a blank of 100 KB", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"` + strings.Repeat("x", 100_000) + `"}}`, ""},
		{"a blank too many", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x","y":"z"}}`, ""},
		{"a blank too few", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}"}`, ""},
		{"a blank that is no text", "blanks", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":{"x":1}}}`, ""},

		{"an endpoint of another operation", "endpoint grants", "read", `{"endpoint":"POST /api/v1/users","body":{}}`, ""},
		{"an endpoint of nobody", "endpoint grants", "read", `{"endpoint":"GET /api/v1/groups"}`, ""},
		{"a URL for an endpoint", "endpoint grants", "read", `{"endpoint":"GET https://evil.example/api/v1/users/{id}","path":{"id":"x"}}`, ""},
		{"an endpoint with its blank filled", "endpoint grants", "read", `{"endpoint":"GET /api/v1/users/00u1"}`, ""},
		{"an endpoint in other letters", "endpoint grants", "read", `{"endpoint":"get /api/v1/users/{id}","path":{"id":"x"}}`, ""},
		{"an endpoint with a space more", "endpoint grants", "read", `{"endpoint":"GET  /api/v1/logs"}`, ""},
		{"an endpoint of 1 MB", "endpoint grants", "read", `{"endpoint":"GET /` + strings.Repeat("a", 500_000) + `"}`, ""},

		{"a line break in a query", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","x\r\ny"]]}`, ""},
		{"a query in a query's name", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["a=b&c","x"]]}`, ""},
		{"a query in a query's value", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","x&limit=1#f"]]}`, "GET /api/v1/logs?q=x%26limit%3D1%23f"},
		{"a query with a name of 1 KB", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["` + strings.Repeat("x", 1000) + `","x"]]}`, ""},
		{"a query of a link that is no text", "queries", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?q=%ff"}`, ""},
		{"an escaped line break in the query of a link", "queries", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?q=x%0d%0ay"}`, ""},
		{"a query of 100 KB", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","` + strings.Repeat("x", 100_000) + `"]]}`, ""},
		{"a query that a write does not declare", "queries", "write", `{"endpoint":"POST /api/v1/users","query":[["_method","DELETE"]],"body":{}}`, ""},
		{"a query without a name", "queries", "read", `{"endpoint":"GET /api/v1/logs","query":[["","x"]]}`, ""},

		{"a link to another origin", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"https://evil.example/api/v1/logs?after=1"}`, "GET /api/v1/logs?after=1"},
		{"a link to another port", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"http://127.0.0.1:1/api/v1/logs?after=1"}`, "GET /api/v1/logs?after=1"},
		{"a link to another path", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/groups"}`, ""},
		{"a link to a path below", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs/x"}`, ""},
		{"a link with path steps", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs/../groups"}`, ""},
		{"a link with escaped path steps", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/x/%2e%2e/logs"}`, ""},
		{"a link with a user", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"https://u:p@x/api/v1/logs"}`, ""},
		{"a link with a fragment", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs#x"}`, ""},
		{"a link to a file", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"file:///etc/passwd"}`, ""},
		{"a link of another scheme", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"ftp://x/api/v1/logs"}`, ""},
		{"a link whose host has 100 KB", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"https://` + strings.Repeat("x", 100_000) + `/api/v1/logs"}`, ""},
		{"a link whose query has a semicolon", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?a=1;b=2"}`, ""},
		{"a link whose query is not escaped properly", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?a=%zz"}`, ""},
		{"a link without a slash", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"api/v1/logs"}`, ""},
		{"a link with a line break", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?x=\r\nHost: evil"}`, ""},
		{"a link of 100 KB", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?x=` + strings.Repeat("x", 100_000) + `"}`, ""},
		{"a link and a query", "links", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?a=1","query":[["b","2"]]}`, ""},
		{"a link for a write", "links", "write", `{"endpoint":"POST /api/v1/users","link":"/api/v1/users","body":{}}`, ""},

		{"a Host header", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Host":"evil.example"}}`, ""},
		{"a Cookie header", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Cookie":"sid=1"}}`, ""},
		{"a header that overrides the method", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"X-HTTP-Method-Override":"DELETE"}}`, ""},
		{"a Transfer-Encoding header", "headers", "write", `{"endpoint":"POST /api/v1/users","body":{},"headers":{"Transfer-Encoding":"chunked"}}`, ""},
		{"a Content-Length header", "headers", "write", `{"endpoint":"POST /api/v1/users","body":{},"headers":{"Content-Length":"1"}}`, ""},
		{"a line break in a header", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept":"x\r\ny: z"}}`, ""},
		{"a line break in a header's name", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept: x\r\nY":"z"}}`, ""},

		{"a header of other letters than ASCII's", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept":"application/jsön"}}`, ""},
		{"a header of 100 KB", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept":"` + strings.Repeat("x", 100_000) + `"}}`, ""},
		{"a header in two spellings", "headers", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept":"a/b","accept":"c/d"}}`, ""},
		{"a body of another type", "headers", "write", `{"endpoint":"POST /api/v1/users","body":{},"headers":{"Content-Type":"text/html"}}`, ""},
		{"a body in another character set", "headers", "write", `{"endpoint":"POST /api/v1/users","body":{},"headers":{"Content-Type":"application/json; charset=utf"}}`, ""},

		{"a body on a DELETE", "bodies", "raised", `{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"},"body":{}}`, ""},
		{"a body on a GET", "bodies", "read", `{"endpoint":"GET /api/v1/logs","body":{}}`, ""},
		{"a body that is no JSON", "bodies", "write", `{"endpoint":"POST /api/v1/users","body":{a:1}}`, ""},
		{"an unknown field", "requests", "read", `{"endpoint":"GET /api/v1/logs","url":"https://evil.example"}`, ""},
		{"a request that is text", "requests", "read", `"GET /api/v1/logs"`, ""},
		{"a request 20,000 levels deep", "requests", "write", `{"endpoint":"POST /api/v1/users","body":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ""},
	} {
		all = append(all, Attack{Family: "requests", Name: c.name, Wall: c.wall, run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invoke(c.op, send(c.request))
			if err != nil {
				return err
			}
			if c.uri != "" {
				return errors.Join(res.succeeded(), res.saw(c.uri))
			}
			// The module is told, and so is whoever called it: denied and malformed requests end a call as failed.
			told := res.Outcome == abi.Failed || strings.Contains(res.text(0), `"error"`)
			if !told {
				return fmt.Errorf("nobody was told: %s", short(string(res.raw)))
			}
			return errors.Join(res.saw(), r.serves())
		}})
	}
	return all
}

// secretAttacks try to see the token, or to send it where it does not belong.
func secretAttacks() []Attack {
	var all []Attack
	const at = `"endpoint":"GET /api/v1/users/{id}","path":{"id":"x"}`
	const one = "token in one header"
	for _, c := range []struct{ name, op, request string }{
		{"in a body", "write", `{"endpoint":"POST /api/v1/users","body":{"x":"{{secret}}"}}`},
		{"in a query", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","{{secret}}"]]}`},
		{"in a path", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"{{secret}}"}}`},
		{"in a link", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?q={{secret}}"}`},
		{"in a link, escaped", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?q={{escaped}}"}`},
		{"in another header", "read", `{` + at + `,"headers":{"If-Match":"{{secret}}"}}`},
		{"as a header's name", "read", `{` + at + `,"headers":{"{{secret}}":"x"}}`},
		{"twice in one header", "read", `{` + at + `,"headers":{"Authorization":"{{auth}} {{auth}}"}}`},
		{"with another scheme", "read", `{` + at + `,"headers":{"Authorization":"Basic {{secret}}"}}`},
		{"in two spellings of the header", "read", `{` + at + `,"headers":{"Authorization":"{{auth}}","authorization":"{{auth}}"}}`},
		{"sign and a header at once", "read", `{` + at + `,"sign":true,"headers":{"Authorization":"Basic x"}}`},
		{"with a space more", "read", `{` + at + `,"headers":{"Authorization":"{{scheme}}  {{secret}}"}}`},
		{"a credential of the module's own", "read", `{` + at + `,"headers":{"Authorization":"Bearer mine"}}`},
		{"a placeholder that was never given out", "read", `{` + at + `,"headers":{"Authorization":"{{scheme}} {secret:00000000000000000000000000000000}"}}`},
	} {
		all = append(all, Attack{Family: "secrets", Name: c.name, Wall: one, run: func(a *attempt) error {
			res, err := a.one(rigOptions{}, c.op, send(c.request))
			if err != nil {
				return err
			}
			return errors.Join(res.ended(abi.Failed), res.saw())
		}})
	}
	all = append(all, Attack{Family: "secrets", Name: "a placeholder of an earlier call", Wall: "fresh placeholders", run: func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{Concurrency: 1}})
		if err != nil {
			return err
		}
		first, err := r.invoke("read", step("secret_get", "token"))
		if err != nil {
			return err
		}
		i := strings.Index(first.text(0), "{secret:")
		if i < 0 {
			return fmt.Errorf("no placeholder in %s", first.text(0))
		}
		old := first.text(0)[i : i+strings.IndexByte(first.text(0)[i:], '}')+1]
		res, err := r.invoke("read", send(`{`+at+`,"headers":{"Authorization":"{{scheme}} `+old+`"}}`))
		if err != nil {
			return err
		}
		return errors.Join(res.ended(abi.Failed), res.saw())
	}})
	const taint = "answers that hold the token"
	echo := func(name string, h http.HandlerFunc, steps ...string) {
		all = append(all, Attack{Family: "secrets", Name: name, Wall: taint, run: func(a *attempt) error {
			res, err := a.one(rigOptions{handler: h}, "read", append([]string{send(logs)}, steps...)...)
			if err != nil {
				return err // the token in the result is looked for by invoke
			}
			for i, s := range res.steps {
				if strings.Contains(s.Text, token[:20]) {
					return fmt.Errorf("step %d saw the token", i)
				}
			}
			return nil
		}})
	}
	read := []string{step("body_read", "", "{handle}", 0, 1<<20), step("records_emit", "{}", "{handle}")}
	echo("echoed in a body", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"echo":%q}`, credential(r)) }, read...)
	echo("echoed in a header", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", credential(r)) }, read...)
	echo("echoed in the second value of a header", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Link", "<https://x/>; rel=self")
		w.Header().Add("Link", "<https://x/?t="+credential(r)+">; rel=next")
	}, read...)
	echo("echoed in the request's id", func(w http.ResponseWriter, r *http.Request) { identify(w, credential(r)) }, read...)
	echo("echoed in a large body", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"pad":"%s","echo":%q}`, strings.Repeat("x", 200<<10), credential(r))
	}, step("body_read", "", "{handle}", 200<<10, 200), step("records_emit", `{"summarise":["echo"]}`, "{handle}"))
	echo("echoed in a large body that is emitted", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"pad":"%s","echo":%q}`, strings.Repeat("x", 200<<10), credential(r))
	}, step("records_emit", `{"summarise":["echo"]}`, "{handle}"))
	echo("echoed in the id of a request that is to come again", func(w http.ResponseWriter, r *http.Request) {
		identify(w, credential(r))
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	echo("echoed in an error", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"errorSummary":%q}`, credential(r))
	}, read...)
	echo("echoed in a body that is zipped", func(w http.ResponseWriter, r *http.Request) {
		zipped(w, []byte(fmt.Sprintf(`{"echo":%q}`, credential(r))))
	}, read...)
	return all
}

// grantAttacks ask for more than was granted.
func grantAttacks() []Attack {
	var all []Attack
	for _, c := range []struct {
		name, op string
		grants   []abi.Class
	}{
		{"a write where read is granted", "write", []abi.Class{abi.Read}},
		{"a read where write alone is granted", "read", []abi.Class{abi.Write}},
		{"a write where worse is granted, but not it", "write", []abi.Class{abi.Destructive, abi.Privileged}},
		{"an input that raises the class", "raised", []abi.Class{abi.Read, abi.Write}},
	} {
		all = append(all, Attack{Family: "grants", Name: c.name, Wall: "class grants", run: func(a *attempt) error {
			res, err := a.one(rigOptions{grants: c.grants}, c.op, send(get))
			if err != nil {
				return err
			}
			return errors.Join(res.ended(abi.Denied), res.saw())
		}})
	}
	raw := func(name, wall, op, input string, grants []abi.Class, outcomes ...abi.Outcome) {
		all = append(all, Attack{Family: "grants", Name: name, Wall: wall, run: func(a *attempt) error {
			r, err := a.session(rigOptions{grants: grants})
			if err != nil {
				return err
			}
			res, err := r.invokeRaw(op, input)
			if err != nil {
				return err
			}
			return errors.Join(res.ended(outcomes...), res.saw())
		}})
	}
	remove := `{"steps":[` + send(`{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"}}`) + `]`
	raw("a method above the class in force", "class in force", "raised", remove+`}`, abi.Classes(), abi.Failed)
	raw("a class that is raised and lowered again in one input", "one meaning", "raised", remove+`,"raise":"x","raise":null}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	raw("a class that is raised by an escaped name", "one meaning", "raised", remove+`,"\u0072aise":"x"}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	lowered := func(request string) string { return `{"action":"unlock","steps":[` + send(request) + `]}` }
	const inForce = "class in force"
	raw("an effect above the class in force, of the same method", inForce, "lowered",
		lowered(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/deactivate","path":{"id":"x"}}`), abi.Classes(), abi.Failed)
	for name, body := range map[string]string{
		"a body above the class in force":            `{"profile":{},"credentials":{}}`,
		"a member that is null":                      `{"credentials":null}`,
		"a member with an escaped name":              `{"\u0063redentials":{}}`,
		"a member in other letters":                  `{"Credentials":{}}`,
		"a member that hides behind one of its name": `{"profile":{},"profile":{"x":1}}`,
		"a body that is no object":                   `[{"credentials":{}}]`,
	} {
		raw(name, "class of a body", "lowered", lowered(`{"endpoint":"POST /api/v1/users/{id}","path":{"id":"x"},"body":`+body+`}`), abi.Classes(), abi.Failed)
	}
	raw("a class that is lowered by a value of another type", inForce, "lowered",
		`{"action":true,"steps":[`+send(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/unlock","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("a class that is lowered by another value", inForce, "lowered",
		`{"action":"deactivate","steps":[`+send(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/unlock","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("an operation that is not there", "operations", "drop_tables", `{}`, abi.Classes(), abi.Invalid)
	raw("an operation of a path", "operations", "../read", `{}`, abi.Classes(), abi.Invalid)
	raw("an operation without a name", "operations", "", `{}`, abi.Classes(), abi.Invalid)
	for _, op := range []string{"write", "raised"} {
		all = append(all, Attack{Family: "grants", Name: "a table of " + op, Wall: "surfaces", run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Table(a.ctx, op, []byte(`{"steps":[`+send(get)+`]}`))
			return refusedPage(r, p, err)
		}}, Attack{Family: "grants", Name: "a source of " + op, Wall: "surfaces", run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.ctx, op, []byte(`{"steps":[`+send(get)+`]}`), nil)
			return refusedPage(r, p, err)
		}})
	}
	return all
}

func refusedPage(r *rig, p *Page, err error) error {
	switch {
	case err != nil:
		return err
	case p.Outcome != abi.Denied:
		return fmt.Errorf("it ended as %s", p.Outcome)
	case len(r.requests()) > 0:
		return fmt.Errorf("%d requests left", len(r.requests()))
	}
	return nil
}
