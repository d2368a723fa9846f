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
// ErrRewrite if pages that no Sync confirmed were lost with the old file. The caller holds s.mu.
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
		return s.failReplaced(there.Mode())
	case os.SameFile(mine, there):
		switch {
		case mine.Size() < s.end:
			return s.reopenCut(mine.Size())
		case mine.Size() > s.end:
			return s.acceptGrown(mine.Size())
		}
		return nil
	}
	return s.reopenMoved(mine)
}

// reopenMoved opens the path again after another program renamed or deleted the open file.
func (s *File) reopenMoved(mine fs.FileInfo) error {
	names, known := durable.Links(mine)
	deleted := known && names == 0
	if !deleted {
		if err := s.sync(); err != nil { // the renamed file keeps what was written to it
			return err
		}
	}
	unconfirmed, old, opening := s.end > s.synced, s.f, s.opening
	if err := s.reopen(); err != nil {
		return err
	}
	_ = old.Close() // synced, or deleted
	if unconfirmed {
		s.lostOpening = opening
		return s.rewriteError()
	}
	what := "was renamed"
	if deleted {
		what = "was deleted"
	}
	s.opts.Notice(fmt.Sprintf("%s %s by another program: reopened", s.name, what))
	return nil
}

// failReplaced ends the use of a file that another program replaced by a folder, device, pipe or socket. A device would
// drop the records, and opening a pipe would wait for its reader.
func (s *File) failReplaced(by fs.FileMode) error {
	what := "a device"
	switch {
	case by.IsDir():
		what = "a folder"
	case by&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case by&fs.ModeSocket != 0:
		what = "a socket"
	}
	s.lost = fmt.Errorf("%s is now %s: another program replaced the file; remove it, or put a file there, and run again; %s", s.name, what, sink.NotCheckpointed)
	return s.lost
}

// acceptGrown continues after the bytes that another program appended. If these end in a partial line, the file is put
// aside: the next record would become part of that line.
func (s *File) acceptGrown(size int64) error {
	before := s.end
	s.end = size // so that a later check does not take the file for cut
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
	s.opts.Notice(fmt.Sprintf("another program wrote %d bytes to %s, which end in a partial line: it was renamed to %s, and a new file was started", size-before, s.name, aside))
	return nil
}

// reopenCut opens the path again after another program cut the file, as logrotate does with copytruncate.
func (s *File) reopenCut(size int64) error {
	unconfirmed, opening := s.end > s.synced, s.opening
	s.opts.Notice(fmt.Sprintf("%s was cut from %d to %d bytes by another program (logrotate's copytruncate?): records that it did not copy are lost. "+
		"Configure it to rename the file instead, or use --rotate-size", s.name, s.end, size))
	_ = s.f.Close() // it holds the lock
	if err := s.reopen(); err != nil {
		return err
	}
	if unconfirmed {
		s.lostOpening = opening
		return s.rewriteError()
	}
	return nil
}

// rewriteError returns the error for pages that were lost with their file.
func (s *File) rewriteError() error {
	return fmt.Errorf("%w: %s was deleted or cut by another program and was reopened: records since the last checkpoint are written again", sink.ErrRewrite, s.name)
}
