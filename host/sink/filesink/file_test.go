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

func TestFilesAreAppendedTo(t *testing.T) {
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
			t.Errorf("%s has mode %v: it is a company's log", name, info.Mode())
		}
	}
}

func TestALargeFileIsPutAside(t *testing.T) {
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
		sinktest.Write(t, s, sinktest.Lines{}) // of which no file is made
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

func TestAnOldFileIsPutAsideThoughNothingComes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.ndjson")
	s := openFile(t, path, Options{RotateEvery: 20 * time.Millisecond})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	aside := filepath.Join(dir, "events.000001.ndjson")
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(aside); err == nil {
			break
		} else if time.Since(began) > time.Minute {
			t.Fatal("it never was")
		}
	}
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
	_ = s.Close()
	rest := ""
	for _, e := range []string{"events.000002.ndjson", "events.ndjson"} { // the second may have become old, too
		if b, err := os.ReadFile(filepath.Join(dir, e)); err == nil {
			rest += string(b)
		}
	}
	if sinktest.Content(t, aside) != sinktest.Text(sinktest.Numbered(0, 1)) || rest != sinktest.Text(sinktest.Numbered(1, 2)) {
		t.Errorf("%q, then %q", sinktest.Content(t, aside), rest)
	}
}

// asides are the files that were put aside of the one at path, the oldest first.
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

// rawOf is what a file holds; "" where there is none.
func rawOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// TestATornLineIsContinued: what a crash left at the end of a file stays there. A record that is half there is continued
// when it comes again, wherever in its page; else the file is put aside as it is.
func TestATornLineIsContinued(t *testing.T) {
	long := `{"uuid":"` + strings.Repeat("x", 200_000) + `"}`
	for name, c := range map[string]struct {
		before string
		page   sinktest.Lines
		aside  bool   // at the latest when the page comes
		after  string // in the file at the path
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
				t.Errorf("put aside: %q, want %v, and as it was", aside, c.aside)
			}
		})
	}
}

// TestATornFrameIsContinued cuts a compressed file at every length: where the same page comes again its frame is
// continued, else the file is put aside, and its whole frames stay readable there. A frame that lacks only its checksum gets it.
func TestATornFrameIsContinued(t *testing.T) {
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
		there := 0 // pages
		for there < len(ends) && ends[there] <= n {
			there++
		}
		torn := n > 0 && (there == 0 || ends[there-1] != n)
		for tail, agrees := range map[string]bool{"": true, strings.Repeat("\x00", 40): false} { // zeros are what some file systems leave
			there, torn := there, torn
			if agrees && there < len(ends) && n >= ends[there]-frameChecksum { // it is ended: a reader may take its records already
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
					t.Fatalf("cut at %d: what was put aside was changed", n)
				}
				if got, want := framesOf(t, aside[0]), sinktest.Text(pages[:there]...); got != want {
					t.Fatalf("cut at %d: a reader of what was put aside gets %q, want %q", n, got, want)
				}
			}
		}
	}
}

// framesOf is what a reader gets of a compressed file before its first damage.
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

// TestADamagedFrameIsPutAside: its length is right, and its checksum is not.
func TestADamagedFrameIsPutAside(t *testing.T) {
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
		t.Errorf("%d recalled, want the 9 of the whole frames", len(got))
	}
	sinktest.Write(t, s, sinktest.Numbered(300, 303))
	if got := sinktest.Content(t, path); got != sinktest.Text(sinktest.Numbered(300, 303)) {
		t.Errorf("%q", got)
	}
}

func TestAFileOfSomethingElseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for name, before := range map[string]string{
		"letter":     "Dear Ada,\nyours, Charles",
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

// TestAFullDiskIsContinued: what was written of a page that has no room stays. When the page comes again, as it was or cut
// otherwise, what is there is not written again, and the record that is half there is continued.
func TestAFullDiskIsContinued(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		for _, room := range []int{0, 1, 60, 500, 20_000} {
			path := filepath.Join(t.TempDir(), "out")
			s := openFile(t, path, Options{Zstd: compressed})
			sinktest.Write(t, s, noise(0, 10))
			before := rawOf(t, path)
			d := &sinktest.FailingFile{File: s.f, Room: room}
			s.f = d
			err := s.Write(context.Background(), noise(10, 2000))
			if err == nil || !strings.Contains(err.Error(), "no space left: make room and run again; the page in hand is not checkpointed") {
				t.Errorf("%v", err)
			}
			torn := rawOf(t, path)
			if len(torn) != len(before)+room {
				t.Errorf("%d bytes, want all that there was room for, %d", len(torn), len(before)+room)
			}
			d.Room = min(room/2, 1000)
			if err := s.Write(context.Background(), noise(10, 2000)); err == nil {
				t.Error("there is room")
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
				t.Errorf("compressed %v, room %d: what stood there is not any more, or was put aside", compressed, room)
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

// TestAFullDiskAndAnotherPage: where what comes does not continue what is half there, the file is put aside as it is.
func TestAFullDiskAndAnotherPage(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out")
		var told []string
		s := openFile(t, path, Options{Zstd: compressed, Notice: func(text string) { told = append(told, text) }})
		sinktest.Write(t, s, noise(0, 10))
		d := &sinktest.FailingFile{File: s.f, Room: 460}
		s.f = d
		if err := s.Write(context.Background(), noise(10, 100)); err == nil {
			t.Error("there is room")
		}
		torn := rawOf(t, path)
		d.Room = 1 << 20
		sinktest.Write(t, s, noise(200, 300))
		aside := putAside(t, path)
		if len(aside) != 1 || rawOf(t, aside[0]) != torn || len(told) != 1 || !strings.Contains(told[0], "it is now "+aside[0]) {
			t.Fatalf("put aside: %q, told %q", aside, told)
		}
	}
}

func TestAPageThatIsNotSyncedIsNotDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := openFile(t, path, Options{})
	s.f = &sinktest.FailingFile{File: s.f, Room: 1 << 20, NoSync: true}
	if err := s.Write(context.Background(), sinktest.Numbered(0, 1)); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if got := rawOf(t, path); got != "" {
		t.Errorf("%q", got)
	}
	// The system shows it, whether it is on the disk or not: no later run may take it for durable.
	if got := sinktest.Content(t, path+".damaged-1"); got != sinktest.Text(sinktest.Numbered(0, 1)) {
		t.Errorf("put aside: %q", got)
	}
	if got := replayed(t, openFile(t, path, Options{}), -1); len(got) > 0 {
		t.Errorf("recalled: %q", got)
	}
}

func TestADeviceIsWrittenToAndNothingElse(t *testing.T) {
	s := openFile(t, os.DevNull, Options{RotateSize: 1, RotateEvery: time.Nanosecond})
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
}

func frameOf(p sinktest.Lines) string {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	return string(enc.EncodeAll([]byte(sinktest.Text(p)), nil))
}

// TestAHoleIsPutAside: of pages that were not synced, the last may have come to the disk and one before not. The file is
// put aside as it is; what can be read of it is recalled, and nothing else.
func TestAHoleIsPutAside(t *testing.T) {
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
					t.Errorf("%s is not the file as it was", aside)
				}
				if len(rawOf(t, path)) > 0 {
					t.Error("the new file is not empty")
				}
				whole := int64(len(b)) - s.Tear().Bytes
				if whole > at(hole.from) || whole < ends[int(hole.from)] || strings.HasSuffix(name, ".zst") && whole != ends[int(hole.from)] {
					t.Errorf("whole up to %d, the hole begins at %d, in the page at %d", whole, at(hole.from), ends[int(hole.from)])
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
					t.Errorf("%d recalled, want the %d that can be read", len(got), len(want))
				}
				sinktest.Write(t, s, noise(5000, 5001))
				_ = sinktest.Content(t, path) // is whole
			})
		}
	}
}

// TestAFileThatIsOneFrameIsAppendedTo: whoever compressed it himself has as large a one as he likes, and it is not damaged.
func TestAFileThatIsOneFrameIsAppendedTo(t *testing.T) {
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
	for range mostDecoded>>20 + 1 {
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
		t.Errorf("%+v, %d recalled", s.Tear(), len(got))
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 3))
	if after, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(after, before) {
		t.Errorf("what was there is not any more: %v", err)
	}
	if got := replayed(t, s, -1); len(got) != 3 {
		t.Errorf("%d recalled, want those that were appended", len(got))
	}
}

// noise are records that do not compress to nothing.
func noise(from, to int) (p sinktest.Lines) {
	for i := from; i < to; i++ {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		p = append(p, fmt.Sprintf(`{"uuid":"%d","hash":"%x"}`, i, sum))
	}
	return p
}

// TestAHoleThatNoCrashLeavesIsRefused: so far from the end everything was synced.
func TestAHoleThatNoCrashLeavesIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.zst")
	begun := frameOf(noise(0, 100)) + frameMagic + "\x00\x50\x06\x00\x00" // a block of no kind
	if err := errors.Join(os.WriteFile(path, []byte(begun), 0o600), os.Truncate(path, maxTorn+4000)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "more than a crash leaves: move it elsewhere and run again") {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < maxTorn {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

func FuzzLineEnd(f *testing.F) {
	for _, text := range []string{"{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n\x00\x00{\"b\":2}\n", "\x00", "{\"a\":1}\n{\"b", "Dear Ada,\n"} {
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
			t.Fatalf("what is left is not whole: %+v of %d, %v", again, len(left), err)
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
			t.Fatalf("what is left is not whole: %d of %d, %v", again.end, end, err)
		}
	})
}

// TestPagesThatARotationLostAreNotDurable: a rotation syncs, and where that fails the pages before it are gone. No later
// Sync may say that all is well, since a checkpoint would follow.
func TestPagesThatARotationLostAreNotDurable(t *testing.T) {
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
				t.Errorf("the sync of pages that are gone: %v", err)
			}
			if err := s.Append(ctx, sinktest.Numbered(20, 30)); !errors.Is(err, syscall.EIO) {
				t.Errorf("a page behind them: %v", err)
			}
			if got := rawOf(t, path); got != "" { // it was put aside, where no later run takes it for durable
				t.Errorf("%d bytes stand there", len(got))
			}
			if err := s.Close(); !errors.Is(err, syscall.EIO) {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// intruded is a disk on which somebody else takes a name as soon as a file was put aside from it.
type intruded struct {
	durable.Disk
	other *durable.File
}

func (d intruded) Rename(from, to string) error {
	err := d.Disk.Rename(from, to)
	*d.other, _ = durable.OS.Append(from, 0)
	return err
}

// TestWhoTakesTheNameOfAFileThatWasPutAsideHasIt: what was written before stays, and nothing more is taken.
func TestWhoTakesTheNameOfAFileThatWasPutAsideHasIt(t *testing.T) {
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
		t.Fatal("nobody took the name")
	}
	if err := errors.Join(s.Sync(), s.Append(t.Context(), sinktest.Numbered(20, 30))); err == nil {
		t.Error("more is taken")
	}
	_, err = other.Write([]byte("{}\n"))
	if err := errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if got := sinktest.Content(t, strings.Replace(path, "events", "events.000001", 1)); got != sinktest.Text(sinktest.Numbered(0, 10)) {
		t.Errorf("what was put aside holds %q", got)
	}
	if got := sinktest.Content(t, path); got != "{}\n" {
		t.Errorf("the other's file holds %q", got)
	}
}
