package openapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
)

// TestingT is the part of *testing.T that the judge reports to.
type TestingT interface {
	Helper()
	Errorf(format string, args ...any)
}

// Middleware checks every request and response of h, and reports violations to t. It does not check a connection that
// h cuts. It holds a response back until it is complete.
func (j *Judge) Middleware(t TestingT, h http.Handler) http.Handler {
	return j.middleware(t, h, func(int) bool { return true })
}

// Answers is Middleware for tests that send wrong requests on purpose: it does not check a request that h refused
// with a 4xx status. It always checks responses.
func (j *Judge) Answers(t TestingT, h http.Handler) http.Handler {
	return j.middleware(t, h, func(status int) bool { return status < 400 || status > 499 })
}

func (j *Judge) middleware(t TestingT, h http.Handler, checkRequest func(status int) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Helper()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the request body: %v", err)
			return
		}
		request := r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(answer, r)
		if answer.taken {
			return
		}
		if checkRequest(answer.status) {
			if err := j.CheckRequest(request, body); err != nil {
				t.Errorf("%v\nrequest body: %.1000s", err, body)
			}
		}
		text, err := answer.text()
		if err == nil {
			err = j.CheckAnswer(request, answer.status, w.Header(), text)
		}
		if err != nil {
			t.Errorf("%v\nresponse body: %.1000s", err, text)
		}
		w.WriteHeader(answer.status)
		w.Write(answer.body.Bytes()) // a client that went away is not a violation
	})
}

// recorder keeps a response.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	taken  bool // the connection was hijacked
}

// Hijack implements http.Hijacker.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(r.ResponseWriter).Hijack()
	r.taken = err == nil
	return conn, buffered, err
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// Unwrap lets http.ResponseController flush.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// text returns the response's body, decompressed.
func (r *recorder) text() ([]byte, error) {
	if r.Header().Get("Content-Encoding") != "gzip" {
		return r.body.Bytes(), nil
	}
	z, err := gzip.NewReader(bytes.NewReader(r.body.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("decompress the response: %w", err)
	}
	return io.ReadAll(z)
}
