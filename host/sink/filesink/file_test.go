package filesink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

func openFile(t *testing.T, path string, o Options) *File {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestWrite_ExistingFile_Appends(t *testing.T) {
	for _, name := range []string{"events.ndjson", "events.ndjson.zst"} {
		path := filepath.Join(t.TempDir(), name)
		for i := range 3 {
			s := openFile(t, path, Options{})
			sinktest.Write(t, s, sinktest.Numbered(10*i, 10*i+5))
			sinktest.Write(t, s, sinktest.Lines{})
			sinktest.Write(t, s, sinktest.Numbered(10*i+5, 10*i+10))
			if s.Tear() != (Tear{}) {
				t.Errorf("%+v of a whole file", s.Tear())
			}
			_ = s.Close()
		}
		if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(0, 30)) {
			t.Errorf("%s holds\n%s", name, got)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600: its records are confidential", name, info.Mode())
		}
	}
}

func TestWrite_OverRotateSize_PutsFileAside(t *testing.T) {
	for _, name := range []string{"events.ndjson", "events.ndjson.zst", "events"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		stem, rest, _ := strings.Cut(name, ".")
		if rest != "" {
			rest = "." + rest
		}
		if err := os.WriteFile(filepath.Join(dir, stem+".000041"+rest), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openFile(t, path, Options{RotateSize: 1})
		for i := range 3 {
			sinktest.Write(t, s, sinktest.Numbered(i, i+1))
		}
		sinktest.Write(t, s, sinktest.Lines{}) // an empty page creates no file
		var got []string
		for _, n := range []string{stem + ".000042" + rest, stem + ".000043" + rest, name} {
			got = append(got, sinktest.Content(t, filepath.Join(dir, n)))
		}
		if want := []string{sinktest.Text(sinktest.Numbered(0, 1)), sinktest.Text(sinktest.Numbered(1, 2)), sinktest.Text(sinktest.Numbered(2, 3))}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 4 {
			t.Errorf("%s: %v", name, entries)
		}
	}
}

func TestFile_OverRotateEvery_IsPutAsideWithoutAPage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.ndjson")
	s := openFile(t, path, Options{RotateEvery: 20 * time.Millisecond})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	aside := filepath.Join(dir, "events.000001.ndjson")
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(aside); err == nil {
			break
		} else if time.Since(began) > time.Minute {
			t.Fatal("the file was not put aside within a minute")
		}
	}
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
	_ = s.Close()
	rest := ""
	for _, e := range []string{"events.000002.ndjson", "events.ndjson"} { // the second may also have been put aside
		if b, err := os.ReadFile(filepath.Join(dir, e)); err == nil {
			rest += string(b)
		}
	}
	if sinktest.Content(t, aside) != sinktest.Text(sinktest.Numbered(0, 1)) || rest != sinktest.Text(sinktest.Numbered(1, 2)) {
		t.Errorf("%q, then %q", sinktest.Content(t, aside), rest)
	}
}

// putAside returns the files that were put aside from path, oldest first.
func putAside(t *testing.T, path string) (all []string) {
	t.Helper()
	n, name, err := asides(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		all = append(all, name(i+1))
	}
	return all
}

// rawOf returns the content of a file, or "" if it does not exist.
func rawOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// TestWrite_TornLine_IsCompleted: a partial record that a crash left is completed when the record is written again,
// wherever it is in its page. Otherwise the file is put aside unchanged.
func TestWrite_TornLine_IsCompleted(t *testing.T) {
	long := `{"uuid":"` + strings.Repeat("x", 200_000) + `"}`
	for name, c := range map[string]struct {
		before string
		page   sinktest.Lines
		aside  bool   // whether the file is put aside, by Open or by the page
		after  string // content of the file at the path
	}{
		"nothing":                        {"", sinktest.Lines{`{"c":3}`}, false, "{\"c\":3}\n"},
		"whole lines":                    {"{\"a\":1}\n{\"b\":2}\n", sinktest.Lines{`{"c":3}`}, false, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
		"half a line":                    {"{\"a\":1}\n{\"b\"", sinktest.Lines{`{"b":2}`, `{"c":3}`}, false, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
		"half of a later record":         {"{\"a\":1}\n{\"c\"", sinktest.Lines{`{"b":2}`, `{"c":3}`, `{"d":4}`}, false, "{\"a\":1}\n{\"c\":3}\n{\"b\":2}\n{\"d\":4}\n"},
		"half a line that does not come": {"{\"a\":1}\n{\"b\"", sinktest.Lines{`{"c":3}`}, true, "{\"c\":3}\n"},
		"a bracket":                      {"{\"a\":1}\n{", sinktest.Lines{`{"c":3}`}, false, "{\"a\":1}\n{\"c\":3}\n"},
		"a line without its end":         {"{\"a\":1}\n{\"b\":2}", sinktest.Lines{`{"c":3}`}, false, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"}, // a whole record
		"that line alone":                {"{\"b\":2}", sinktest.Lines{`{"c":3}`}, false, "{\"b\":2}\n{\"c\":3}\n"},
		"that line and zeros":            {"{\"a\":1}\n{\"b\":2}\x00\x00", sinktest.Lines{`{"b":2}`}, true, "{\"b\":2}\n"},
		"zeros alone":                    {strings.Repeat("\x00", 5000), sinktest.Lines{`{"c":3}`}, true, "{\"c\":3}\n"},
		"half a line alone":              {"{\"a\"", sinktest.Lines{`{"a":1}`}, false, "{\"a\":1}\n"},
		"a long one":                     {"{\"a\":1}\n" + long[:len(long)-1], sinktest.Lines{long}, false, "{\"a\":1}\n" + long + "\n"},
		"one behind a long one":          {long + "\n{", sinktest.Lines{`{"c":3}`}, false, long + "\n{\"c\":3}\n"},
		"zeros":                          {"{\"a\":1}\n\x00\x00\x00", sinktest.Lines{`{"c":3}`}, true, "{\"c\":3}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			s := openFile(t, path, Options{})
			sinktest.Write(t, s, c.page)
			if got := sinktest.Content(t, path); got != c.after {
				t.Errorf("%q, want %q", got, c.after)
			}
			aside := putAside(t, path)
			if c.aside != (len(aside) == 1) || c.aside && rawOf(t, aside[0]) != c.before {
				t.Errorf("put aside: %q, want %v, with unchanged content", aside, c.aside)
			}
		})
	}
}

// TestWrite_TornFrame_IsCompleted cuts a compressed file at every length. If the same page is written again, its frame is
// completed. Otherwise the file is put aside, and its whole frames stay readable. A frame that lacks only its checksum
// gets it.
func TestWrite_TornFrame_IsCompleted(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.zst")
	s := openFile(t, whole, Options{})
	var ends []int64
	var pages []sinktest.Lines
	for i := range 4 {
		pages = append(pages, sinktest.Numbered(100*i, 100*i+3))
		sinktest.Write(t, s, pages[i])
		info, _ := os.Stat(whole)
		ends = append(ends, info.Size())
	}
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(len(b) + 1) {
		near := slices.ContainsFunc(ends, func(end int64) bool { return n >= end-frameChecksum-1 && n <= end+1 })
		if testing.Short() && n%7 != 0 && !near {
			continue // the long run cuts at each byte
		}
		there := 0 // pages
		for there < len(ends) && ends[there] <= n {
			there++
		}
		torn := n > 0 && (there == 0 || ends[there-1] != n)
		for tail, agrees := range map[string]bool{"": true, strings.Repeat("\x00", 40): false} { // some file systems leave zeros
			there, torn := there, torn
			if agrees && there < len(ends) && n >= ends[there]-frameChecksum { // Open completes the checksum: a reader may already have its records
				there, torn = there+1, false
			}
			for _, same := range []bool{true, false} {
				path := filepath.Join(t.TempDir(), "torn.zst")
				if err := os.WriteFile(path, append(b[:n:n], tail...), 0o600); err != nil {
					t.Fatal(err)
				}
				s, err := Open(path, Options{})
				if err != nil {
					t.Fatalf("cut at %d and %d zeros: %v", n, len(tail), err)
				}
				var page sinktest.Lines
				if page = sinktest.Numbered(1000, 1003); same && there < len(pages) {
					page = pages[there]
				}
				sinktest.Write(t, s, page)
				_ = s.Close()
				aside := putAside(t, path)
				goesOn := tail == "" && !torn || agrees && same && there < len(pages)
				if agrees && torn && !same {
					goesOn = len(aside) == 0 // two frames may begin alike
				}
				want := sinktest.Text(append(slices.Clone(pages[:there]), page)...)
				if !goesOn {
					want = sinktest.Text(page)
				}
				if got := sinktest.Content(t, path); got != want || goesOn != (len(aside) == 0) {
					t.Fatalf("cut at %d and %d zeros, the same page: %v: %q, want %q; put aside: %q", n, len(tail), same, got, want, aside)
				}
				if goesOn {
					continue
				}
				if rawOf(t, aside[0]) != string(b[:n])+tail {
					t.Fatalf("cut at %d: the file that was put aside was changed", n)
				}
				if got, want := framesOf(t, aside[0]), sinktest.Text(pages[:there]...); got != want {
					t.Fatalf("cut at %d: a reader of the file that was put aside gets %q, want %q", n, got, want)
				}
			}
		}
	}
}

// framesOf returns what a reader gets from a compressed file before its first damage.
func framesOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	end, err := frameEnd(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, end.end)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestOpen_DamagedFrame_PutsFileAside: the frame has the right length and a wrong checksum.
func TestOpen_DamagedFrame_PutsFileAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.zst")
	s := openFile(t, path, Options{})
	for i := range 4 {
		sinktest.Write(t, s, sinktest.Numbered(100*i, 100*i+3))
	}
	_ = s.Close()
	b := []byte(rawOf(t, path))
	b[len(b)-6] ^= 0x55
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, path, Options{})
	if got := framesOf(t, s.Tear().Aside); got != sinktest.Text(sinktest.Numbered(0, 3), sinktest.Numbered(100, 103), sinktest.Numbered(200, 203)) {
		t.Errorf("put aside: %q", got)
	}
	if got := replayed(t, s, -1); len(got) != 9 {
		t.Errorf("%d replayed, want the 9 records of the whole frames", len(got))
	}
	sinktest.Write(t, s, sinktest.Numbered(300, 303))
	if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(300, 303)) {
		t.Errorf("%q", got)
	}
}

func TestOpen_ForeignFile_FailsWithoutChange(t *testing.T) {
	dir := t.TempDir()
	for name, before := range map[string]string{
		"letter":     "Hello Ada,\nyours, Charles",
		"csv":        "login,status\nada,ACTIVE\n",
		"pretty":     "[\n  {\"uuid\":1}\n]\n",
		"log":        "2026-01-02 started\n",
		"yaml":       "connections:\n  - name: okta\n",
		"lines.zst":  "{\"uuid\":1}\n",
		"other.zst":  "\x28\xb5\x2f\xfc0123456789",
		"text.zst":   frameOf(sinktest.Numbered(0, 3)) + "{\"uuid\":1}\n",
		"zeros.zst":  strings.Repeat("\x00", 5000) + "\x01CD001" + strings.Repeat("\x00", 50),
		"zeros":      strings.Repeat("\x00", 5000) + "\x01CD001" + strings.Repeat("\x00", 50),
		"png":        "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
		"sqlite":     "{SQLite format 3\x00\x10\x00\x02",
		"broken.zst": "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(path); string(after) != before {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestWrite_SamePageAfterFullDisk_IsCompleted: the part of a page that was written before the disk was full stays. When
// its records are written again, whole ones are skipped and the partial one is completed.
func TestWrite_SamePageAfterFullDisk_IsCompleted(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		for _, room := range []int{0, 1, 60, 500, 20_000} {
			path := filepath.Join(t.TempDir(), "out")
			s := openFile(t, path, Options{Zstd: compressed})
			sinktest.Write(t, s, noise(0, 10))
			before := rawOf(t, path)
			d := &sinktest.FailingFile{File: s.f, Room: room}
			s.f = d
			err := s.Write(context.Background(), noise(10, 2000))
			if err == nil || !strings.Contains(err.Error(), "no space left: free some space and run again; the current page is not checkpointed") {
				t.Errorf("%v", err)
			}
			torn := rawOf(t, path)
			if len(torn) != len(before)+room {
				t.Errorf("%d bytes, want %d, up to the full disk", len(torn), len(before)+room)
			}
			d.Room = min(room/2, 1000)
			if err := s.Write(context.Background(), noise(10, 2000)); err == nil {
				t.Error("a write to a full disk succeeds")
			}
			d.Room = 1 << 20
			if compressed {
				sinktest.Write(t, s, noise(10, 2000))
			} else {
				sinktest.Write(t, s, noise(10, 300))
				sinktest.Write(t, s, noise(300, 2000))
			}
			_ = s.Close()
			if after := rawOf(t, path); !strings.HasPrefix(after, torn) || len(putAside(t, path)) > 0 {
				t.Errorf("compressed %v, room %d: the earlier content was changed or put aside", compressed, room)
			}
			if compressed {
				if err := os.Rename(path, path+".zst"); err != nil {
					t.Fatal(err)
				}
				path += ".zst"
			}
			if got := sinktest.Content(t, path); got != sinktest.Text(noise(0, 2000)) {
				t.Errorf("compressed %v, room %d: %d bytes, want %d", compressed, room, len(got), len(sinktest.Text(noise(0, 2000))))
			}
		}
	}
}

// TestWrite_OtherPageAfterFullDisk_PutsFileAside: if no record completes the partial one, the file is put aside
// unchanged.
func TestWrite_OtherPageAfterFullDisk_PutsFileAside(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out")
		var notices []string
		s := openFile(t, path, Options{Zstd: compressed, Notice: func(text string) { notices = append(notices, text) }})
		sinktest.Write(t, s, noise(0, 10))
		d := &sinktest.FailingFile{File: s.f, Room: 460}
		s.f = d
		if err := s.Write(context.Background(), noise(10, 100)); err == nil {
			t.Error("a write to a full disk succeeds")
		}
		torn := rawOf(t, path)
		d.Room = 1 << 20
		sinktest.Write(t, s, noise(200, 300))
		aside := putAside(t, path)
		if len(aside) != 1 || rawOf(t, aside[0]) != torn || len(notices) != 1 || !strings.Contains(notices[0], "it was renamed to "+aside[0]) {
			t.Fatalf("put aside: %q, notices %q", aside, notices)
		}
	}
}

func TestWrite_SyncFails_PutsFileAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := openFile(t, path, Options{})
	s.f = &sinktest.FailingFile{File: s.f, Room: 1 << 20, NoSync: true}
	if err := s.Write(context.Background(), sinktest.Numbered(0, 1)); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if got := rawOf(t, path); got != "" {
		t.Errorf("%q", got)
	}
	// The system shows the page even if it is not on the disk. No later run may take it for durable.
	if got := sinktest.Content(t, path+".damaged-1"); got != sinktest.Text(sinktest.Numbered(0, 1)) {
		t.Errorf("put aside: %q", got)
	}
	if got := replayed(t, openFile(t, path, Options{}), -1); len(got) > 0 {
		t.Errorf("replayed: %q", got)
	}
}

func TestWrite_Device_IsNeverRotated(t *testing.T) {
	s := openFile(t, os.DevNull, Options{RotateSize: 1, RotateEvery: time.Nanosecond})
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
}

func frameOf(p sinktest.Lines) string {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	return string(enc.EncodeAll([]byte(sinktest.Text(p)), nil))
}

// TestOpen_Hole_PutsFileAside: if pages were not synced, a later one may be on the disk and an earlier one not. The file
// is put aside unchanged. Only its readable records are replayed.
func TestOpen_Hole_PutsFileAside(t *testing.T) {
	for _, name := range []string{"out.ndjson", "out.ndjson.zst"} {
		for _, hole := range []struct {
			name     string
			from, to float64 // pages
		}{
			{"in one page", 3.2, 3.8}, {"a whole page", 3, 4}, {"over a border", 3.5, 4.5}, {"the beginning of a page", 3, 3.1},
			{"the end of a page", 3.9, 4}, {"from the first page on", 0, 1.5},
		} {
			t.Run(name+", "+hole.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				s := openFile(t, path, Options{})
				ends := []int64{0}
				for i := range 7 {
					sinktest.Write(t, s, noise(100*i, 100*i+100))
					info, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					ends = append(ends, info.Size())
				}
				_ = s.Close()
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				at := func(pages float64) int64 {
					i := int(pages)
					return ends[i] + int64((pages-float64(i))*float64(ends[i+1]-ends[i]))
				}
				clear(b[at(hole.from):at(hole.to)])
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				s = openFile(t, path, Options{})
				aside := s.Tear().Aside
				if rawOf(t, aside) != string(b) {
					t.Errorf("%s differs from the file before", aside)
				}
				if len(rawOf(t, path)) > 0 {
					t.Error("the new file is not empty")
				}
				whole := int64(len(b)) - s.Tear().Bytes
				if whole > at(hole.from) || whole < ends[int(hole.from)] || strings.HasSuffix(name, ".zst") && whole != ends[int(hole.from)] {
					t.Errorf("whole up to byte %d, but the hole begins at %d, in the page at %d", whole, at(hole.from), ends[int(hole.from)])
				}
				var want []string
				if strings.HasSuffix(name, ".zst") {
					want = noise(0, 100*int(hole.from))
				} else {
					for line := range strings.Lines(string(b)) {
						if !strings.Contains(line, "\x00") {
							want = append(want, strings.TrimSuffix(line, "\n"))
						}
					}
				}
				if got := replayed(t, s, -1); !slices.Equal(got, want) {
					t.Errorf("%d replayed, want the %d readable records", len(got), len(want))
				}
				sinktest.Write(t, s, noise(5000, 5001))
				_ = sinktest.Content(t, path) // fails if it does not decompress
			})
		}
	}
}

// TestOpen_OneLargeForeignFrame_Appends: a user may have compressed the file as one frame of any size. It is not damaged.
func TestOpen_OneLargeForeignFrame_Appends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.zst")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(`{"uuid":"a","pad":"` + strings.Repeat("x", 1<<20) + "\"}\n")
	for range maxDecoded>>20 + 1 {
		if _, err := enc.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(enc.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := openFile(t, path, Options{})
	if got := replayed(t, s, -1); s.Tear() != (Tear{}) || len(got) != 0 {
		t.Errorf("%+v, %d replayed", s.Tear(), len(got))
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 3))
	if after, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(after, before) {
		t.Errorf("the earlier content was changed: %v", err)
	}
	if got := replayed(t, s, -1); len(got) != 3 {
		t.Errorf("%d replayed, want the 3 appended records", len(got))
	}
}

// noise returns records that compress badly.
func noise(from, to int) (p sinktest.Lines) {
	for i := from; i < to; i++ {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		p = append(p, fmt.Sprintf(`{"uuid":"%d","hash":"%x"}`, i, sum))
	}
	return p
}

// TestOpen_HoleFarFromEnd_Fails: everything that far from the end was synced, so no crash made the hole.
func TestOpen_HoleFarFromEnd_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.zst")
	begun := frameOf(noise(0, 100)) + frameMagic + "\x00\x50\x06\x00\x00" // a block of an unknown type
	if err := errors.Join(os.WriteFile(path, []byte(begun), 0o600), os.Truncate(path, maxTorn+4000)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "more than a crash can cause: move it elsewhere and run again, which starts a new file") {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < maxTorn {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

func FuzzLineEnd(f *testing.F) {
	for _, text := range []string{"{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n\x00\x00{\"b\":2}\n", "\x00", "{\"a\":1}\n{\"b", "Hello Ada,\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := lineEnd(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if found.end < 0 || found.end > int64(len(b)) || found.unended && found.end != int64(len(b)) || bytes.IndexByte(b[:found.end], 0) >= 0 {
			t.Fatalf("%+v of %d", found, len(b))
		}
		left := bytes.Clone(b[:found.end])
		if found.unended {
			left = append(left, '\n')
		}
		if again, err := lineEnd(bytes.NewReader(left), int64(len(left))); err != nil || again != (tail{end: int64(len(left))}) {
			t.Fatalf("the rest is not whole: %+v of %d, %v", again, len(left), err)
		}
	})
}

func FuzzFrameEnd(f *testing.F) {
	enc, _ := zstd.NewWriter(nil)
	one := enc.EncodeAll([]byte(sinktest.Text(sinktest.Numbered(0, 50))), nil)
	f.Add(one)
	f.Add(append(bytes.Clone(one), one[:len(one)/2]...))
	f.Add([]byte{0x28, 0xb5, 0x2f})
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := frameEnd(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		end := found.end
		if end < 0 || end > int64(len(b)) {
			t.Fatalf("%d of %d", end, len(b))
		}
		if again, err := frameEnd(bytes.NewReader(b[:end]), end); err != nil || again.end != end {
			t.Fatalf("the rest is not whole: %d of %d, %v", again.end, end, err)
		}
	})
}

// TestSync_RotationFailed_Fails: a rotation syncs. If that fails, the pages before it may be lost, and no later Sync may
// succeed, since a checkpoint would follow.
func TestSync_RotationFailed_Fails(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		opts   Options
		rotate func(t *testing.T, s *File)
	}{
		{"by size", Options{RotateSize: 1}, func(t *testing.T, s *File) {
			if err := s.Append(ctx, sinktest.Numbered(10, 20)); !errors.Is(err, syscall.EIO) {
				t.Errorf("the page that rotated: %v", err)
			}
		}},
		{"by time", Options{RotateEvery: time.Hour}, func(_ *testing.T, s *File) {
			s.mu.Lock()
			defer s.mu.Unlock()
			_, _ = s.rotate() // as the timer does
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			s := openFile(t, path, c.opts)
			if err := s.Append(ctx, sinktest.Numbered(0, 10)); err != nil {
				t.Fatal(err)
			}
			d := &sinktest.FailingFile{File: s.f, Room: 1 << 20, NoSync: true}
			s.f = d
			c.rotate(t, s)
			d.NoSync = false
			if err := s.Sync(); !errors.Is(err, syscall.EIO) {
				t.Errorf("the sync of lost pages: %v", err)
			}
			if err := s.Append(ctx, sinktest.Numbered(20, 30)); !errors.Is(err, syscall.EIO) {
				t.Errorf("a page after them: %v", err)
			}
			if got := rawOf(t, path); got != "" { // the file was put aside, so that no later run takes it for durable
				t.Errorf("%d bytes at the path, want none", len(got))
			}
			if err := s.Close(); !errors.Is(err, syscall.EIO) {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// intruded is a disk on which another process takes a path as soon as the file there was put aside.
type intruded struct {
	durable.Disk
	other *durable.File
}

func (d intruded) Rename(from, to string) error {
	err := d.Disk.Rename(from, to)
	*d.other, _ = durable.OS.Append(from, 0)
	return err
}

// TestAppend_NameTakenDuringRotation_Fails: the earlier records stay, and no further page is taken.
func TestAppend_NameTakenDuringRotation_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	var other durable.File
	s, err := Open(path, Options{Disk: intruded{durable.OS, &other}, RotateSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	if err := s.Append(t.Context(), sinktest.Numbered(10, 20)); !strings.Contains(err.Error(), "another process writes to "+path) {
		t.Errorf("%v", err)
	}
	if other == nil {
		t.Fatal("the other process did not take the path")
	}
	if err := errors.Join(s.Sync(), s.Append(t.Context(), sinktest.Numbered(20, 30))); err == nil {
		t.Error("a further page is taken")
	}
	_, err = other.Write([]byte("{}\n"))
	if err := errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if got := sinktest.Content(t, strings.Replace(path, "events", "events.000001", 1)); got != sinktest.Text(sinktest.Numbered(0, 10)) {
		t.Errorf("the file that was put aside holds %q", got)
	}
	if got := sinktest.Content(t, path); got != "{}\n" {
		t.Errorf("the other process's file holds %q", got)
	}
}
