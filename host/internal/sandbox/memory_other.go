//go:build !linux || portable

// The build tag portable selects this file on Linux, for its tests.

package sandbox

import (
	"bytes"
	"errors"
)

// Prepare has nothing to open.
func Prepare() {}

// space is a Go slice.
type space struct{ all []byte }

func reserve(uint64) (space, error) { return space{}, nil }

func (s *space) resize(_, size uint64) []byte {
	if size > uint64(cap(s.all)) {
		b := make([]byte, size)
		copy(b, s.all)
		s.all = b
	}
	s.all = s.all[:size]
	return s.all
}

// renew drops the memory. It returns a new one of size bytes, which are all zero.
func (s *space) renew(size uint64) []byte {
	s.all = make([]byte, size)
	return s.all
}

func (s *space) free() { s.all = nil }

// pages is a snapshot's memory.
type pages struct{ all []byte }

func newPages(b []byte) (pages, error) { return pages{bytes.Clone(b)}, nil }

func (p *pages) close() { p.all = nil }

// adopt copies the snapshot into a memory of the same size.
func (l *linear) adopt(s *snapshot) error {
	if !l.restore(s) {
		return errors.New("the module's memory and its snapshot differ in size")
	}
	return nil
}

// restore makes the memory equal to its snapshot again. It returns false if the memory has grown, since it cannot
// shrink.
func (l *linear) restore(s *snapshot) bool {
	if l.size != s.size {
		return false
	}
	copy(l.all, s.pages.all)
	return true
}
