// Package answers holds the response bodies of one call.
package answers

import (
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/hide"
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
	Known     func(text string) bool // reports whether a text is a sensitive value of the input; nil knows none

	Pieces   []records.Piece
	Records  int
	Bytes    int64
	Revealed bool // a body has a sensitive member that the guest gets

	bodies []body         // body of handle h at index h-1
	taken  map[uint64]int // by handle: the end of the last emitted record
}

// body is one response body. A large one is searched for the token when it is first used, in parallel with splitting
// it.
type body struct {
	buffer   *egress.Buffer
	searched bool
	hidden   []string // members that are removed from it
}

// SearchAtOnce is the size up to which the caller must search a body for the token before calling Add, in bytes.
const SearchAtOnce = 64 << 10

// Add stores the body of a response from an endpoint, without the endpoint's sensitive members. It returns the body's
// handle and length, which are 0 if there is no body.
func (s *Set) Add(e *abi.Endpoint, buffer *egress.Buffer) (handle uint64, length int64) {
	hidden := s.hide(e, buffer)
	if buffer.Len() == 0 {
		return 0, 0
	}
	s.bodies = append(s.bodies, body{buffer, buffer.Len() <= SearchAtOnce, hidden})
	return uint64(len(s.bodies)), int64(buffer.Len())
}

// unreadable replaces a body whose members cannot be found. Like that body, it is not JSON. To the guest, an empty body would
// look like success.
const unreadable = "?"

// hide removes the members that the guest must not get, and returns their paths. A body that is not JSON is replaced,
// since its members cannot be found.
func (s *Set) hide(e *abi.Endpoint, buffer *egress.Buffer) (paths []string) {
	if len(e.Sensitive) == 0 || buffer.Len() == 0 {
		return nil
	}
	for _, p := range e.Sensitive {
		if !slices.Contains(e.Reveals, p) {
			paths = append(paths, p)
		}
	}
	left, reveals, err := hide.Members{Remove: paths, Note: e.Reveals, Keep: s.Known}.From(buffer.Bytes())
	if err != nil {
		buffer.Shorten(copy(buffer.Bytes(), unreadable))
		return paths
	}
	buffer.Shorten(len(left))
	s.Revealed = s.Revealed || reveals
	return paths
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
