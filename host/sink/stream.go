package sink

import (
	"bufio"
	"context"
	"io"
	"os"
)

// Stream writes NDJSON to what somebody else opened, such as standard output. A regular file behind it is synced.
type Stream struct {
	name string
	w    *bufio.Writer
	sync func() error
}

// NewStream makes a Stream that is called name in messages.
func NewStream(name string, w io.Writer) *Stream {
	s := &Stream{name: name, w: bufio.NewWriterSize(w, 64<<10)}
	if f, ok := w.(*os.File); ok && regular(f) {
		s.sync = f.Sync
	}
	return s
}

// Write implements Sink.
func (s *Stream) Write(_ context.Context, p Page) error {
	if p.Len() == 0 {
		return nil
	}
	_, err := p.WriteTo(s.w)
	if err == nil {
		err = s.w.Flush()
	}
	if err == nil && s.sync != nil {
		err = s.sync()
	}
	if err != nil {
		return failed(s.name, err)
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
