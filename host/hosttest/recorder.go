package hosttest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
)

// Request is a request that a Recorder received.
type Request struct {
	Method, URI string
	Header      http.Header
	Body        []byte
}

// Recorder records each request and passes it to Handler. It is safe for concurrent use.
type Recorder struct {
	Handler http.Handler // nil answers 200 without a body
	mu      sync.Mutex
	all     []Request
}

// ServeHTTP implements http.Handler.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.all = append(r.all, Request{req.Method, req.RequestURI, req.Header.Clone(), body})
	r.mu.Unlock()
	if r.Handler != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.Handler.ServeHTTP(w, req)
	}
}

// Requests returns the requests so far, in the order of their arrival.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// URIs returns the methods and URIs of the requests, such as "GET /users?limit=2".
func (r *Recorder) URIs() (all []string) {
	for _, req := range r.Requests() {
		all = append(all, req.Method+" "+req.URI)
	}
	return all
}

// Headers returns the values of a header, one for each request.
func (r *Recorder) Headers(name string) (all []string) {
	for _, req := range r.Requests() {
		all = append(all, req.Header.Get(name))
	}
	return all
}
