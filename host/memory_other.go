//go:build !linux || portable

// With the tag portable, Linux has this memory, too: for the tests of it.

package host

import (
	"bytes"
	"errors"
)

// space is a slice of Go's.
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

func (s *space) free() { s.all = nil }

// picture is an image's memory.
type picture struct{ all []byte }

func newPicture(b []byte) (picture, error) { return picture{bytes.Clone(b)}, nil }

func (p *picture) close() { p.all = nil }

// adopt puts the image in the place of a memory of the same size.
func (l *linear) adopt(img *image) error {
	if !l.restore(img) {
		return errors.New("the module's memory is not as large as its image")
	}
	return nil
}

// restore makes a memory equal to the image again. A memory that has grown cannot shrink: false.
func (l *linear) restore(img *image) bool {
	if l.size != img.size {
		return false
	}
	copy(l.all, img.pages.all)
	return true
}
