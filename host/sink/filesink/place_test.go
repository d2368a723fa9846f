package filesink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// follower reads a file while it grows, as tail -F does: by its name, and each file to its end before the next. It fails
// the test if a file becomes shorter.
type follower struct {
	t    *testing.T
	path string
	f    *os.File
	at   int64
	text strings.Builder
}

func follow(t *testing.T, path string) *follower {
	r := &follower{t: t, path: path}
	t.Cleanup(func() {
		if r.f != nil {
			_ = r.f.Close()
		}
	})
	return r
}

// read reads to the current end and returns everything read so far.
func (r *follower) read() string {
	r.t.Helper()
	for {
		r.drain()
		there, err := os.Stat(r.path)
		if err != nil {
			return r.text.String()
		}
		if r.f != nil {
			if mine, err := r.f.Stat(); err == nil && os.SameFile(mine, there) {
				return r.text.String()
			}
			_ = r.f.Close()
		}
		if r.f, err = os.Open(r.path); err != nil {
			r.t.Fatal(err)
		}
		r.at = 0
	}
}

func (r *follower) drain() {
	r.t.Helper()
	if r.f == nil {
		return
	}
	info, err := r.f.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	if info.Size() < r.at {
		r.t.Fatalf("%s became shorter: %d bytes, now %d", r.path, r.at, info.Size())
	}
	b := make([]byte, info.Size()-r.at)
	n, _ := r.f.ReadAt(b, r.at)
	r.at += int64(n)
	r.text.Write(b[:n])
}

// TestFile_RenamedOrDeleted_IsReopened: every unconfirmed record is in one of the files or must be written again.
func TestFile_RenamedOrDeleted_IsReopened(t *testing.T) {
	for _, name := range []string{"out.ndjson", "out.ndjson.zst"} {
		for what, c := range map[string]struct {
			do     func(path string) error
			kept   bool // the old file keeps its records
			notice string
		}{
			"renamed": {func(path string) error { return os.Rename(path, path+".1") }, true, "was renamed"},
			"renamed, another made": {func(path string) error {
				return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o640))
			}, true, "was renamed"},
			"deleted": {os.Remove, false, "was deleted"},
			"replaced": {func(path string) error {
				return errors.Join(os.WriteFile(path+".x", nil, 0o600), os.Rename(path+".x", path))
			}, false, "was deleted"},
			"cut": {func(path string) error { return os.Truncate(path, 0) }, false, "was cut from"},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				var notices []string
				s := openFile(t, path, Options{Notice: func(text string) { notices = append(notices, text) }})
				old := func() string {
					if !c.kept {
						return ""
					}
					if err := os.Rename(path+".1", path+".1"+filepath.Ext(name)); err != nil {
						t.Fatal(err)
					}
					return sinktest.Content(t, path+".1"+filepath.Ext(name))
				}
				// All pages were confirmed before.
				sinktest.Write(t, s, sinktest.Numbered(0, 10))
				if err := c.do(path); err != nil {
					t.Fatal(err)
				}
				sinktest.Write(t, s, sinktest.Numbered(10, 20))
				if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(10, 20)) || c.kept && old() != sinktest.Text(sinktest.Numbered(0, 10)) {
					t.Errorf("confirmed before: %q", got)
				}
				if len(notices) != 1 || !strings.Contains(notices[0], c.notice) {
					t.Errorf("notices %q, want %q", notices, c.notice)
				}
				// The change is found by the next page, or by the Sync.
				for i, seen := range []func() error{
					func() error { return s.Append(t.Context(), sinktest.Numbered(30, 40)) },
					func() error { return s.Sync() },
				} {
					if err := s.Append(t.Context(), sinktest.Numbered(20, 30)); err != nil {
						t.Fatal(err)
					}
					before := sinktest.Content(t, path)
					if err := c.do(path); err != nil {
						t.Fatal(err)
					}
					err := seen()
					if c.kept {
						if err != nil || old() != before {
							t.Errorf("%d: %v", i, err)
						}
						if err := s.Sync(); err != nil {
							t.Errorf("%d: %v", i, err)
						}
						continue
					}
					if !errors.Is(err, sink.ErrRewrite) {
						t.Errorf("%d: %v, want ErrRewrite", i, err)
					}
					sinktest.Write(t, s, sinktest.Numbered(20, 40))
					if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(20, 40)) {
						t.Errorf("%d: the new file holds %q", i, got)
					}
				}
			})
		}
	}
}

// deleting is a disk that deletes a file while it is synced.
type deleting struct {
	durable.Disk
	when *bool
}

type deletingFile struct {
	durable.File
	path string
	when *bool
}

func (d deleting) Append(path string, mode os.FileMode) (durable.File, error) {
	f, err := d.Disk.Append(path, mode)
	return deletingFile{f, path, d.when}, err
}

func (f deletingFile) Sync() error {
	if *f.when {
		*f.when = false
		return errors.Join(f.File.Sync(), os.Remove(f.path))
	}
	return f.File.Sync()
}

// TestSync_FileDeletedMeanwhile_NeedsRewrite: pages in a file that is deleted during Sync are not confirmed.
func TestSync_FileDeletedMeanwhile_NeedsRewrite(t *testing.T) {
	when := false
	path := filepath.Join(t.TempDir(), "out")
	s, err := Open(path, Options{Disk: deleting{durable.OS, &when}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Append(t.Context(), sinktest.Numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	when = true
	if err := s.Sync(); !errors.Is(err, sink.ErrRewrite) {
		t.Errorf("%v", err)
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(0, 10)) {
		t.Errorf("%q", got)
	}
}

// TestReopen_FileRenamed_OpensPathAgain checks what SIGHUP does.
func TestReopen_FileRenamed_OpensPathAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := openFile(t, path, Options{})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	if reopened, err := s.Reopen(); reopened || err != nil {
		t.Errorf("%v, %v of a file that was not moved", reopened, err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if reopened, err := s.Reopen(); !reopened || err != nil {
		t.Errorf("%v, %v", reopened, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if err := s.Append(t.Context(), sinktest.Numbered(1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if reopened, err := s.Reopen(); !reopened || err != nil {
		t.Errorf("%v, %v", reopened, err)
	}
	if err := s.Sync(); !errors.Is(err, sink.ErrRewrite) {
		t.Errorf("the deleted page: %v", err)
	}
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
}

// TestWrite_LinkChanged_FollowsLink: later records go to the link's new target.
func TestWrite_LinkChanged_FollowsLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "current.ndjson")
	point := func(name string) {
		t.Helper()
		_ = os.Remove(link) // fails the first time
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
	}
	point("one.ndjson")
	s := openFile(t, link, Options{})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	point("two.ndjson")
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
	for i, name := range []string{"one.ndjson", "two.ndjson"} {
		if got := sinktest.Content(t, filepath.Join(dir, name)); got != sinktest.Text(sinktest.Numbered(i, i+1)) {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

// inDeletedFolder opens a file in a folder, appends a page without a Sync, and deletes the folder.
func inDeletedFolder(t *testing.T) (s *File, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, filepath.Join(dir, "out"), Options{})
	if err := s.Append(t.Context(), sinktest.Numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// TestSync_FolderDeleted_Fails: the lost pages are not confirmed.
func TestSync_FolderDeleted_Fails(t *testing.T) {
	s, dir := inDeletedFolder(t)
	for range 2 {
		if err := s.Sync(); err == nil || errors.Is(err, sink.ErrRewrite) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v", err)
		}
	}
}

// TestAppend_FolderRestored_Continues: until then the sink is unavailable. Unconfirmed pages must be written again.
func TestAppend_FolderRestored_Continues(t *testing.T) {
	s, dir := inDeletedFolder(t)
	if err := s.Sync(); !errors.Is(err, sink.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := s.Append(t.Context(), sinktest.Numbered(0, 10)); !errors.Is(err, sink.ErrUnavailable) || s.Status().Up {
		t.Errorf("%v, %+v", err, s.Status())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), sinktest.Numbered(0, 10)); !errors.Is(err, sink.ErrRewrite) {
		t.Errorf("%v", err)
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	if err := os.RemoveAll(dir); err != nil { // confirmed pages are not written again
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), sinktest.Numbered(10, 20)); !errors.Is(err, sink.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sinktest.Write(t, s, sinktest.Numbered(10, 20))
	text, err := os.ReadFile(filepath.Join(dir, "out"))
	if n := strings.Count(string(text), "\n"); err != nil || n != 10 || !s.Status().Up {
		t.Errorf("%d lines, %v, %+v", n, err, s.Status())
	}
}

// TestFile_ModeSet_AppliesToEveryNewFile includes files after a rotation. The umask does not matter.
func TestFile_ModeSet_AppliesToEveryNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	s := openFile(t, path, Options{Mode: 0o664, RotateSize: 1})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sinktest.Write(t, s, sinktest.Numbered(2, 3))
	for _, path := range append(putAside(t, path), path) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o664 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestFile_ConcurrentReader_SeesEachRecordOnce covers rotations, renames, full disks and processes that end at any byte.
func TestFile_ConcurrentReader_SeesEachRecordOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	reader := follow(t, path)
	known := map[string]bool{}
	next := 0
	for round := range 60 {
		s, err := Open(path, Options{RotateSize: 3000})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Replay(func(record []byte) bool {
			was := known[string(record)]
			known[string(record)] = true
			return was
		}); err != nil {
			t.Fatal(err)
		}
		s.f = &sinktest.FailingFile{File: s.f, Room: 37 * round % 1900} // the process ends after so many bytes
		for {
			var page sinktest.Lines
			for _, l := range sinktest.Numbered(next, next+5) {
				if !known[l] {
					page = append(page, l)
				}
			}
			if s.Write(t.Context(), page) != nil {
				break
			}
			for _, l := range page {
				known[l] = true
			}
			next += 5
			reader.read()
			if round%7 == 3 {
				if err := os.Rename(path, fmt.Sprintf("%s.old-%d-%d", path, round, next)); err != nil {
					t.Fatal(err)
				}
			}
			if next > 50*(round+1) {
				break
			}
		}
		reader.read()
		_ = s.f.(interface{ Close() error }).Close() // as when a process is killed
	}
	s := openFile(t, path, Options{})
	var rest sinktest.Lines
	for _, l := range sinktest.Numbered(next, next+5) {
		if !known[l] {
			rest = append(rest, l)
		}
	}
	sinktest.Write(t, s, rest)
	if got, want := reader.read(), sinktest.Text(sinktest.Numbered(0, next+5)); got != want {
		t.Errorf("the reader got %d lines, want %d, each once", strings.Count(got, "\n"), next+5)
	}
}

// TestFile_ConcurrentUse_KeepsConfirmedRecords appends and syncs pages. Concurrently the path is reopened, the timer
// puts the file aside, and another program renames it. Every record that a Sync confirmed must be in some file.
func TestFile_ConcurrentUse_KeepsConfirmedRecords(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.ndjson")
	s := openFile(t, path, Options{RotateEvery: 3 * time.Millisecond, RotateSize: 20_000})
	done := make(chan struct{})
	var loops sync.WaitGroup
	loop := func(do func(n int)) {
		loops.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					do(n)
				}
			}
		})
	}
	loop(func(int) {
		if _, err := s.Reopen(); err != nil {
			t.Error(err)
		}
		_ = s.Status()
		_, _ = s.ID()
		time.Sleep(time.Millisecond)
	})
	loop(func(n int) {
		time.Sleep(2 * time.Millisecond)
		_ = os.Rename(path, fmt.Sprintf("%s.renamed-%d", path, n)) // fails if it was just put aside
	})
	syncs := make(chan error, 1)
	confirmed, rewrites := 0, 0
	for n := 0; n < 3000; {
		from := n
		var err error
		for range 3 { // these pages are synced together, while the next is appended
			if err = s.Append(t.Context(), sinktest.Numbered(n, n+10)); err != nil {
				break
			}
			n += 10
		}
		if err == nil {
			go func() { syncs <- s.Sync() }()
			err = s.Append(t.Context(), sinktest.Lines{fmt.Sprintf(`{"uuid":"concurrent-%d"}`, n)})
			err = errors.Join(err, <-syncs)
		}
		switch {
		case errors.Is(err, sink.ErrRewrite):
			rewrites++
			n = from
		case err != nil:
			t.Fatal(err)
		default:
			confirmed = n
		}
	}
	close(done)
	loops.Wait()
	_ = s.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		all.WriteString(rawOf(t, filepath.Join(dir, e.Name())))
	}
	missing := 0
	for _, l := range sinktest.Numbered(0, confirmed) {
		if !strings.Contains(all.String(), l+"\n") {
			missing++
		}
	}
	if missing > 0 || confirmed < 3000 {
		t.Errorf("%d of %d confirmed records are in none of %d files after %d rewrites", missing, confirmed, len(entries), rewrites)
	}
}
