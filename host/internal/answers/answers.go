// Package answers holds what one call got from the service and what the guest emitted of it.
package answers

import (
	"fmt"

	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/records"
)

// Limits bound a Set.
type Limits struct {
	HeldBytes   int64 // memory behind all bodies
	ResultBytes int64 // of all emitted records
	Records     int
}

// Set is the bodies that a call got, by handle, and the records that it emitted. It is not safe for concurrent use. Release
// it when the call has ended; its records are not valid afterwards.
type Set struct {
	Limits    Limits
	Key       string                 // path of a record's key, "" for none
	ErrorCode string                 // path of the code in an error of the service, "" if that is not known
	Tainted   func(body []byte) bool // reports whether a body holds the connection's token

	Pieces  []records.Piece
	Records int
	Bytes   int64

	bodies []body // by handle - 1
	held   int64
	taken  map[uint64]int // by handle: the end of the last emitted record
}

// body is one answer's. A large one is searched for the token when something is taken from it, in parallel to other work.
type body struct {
	buffer   *egress.Buffer
	searched bool
}

// SearchAtOnce is the size up to which a body is searched for the token when it arrives, in bytes. Add expects that the
// caller has done so.
const SearchAtOnce = 64 << 10

// Add keeps a body and returns its handle. If the bodies take too much memory, it releases the body and returns an error.
func (s *Set) Add(buffer *egress.Buffer) (handle uint64, err error) {
	if s.held += buffer.Held(); s.held > s.Limits.HeldBytes {
		s.held -= buffer.Held()
		buffer.Release()
		return 0, fmt.Errorf("the answers of one call are over %d bytes together (limits.held_bytes of the connection): ask for fewer and go on with the cursor, or raise it",
			s.Limits.HeldBytes)
	}
	s.bodies = append(s.bodies, body{buffer, buffer.Len() <= SearchAtOnce})
	return uint64(len(s.bodies)), nil
}

// Release gives back the memory of all bodies.
func (s *Set) Release() {
	for _, b := range s.bodies {
		b.buffer.Release()
	}
	s.bodies, s.Pieces = nil, nil
}

// Read returns the body behind a handle, nil if there is none or it holds the token.
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
