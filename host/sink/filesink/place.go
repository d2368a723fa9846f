package filesink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
)

// check compares the file at the path with the open one. If they differ, it opens the path again. The error wraps
// ErrRewrite if pages that no Sync confirmed are lost with the old file. The caller holds s.mu.
func (s *File) check() error {
	if s.special || s.f == nil {
		return nil
	}
	mine, err := s.f.Stat()
	if err != nil {
		return sink.WriteError(s.name, err)
	}
	switch there, err := os.Stat(s.name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return sink.WriteError(s.name, err)
	case !there.Mode().IsRegular():
		return s.replaced(there.Mode())
	case os.SameFile(mine, there):
		switch {
		case mine.Size() < s.end:
			return s.shortened(mine.Size())
		case mine.Size() > s.end:
			return s.lengthened(mine.Size())
		}
		return nil
	}
	return s.moved(mine)
}

// moved opens the path again after another program renamed or deleted the open file.
func (s *File) moved(mine fs.FileInfo) error {
	names, known := durable.Links(mine)
	deleted := known && names == 0
	if !deleted {
		if err := s.sync(); err != nil { // the renamed file keeps what was written to it
			return err
		}
	}
	gone, old, opening := s.end > s.synced, s.f, s.opening
	if err := s.reopen(); err != nil {
		return err
	}
	_ = old.Close() // synced, or deleted
	if gone {
		s.gone = opening
		return s.rewrite()
	}
	what := "was renamed"
	if deleted {
		what = "was deleted"
	}
	s.opts.Notice(fmt.Sprintf("%s %s by another program: opened anew", s.name, what))
	return nil
}

// replaced ends the use of a file in whose place there is something that keeps nothing, or cannot be written to: to open a pipe
// would wait for its reader.
func (s *File) replaced(by fs.FileMode) error {
	what := "a device"
	switch {
	case by.IsDir():
		what = "a folder"
	case by&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case by&fs.ModeSocket != 0:
		what = "a socket"
	}
	s.lost = fmt.Errorf("%s is now %s, put there by another program in place of the file; put a file there, or none, and run again; %s", s.name, what, sink.ComesAgain)
	return s.lost
}

// lengthened goes on behind what another program appended. Where that is no whole line, the next record would become a part of
// it: the file is put aside.
func (s *File) lengthened(size int64) error {
	before := s.end
	s.end = size // no reason to take it for a cut later
	if s.opts.Zstd || !s.tear.none() {
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return sink.WriteError(s.name, err)
	}
	defer func() { _ = f.Close() }() // read only
	last := []byte{'\n'}
	if _, err := f.ReadAt(last, size-1); err != nil && !errors.Is(err, io.EOF) {
		return sink.WriteError(s.name, err)
	}
	if last[0] == '\n' {
		return nil
	}
	aside, err := s.rotate()
	if err != nil {
		return err
	}
	s.opts.Notice(fmt.Sprintf("another program wrote %d bytes to %s, which end in half a line: it is now %s, and a new file is begun", size-before, s.name, aside))
	return nil
}

// shortened goes on after another program cut the file, as logrotate does with copytruncate.
func (s *File) shortened(size int64) error {
	gone, opening := s.end > s.synced, s.opening
	s.opts.Notice(fmt.Sprintf("%s was cut from %d bytes to %d by another program (copytruncate?): records that it had not copied are gone. "+
		"Have it renamed instead, or use --rotate-size", s.name, s.end, size))
	_ = s.f.Close() // it holds the lock
	if err := s.reopen(); err != nil {
		return err
	}
	if gone {
		s.gone = opening
		return s.rewrite()
	}
	return nil
}

// rewrite returns the error for pages that were lost with their file.
func (s *File) rewrite() error {
	return fmt.Errorf("%w: %s was deleted or cut by another program: it is opened anew, and what was written since the last checkpoint comes again", sink.ErrRewrite, s.name)
}
