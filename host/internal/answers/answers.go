// Package answers holds the response bodies of one call.
package answers

import (
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/records"
)

// Limits are the size limits of a Set.
type Limits struct {
	ResultBytes int64 // size of all emitted records
	Records     int
}

// Set holds the response bodies of a call, by handle, and the records that the guest emitted. It is not safe for
// concurrent use. Release it after the call; its records are not valid afterwards.
type Set struct {
	Limits    Limits
	Budget    *budget.Call           // counts what the set holds; the bodies are counted when they are read
	Key       string                 // path of a record's key; "" if there is none
	ErrorCode string                 // path of the code in the service's errors; "" if unknown
	Tainted   func(body []byte) bool // reports whether a body contains the connection's token

	Pieces  []records.Piece
	Records int
	Bytes   int64

	bodies []body         // body of handle h at index h-1
	taken  map[uint64]int // by handle: the end of the last emitted record
}

// body is one response body. A large one is searched for the token when it is first used, in parallel with splitting
// it.
type body struct {
	buffer   *egress.Buffer
	searched bool
}

// SearchAtOnce is the size up to which the caller must search a body for the token before calling Add, in bytes.
const SearchAtOnce = 64 << 10

// Add stores a body and returns its handle.
func (s *Set) Add(buffer *egress.Buffer) (handle uint64) {
	s.bodies = append(s.bodies, body{buffer, buffer.Len() <= SearchAtOnce})
	return uint64(len(s.bodies))
}

// Release frees all bodies.
func (s *Set) Release() {
	for _, b := range s.bodies {
		b.buffer.Release()
	}
	s.bodies, s.Pieces = nil, nil
	s.Budget.End()
}

// Read returns the body of a handle, or nil if there is none or it contains the token.
func (s *Set) Read(handle uint64) []byte {
	if handle == 0 || handle > uint64(len(s.bodies)) {
		return nil
	}
	b := &s.bodies[handle-1]
	if !b.searched {
		if s.Tainted(b.buffer.Bytes()) {
			b.buffer.Release()
		}
		b.searched = true
	}
	return b.buffer.Bytes()
}
