package sink

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/mach5/okta-connector/host/durable"
)

// Stream writes NDJSON to what somebody else opened, such as standard output. A regular file behind it is synced.
type Stream struct {
	name string
	w    *bufio.Writer
	file *os.File // a regular file behind it, else nil
}

// NewStream makes a Stream that is called name in messages.
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
		err = s.settle()
	}
	if err != nil {
		return WriteError(s.name, err)
	}
	return nil
}

// seek goes to the end of a file that another program cut: what was written behind it would leave a hole.
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

// settle makes a page durable. A file that was deleted cannot be opened anew: its name is not known.
func (s *Stream) settle() error {
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
		return errors.New("its file was deleted: run again, or name a file with --out, which is opened anew")
	}
	return nil
}

// Close leaves the stream open: it belongs to somebody else.
func (s *Stream) Close() error { return nil }

// String implements Sink.
func (s *Stream) String() string { return s.name }

func regular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}
