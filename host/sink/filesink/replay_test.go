package filesink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

func replayed(t *testing.T, s *File, known int) (all []string) {
	t.Helper()
	if err := s.Replay(func(record []byte) bool {
		all = append(all, string(record))
		return len(all) == known
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

func TestReplay_LastRecords_AreReturnedInOrder(t *testing.T) {
	for _, name := range []string{"events.ndjson", "events.ndjson.zst"} {
		path := filepath.Join(t.TempDir(), name)
		s := openFile(t, path, Options{})
		if got := replayed(t, s, -1); got != nil {
			t.Errorf("%s: %d of an empty file", name, len(got))
		}
		var want []string
		for i := range 40 { // some megabytes; some lines are longer than one read
			p := sinktest.Numbered(i*100, i*100+100)
			if i%10 == 0 {
				p = append(p, fmt.Sprintf(`{"uuid":"long-%d","pad":%q}`, i, strings.Repeat("y", 2_500_000)))
			}
			sinktest.Write(t, s, p)
			want = append(want, p...)
			if i == 30 {
				s.mu.Lock()
				_, err := s.rotate()
				s.mu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := replayed(t, s, -1); !slices.Equal(got, want) {
			t.Errorf("%s: %d of %d records", name, len(got), len(want))
		}
		if got := replayed(t, s, 950); !slices.Equal(got, want[len(want)-950:]) {
			t.Errorf("%s: %d records, want the last 950", name, len(got))
		}
	}
}

func TestReplay_LargeFile_StopsAtReplayBytes(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "events.ndjson"), Options{})
	page := sinktest.Lines{`{"uuid":"a","pad":"` + strings.Repeat("x", 1<<20) + `"}`}
	for range sink.ReplayBytes>>20 + 20 {
		if err := s.Append(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(replayed(t, s, -1)); n < sink.ReplayBytes>>20-2 || n > sink.ReplayBytes>>20+2 {
		t.Errorf("%d MiB", n)
	}
}

// TestReplay_RenamedFile_IsFoundByIdentity: only renamed files that ReplayAlso named are read.
func TestReplay_RenamedFile_IsFoundByIdentity(t *testing.T) {
	for _, name := range []string{"events.ndjson", "events.ndjson.zst"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		s := openFile(t, path, Options{})
		var ids []durable.ID
		for i := range 3 {
			sinktest.Write(t, s, sinktest.Numbered(10*i, 10*i+10))
			id, ok := s.ID()
			if !ok {
				t.Skip("this system has no file identities")
			}
			if i > 0 {
				ids = append(ids, id)
			}
			if err := os.Rename(path, filepath.Join(dir, fmt.Sprint("old.", i))); err != nil {
				t.Fatal(err)
			}
		}
		sinktest.Write(t, s, sinktest.Numbered(100, 110))
		s.ReplayAlso(ids)
		if got := replayed(t, s, -1); len(got) != 30 {
			t.Errorf("%s: %d replayed, want 10 of the file and 20 of the named files", name, len(got))
		}
	}
}
