// Package announced sends reads before the module asks for their responses.
package announced

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// AtOnce is how many reads of one call are sent at a time. The connection's pacing bounds them too.
const AtOnce = 8

// Read is a read that the module announced.
type Read struct {
	key      string
	Endpoint *abi.Endpoint
	Request  abi.Request
	Signed   bool
}

// keyOf identifies a request. Two requests with one key are sent as the same bytes; what is emitted from their responses
// may differ.
func keyOf(req *abi.Request) string {
	sent := *req
	sent.Emit, sent.Announce = nil, nil
	b, err := json.Marshal(sent)
	if err != nil { // a body that is not JSON, which is refused
		return ""
	}
	return string(b)
}

// check returns an error for a request that must not be announced. count is the number of those that are announced together.
func check(e *abi.Endpoint, req *abi.Request, count int) error {
	switch {
	case count > abi.MaxAnnounced:
		return fmt.Errorf("a request announces %d reads: at most %d are allowed (abi.MaxAnnounced)", count, abi.MaxAnnounced)
	case e.Method() != http.MethodGet || e.Class != "" && e.Class != abi.Read || len(e.Guards) > 0:
		return fmt.Errorf("%s cannot be announced: only a GET of class read without guards can", e.Endpoint)
	case len(req.Announce) > 0 || req.Emit != nil || len(req.Body) > 0:
		return fmt.Errorf("a read of %s that is announced has announce, emit or body: leave them out", e.Endpoint)
	}
	return nil
}

// Sent is what became of a request. Response is never nil.
type Sent struct {
	Response *egress.Response
	Err      *abi.SendError
}

// Reads are the reads that were announced in one call. The zero value has none. It is not safe for concurrent use.
type Reads struct {
	pending []*pending
	slots   chan struct{}
	work    sync.WaitGroup
	cancel  []context.CancelFunc
}

// pending is a read whose response was not taken.
type pending struct {
	Read
	done chan Sent // has room for one
}

// Gate is what a call does with each of its requests.
type Gate struct {
	// Allowed checks a request, and finds its endpoint. If it returns a response, the request must not be sent.
	Allowed func(*abi.Request) (endpoint *abi.Endpoint, signed bool, fail *abi.Response)
	// Target returns the address of a request, or an error for what no request may have.
	Target func(egress.Call) (string, error)
	// Count counts a request, and returns an error for one above the limit.
	Count func() *abi.SendError
	// Send sends a request. It must be safe for concurrent use, and return if its context ends.
	Send func(ctx context.Context, e abi.Endpoint, req abi.Request, signed bool) (*egress.Response, *abi.SendError)
}

// Start checks reads, and sends them while the module goes on. If one is refused, none is sent: fail is the response to the
// request that announces it, and bad says what must not be announced.
func (r *Reads) Start(ctx context.Context, reqs []abi.Request, gate Gate) (fail *abi.Response, bad error) {
	var reads []Read
	for _, req := range reqs {
		key := keyOf(&req) // before Allowed takes the credential's header out
		endpoint, signed, fail := gate.Allowed(&req)
		if fail != nil {
			return fail, nil
		}
		if err := check(endpoint, &req, len(reqs)); err != nil {
			return nil, err
		}
		if _, err := gate.Target(egress.Call{Endpoint: *endpoint, Request: req}); err != nil {
			return nil, err
		}
		reads = append(reads, Read{key: key, Endpoint: endpoint, Request: req, Signed: signed})
	}
	for _, read := range reads {
		if gate.Count() != nil { // the module gets the error when it makes the request
			break
		}
		r.start(ctx, read, gate)
	}
	return nil, nil
}

func (r *Reads) start(ctx context.Context, read Read, gate Gate) {
	if r.slots == nil {
		r.slots = make(chan struct{}, AtOnce)
	}
	p := &pending{read, make(chan Sent, 1)}
	r.pending = append(r.pending, p)
	ctx, cancel := context.WithCancel(ctx)
	r.cancel = append(r.cancel, cancel)
	r.work.Go(func() {
		defer cancel()
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-ctx.Done():
		}
		resp, err := gate.Send(ctx, *read.Endpoint, read.Request, read.Signed) // at once if the context has ended
		p.done <- Sent{resp, err}
	})
}

// Key returns the key by which Has and Take find a request. It is "", which finds nothing, if no read waits to be taken.
func (r *Reads) Key(req *abi.Request) string {
	if len(r.pending) == 0 {
		return "" // most calls announce nothing
	}
	return keyOf(req)
}

// Has reports whether a read with a key was announced and not taken.
func (r *Reads) Has(key string) bool { return r.find(key) >= 0 }

// Take waits for the first read with a key, and returns what became of it. Each read is taken at most once.
func (r *Reads) Take(key string) (Sent, bool) {
	i := r.find(key)
	if i < 0 {
		return Sent{}, false
	}
	p := r.pending[i]
	r.pending = append(r.pending[:i], r.pending[i+1:]...)
	return <-p.done, true
}

func (r *Reads) find(key string) int {
	for i, p := range r.pending {
		if p.key == key && key != "" {
			return i
		}
	}
	return -1
}

// Stop cancels the reads that were not taken, and waits for them. It passes each to rest, in the order of Start. None of them
// can be taken any more.
func (r *Reads) Stop(rest func(Read, Sent)) {
	for _, cancel := range r.cancel {
		cancel()
	}
	r.work.Wait()
	for _, p := range r.pending {
		rest(p.Read, <-p.done)
	}
	r.pending, r.cancel = nil, nil
}
