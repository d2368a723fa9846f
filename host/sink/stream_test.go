package sink_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// TestWrite_StreamFileCutOrDeleted_WritesNoHole also checks that a Write to a deleted file fails.
func TestWrite_StreamFileCutOrDeleted_WritesNoHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path) // as a shell does for >
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s := sink.NewStream("standard output", f)
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	sinktest.Write(t, s, sinktest.Numbered(10, 20))
	if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(10, 20)) {
		t.Errorf("%q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), sinktest.Numbered(20, 30)); err == nil || !strings.Contains(err.Error(), "standard output: its file was deleted") {
		t.Errorf("%v", err)
	}
}

// brokenPage is a page that cannot be written.
type brokenPage struct{ sinktest.Lines }

func (brokenPage) WriteTo(io.Writer) (int64, error) { return 0, io.ErrShortWrite }

func TestWrite_PageFails_ReturnsError(t *testing.T) {
	s := sink.NewStream("standard output", io.Discard)
	if err := s.Write(context.Background(), brokenPage{sinktest.Numbered(0, 1)}); err == nil || !strings.Contains(err.Error(), "standard output") {
		t.Errorf("got %v", err)
	}
}
