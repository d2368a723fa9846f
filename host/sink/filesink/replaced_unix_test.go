//go:build unix

package filesink

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// TestAppend_PathIsNotARegularFile_Fails: the sink neither waits for a pipe's reader nor drops records into a device.
func TestAppend_PathIsNotARegularFile_Fails(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a device": func(path string) error { return os.Symlink(os.DevNull, path) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for seen, see := range map[string]func(s *File) error{
			"by a page":   func(s *File) error { return s.Append(t.Context(), sinktest.Numbered(2, 3)) },
			"by a sync":   func(s *File) error { return s.Sync() },
			"by a reopen": func(s *File) error { _, err := s.Reopen(); return err },
		} {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			s := openFile(t, path, Options{})
			sinktest.Write(t, s, sinktest.Numbered(0, 1))
			if err := s.Append(t.Context(), sinktest.Numbered(1, 2)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Rename(path, path+".1"), put(path)); err != nil {
				t.Fatal(err)
			}
			if err := see(s); err == nil || !strings.Contains(err.Error(), "is now "+what) {
				t.Errorf("%s, seen %s: %v", what, seen, err)
			}
			if err := s.Sync(); err == nil {
				t.Errorf("%s: a later sync confirms the pages", what)
			}
		}
	}
}

// TestAppend_ForeignPartialLine_PutsFileAside: no record may become part of another program's partial line.
func TestAppend_ForeignPartialLine_PutsFileAside(t *testing.T) {
	for foreign, aside := range map[string]bool{`{"by":"another"`: true, `{"by":"another"}` + "\n": false} {
		path := filepath.Join(t.TempDir(), "out.ndjson")
		var notices []string
		s := openFile(t, path, Options{Notice: func(text string) { notices = append(notices, text) }})
		sinktest.Write(t, s, sinktest.Numbered(0, 2))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(foreign); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		sinktest.Write(t, s, sinktest.Numbered(2, 4))
		want := sinktest.Text(sinktest.Numbered(2, 4))
		if !aside {
			want = sinktest.Text(sinktest.Numbered(0, 2)) + foreign + want
		}
		if got := sinktest.Content(t, path); got != want || (len(notices) == 1) != aside {
			t.Errorf("%q: the file holds %q, notices %q", foreign, got, notices)
		}
		if old := strings.TrimSuffix(path, ".ndjson") + ".000001.ndjson"; aside && sinktest.Content(t, old) != sinktest.Text(sinktest.Numbered(0, 2))+foreign {
			t.Errorf("%s holds %q", old, sinktest.Content(t, old))
		}
	}
}
