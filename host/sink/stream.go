package sink

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/mach5/okta-connector/host/durable"
)

// Stream writes NDJSON to a stream that the caller opened, such as standard output. If it is a regular file, it is
// synced after each page. It is not safe for concurrent use.
type Stream struct {
	name string
	w    *bufio.Writer
	file *os.File // nil unless the stream is a regular file
}

// NewStream returns a Stream to w. Messages call it name.
func NewStream(name string, w io.Writer) *Stream {
	s := &Stream{name: name, w: bufio.NewWriterSize(w, 64<<10)}
	if f, ok := w.(*os.File); ok && regular(f) {
		s.file = f
	}
	return s
}

// Write implements Sink.
func (s *Stream) Write(_ context.Context, p Page) error {
	if p.Len() == 0 {
		return nil
	}
	err := s.seek()
	if err == nil {
		_, err = p.WriteTo(s.w)
	}
	if err == nil {
		err = s.w.Flush()
	}
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		return WriteError(s.name, err)
	}
	return nil
}

// seek moves to the end of a file that another program cut. Otherwise the next write would leave a hole.
func (s *Stream) seek() error {
	if s.file == nil {
		return nil
	}
	at, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if info, err := s.file.Stat(); err != nil || at <= info.Size() {
		return err
	}
	_, err = s.file.Seek(0, io.SeekEnd)
	return err
}

// sync makes a page durable. A deleted file is an error: it cannot be reopened, since its path is not known.
func (s *Stream) sync() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if n, known := durable.Links(info); known && n == 0 {
		return errors.New("its file was deleted: run again, or name a file with --out, which is reopened when that happens")
	}
	return nil
}

// Close does nothing: the caller opened the stream and closes it.
func (s *Stream) Close() error { return nil }

// String implements Sink.
func (s *Stream) String() string { return s.name }

func regular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}
