package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/durable"
)

func opened(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func add(t *testing.T, f *File, operations ...string) {
	t.Helper()
	for _, op := range operations {
		if err := f.Audit(context.Background(), Record{Time: time.Unix(1, 0).UTC(), Operation: op, Outcome: abi.Succeeded}); err != nil {
			t.Fatal(err)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reading is the result of reading files.
type reading struct {
	chain    *Chain
	ops      []string // the operations of the records, in order
	broken   []string
	notes    []string
	problems []string
}

func read(t *testing.T, files ...string) reading {
	t.Helper()
	r := reading{chain: NewChain()}
	for _, content := range files {
		r.chain.Open()
		for l, err := range Lines(strings.NewReader(content)) {
			if err != nil {
				t.Fatal(err)
			}
			broken, note := r.chain.Next(l)
			for at, s := range map[*[]string]string{&r.broken: broken, &r.notes: note, &r.problems: l.Problem} {
				if s != "" {
					*at = append(*at, fmt.Sprintf("%d: %s", l.Number, s))
				}
			}
			if l.Problem == "" {
				r.ops = append(r.ops, l.Record.Operation)
			}
		}
	}
	return r
}

func (r reading) intact(t *testing.T, ops ...string) {
	t.Helper()
	if len(r.broken) > 0 || !slices.Equal(r.ops, ops) {
		t.Errorf("broken: %q, records %q, want %q", r.broken, r.ops, ops)
	}
}

// old is a file of the last version without a chain.
const old = `{"time":"2026-01-02T03:04:05Z","connection":"okta","operation":"old_one","class":"write","input":{"name":"a"},"phase":"writing","duration_ms":0,"requests":[{"endpoint":"POST /api/v1/groups","attempts":0}]}
{"time":"2026-01-02T03:04:06Z","connection":"okta","operation":"old_one","class":"write","input":{"name":"a"},"outcome":"succeeded","duration_ms":12.5,"requests":[{"endpoint":"POST /api/v1/groups","status":200,"request_id":"r1","attempts":1}]}
`

func TestChain_Unchanged_IsIntact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	add(t, opened(t, path), "a", "b")
	add(t, opened(t, path), "c") // as another process does
	r := read(t, text(t, path))
	r.intact(t, "a", "b", "c")
	if r.chain.Lines != 3 || r.chain.From != "" || r.chain.Last == "" || r.chain.Unchained != 0 || len(r.notes)+len(r.problems) > 0 {
		t.Errorf("%+v %v %v", r.chain, r.notes, r.problems)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestChain_Tampered_Breaks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	add(t, opened(t, path), "a", "b", "c", "d", "e")
	lines := strings.SplitAfter(strings.TrimSuffix(text(t, path), "\n"), "\n")
	for name, c := range map[string]struct {
		lines []string
		at    string
	}{
		"changed":         {[]string{lines[0], strings.Replace(lines[1], `"b"`, `"x"`, 1), lines[2], lines[3], lines[4]}, "3"},
		"changed at once": {[]string{strings.Replace(lines[0], "succeeded", "unchanged", 1), lines[1], lines[2], lines[3], lines[4]}, "2"},
		"a space more":    {[]string{lines[0], strings.Replace(lines[1], `,`, `, `, 1), lines[2]}, "3"},
		"removed":         {[]string{lines[0], lines[2], lines[3], lines[4]}, "2"},
		"two removed":     {[]string{lines[0], lines[3], lines[4]}, "2"},
		"moved":           {[]string{lines[0], lines[2], lines[1], lines[3]}, "2"},
		"twice":           {[]string{lines[0], lines[1], lines[1], lines[2]}, "3"},
		"inserted":        {[]string{lines[0], `{"operation":"x"}` + "\n", lines[1]}, "2"},
		"cut":             {[]string{lines[0], lines[1][:40] + "\n", lines[2], lines[3]}, "3"},
		"made invalid":    {[]string{lines[0], "#" + lines[1], lines[2], lines[3]}, "3"},
		"of another type": {[]string{lines[0], strings.Replace(lines[1], `"b"`, `7`, 1), lines[2]}, "3"},
		"prev removed":    {[]string{lines[0], `{` + strings.SplitN(lines[1], ",", 2)[1], lines[2]}, "2"},
		"prev emptied":    {[]string{lines[0], `{"prev":"",` + strings.SplitN(lines[1], ",", 2)[1], lines[2]}, "2"},
	} {
		r := read(t, strings.Join(c.lines, ""))
		if len(r.broken) == 0 || !strings.HasPrefix(r.broken[0], c.at+": ") || r.chain.Breaks != len(r.broken) {
			t.Errorf("%s: %q, want a break at line %s", name, r.broken, c.at)
		}
	}
	// The chain does not protect the end. A hash that is stored elsewhere does.
	last := read(t, strings.Join(lines, "")).chain.Last
	short := read(t, strings.Join(lines[:4], ""))
	short.intact(t, "a", "b", "c", "d")
	for content, missing := range map[string]int{strings.Join(lines, ""): 0, strings.Join(lines[:4], ""): 1} {
		c := NewChain(last, last[:16])
		for l := range Lines(strings.NewReader(content)) {
			c.Next(l)
		}
		if len(c.Missing()) != 2*missing {
			t.Errorf("%d missing, want %d", len(c.Missing()), 2*missing)
		}
	}
}

func TestChain_AfterCrash_Continues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	add(t, opened(t, path), "a", "b", "c")
	whole := text(t, path)
	last := strings.LastIndexByte(strings.TrimSuffix(whole, "\n"), '\n') + 1
	for cut := 0; last+cut < len(whole); cut++ { // anywhere in the last line
		if end := len(whole) - last - 1; cut > 3 && cut < end-2 && cut%23 > 0 {
			continue
		}
		write(t, path, whole[:last+cut])
		add(t, opened(t, path), "d")
		switch r := read(t, text(t, path)); cut {
		case 0:
			r.intact(t, "a", "b", "d")
		case len(whole) - last - 1: // only its line break is missing
			r.intact(t, "a", "b", "c", "d")
		default:
			r.intact(t, "a", "b", "d")
			if len(r.problems) != 1 || !strings.HasPrefix(r.problems[0], "3: is not a whole record") {
				t.Errorf("cut at %d: %q", cut, r.problems)
			}
		}
		// A reader of the cut file, or during a write, reports a problem and no break.
		if r := read(t, whole[:last+cut]); len(r.broken) > 0 || len(r.ops) < 2 || cut > 0 && len(r.ops) == 2 && len(r.problems) != 1 {
			t.Errorf("cut at %d: %+v", cut, r)
		}
	}
	// A power failure leaves zeros, here more than one window of the search.
	write(t, path, "")
	add(t, opened(t, path), "a")
	write(t, path, text(t, path)+strings.Repeat("\x00", 300<<10))
	add(t, opened(t, path), "b")
	read(t, text(t, path)).intact(t, "a", "b")
	// Nothing is appended to a file that is not an audit.
	write(t, path, "{"+strings.Repeat("x", 70<<20))
	if err := opened(t, path).Audit(context.Background(), Record{Operation: "a"}); err == nil || !strings.Contains(err.Error(), "name another file") {
		t.Error(err)
	}
}

func TestChain_OldFile_BeginsAfterIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	write(t, path, old)
	if r := read(t, old); len(r.broken) > 0 || r.chain.Unchained != 2 {
		t.Errorf("%+v %q", r.chain, r.broken)
	}
	add(t, opened(t, path), "a", "b")
	r := read(t, text(t, path))
	r.intact(t, "old_one", "old_one", "a", "b")
	if r.chain.Unchained != 2 || r.chain.Lines != 4 {
		t.Errorf("%+v", r.chain)
	}
	// The chain covers the last old line. An old version that continues to write breaks it.
	if r := read(t, strings.Replace(text(t, path), "12.5", "12.6", 1)); len(r.broken) != 1 || !strings.HasPrefix(r.broken[0], "3:") {
		t.Errorf("%q", r.broken)
	}
	if r := read(t, text(t, path)+old); len(r.broken) != 2 || !strings.Contains(r.broken[0], "an earlier version") {
		t.Errorf("%q", r.broken)
	}
}

func TestChain_Rotation_Continues(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	long := opened(t, path) // a process that runs during the rotations
	add(t, long, "a")
	add(t, opened(t, path), "b")
	write(t, filepath.Join(dir, "audit.ndjson.gz"), "\x1f\x8bnot a file of lines")
	rename := func(to string) {
		if err := os.Rename(path, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-time.Minute)
		for _, e := range []string{"audit.ndjson.1", "audit.ndjson-20260102"} { // the newest counts
			_ = os.Chtimes(filepath.Join(dir, e), at, at)
			at = at.Add(time.Second)
		}
	}
	rename("audit.ndjson.1")
	add(t, long, "c")
	add(t, opened(t, path), "d")
	rename("audit.ndjson-20260102")
	add(t, opened(t, path), "e") // a process that did not write the earlier files
	first, second, third := text(t, filepath.Join(dir, "audit.ndjson.1")), text(t, filepath.Join(dir, "audit.ndjson-20260102")), text(t, path)
	all := read(t, first, second, third)
	all.intact(t, "a", "b", "c", "d", "e")
	if len(all.notes) > 0 {
		t.Error(all.notes)
	}
	read(t, first+second+third).intact(t, "a", "b", "c", "d", "e")
	if r := read(t, third); len(r.broken) > 0 || r.chain.From == "" {
		t.Errorf("%+v %q", r.chain, r.broken)
	}
	for _, files := range [][]string{{first, third}, {third, second}} {
		if r := read(t, files...); len(r.broken) != 1 || !strings.Contains(r.broken[0], "the file before") {
			t.Errorf("%q", r.broken)
		}
	}
	if r := read(t, second, first); len(r.notes) != 1 || !strings.Contains(r.notes[0], "begins a new chain") {
		t.Errorf("%q", r.notes)
	}
	// If all files are removed, a running process goes on from its own last line.
	for _, e := range []string{"audit.ndjson.1", "audit.ndjson-20260102", "audit.ndjson"} {
		if err := os.Remove(filepath.Join(dir, e)); err != nil {
			t.Fatal(err)
		}
	}
	add(t, long, "f")
	if r := read(t, text(t, path)); r.chain.From != strings.TrimSpace(Hash([]byte(strings.SplitAfter(second, "\n")[0][:len(strings.SplitAfter(second, "\n")[0])-1]))) {
		t.Errorf("from %q", r.chain.From)
	}
	// Two unrelated chains lead to a note.
	if r := read(t, first, strings.Replace(first, `"prev":""`, `"prev":""`, 1)); len(r.broken) > 0 || len(r.notes) != 1 {
		t.Errorf("%q %q", r.broken, r.notes)
	}
}

// TestFile_ManyWriters_WriteOneChain writes from several goroutines to several Files, as several processes would, while the
// file is rotated.
func TestFile_ManyWriters_WriteOneChain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	const files, writers, lines = 4, 2, 20
	var wg sync.WaitGroup
	for f := range files {
		file := opened(t, path)
		for w := range writers {
			wg.Go(func() {
				for i := range lines {
					if f+w == 0 && i == lines/2 { // rotate it under the lock, between two writes
						locked, err := lockFile(context.Background(), path)
						if err != nil {
							t.Error(err)
							return
						}
						if err := os.Rename(path, path+".1"); err != nil {
							t.Error(err)
						}
						_ = locked.Close()
					}
					r := Record{Operation: fmt.Sprint(f, w, i), Input: json.RawMessage(`"` + strings.Repeat("x", 5000*i) + `"`)}
					if err := file.Audit(context.Background(), r); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	r := read(t, text(t, path+".1"), text(t, path))
	if len(r.broken)+len(r.problems)+len(r.notes) > 0 {
		t.Fatalf("%q %q %q", r.broken, r.problems, r.notes)
	}
	slices.Sort(r.ops)
	if n := len(slices.Compact(r.ops)); n != files*writers*lines {
		t.Errorf("%d records of %d", n, files*writers*lines)
	}
}

func TestFile_LockedByAnother_IsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	f := opened(t, path)
	held, err := durable.Hold(path, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Audit(ctx, Record{Operation: "a"}); err == nil || !strings.Contains(err.Error(), "another process has") {
		t.Error(err)
	}
	_ = held.Close()
	add(t, f, "a")
	read(t, text(t, path)).intact(t, "a")
}

func TestFile_Pipe_IsChainedByWriter(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/dev/fd/%d", w.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("this system has no /dev/fd")
	}
	f := opened(t, path)
	add(t, f, "a", "b")
	_ = f.Close()
	_ = w.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	read(t, b.String()).intact(t, "a", "b")
}

func TestFile_NotWritable_Fails(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no", "audit")} {
		if _, err := Open(path); err == nil {
			t.Error(path)
		}
	}
	path := filepath.Join(t.TempDir(), "audit")
	if err := opened(t, path).Audit(context.Background(), Record{Operation: "a", Input: json.RawMessage(`"` + strings.Repeat("x", MaxLine) + `"`)}); err == nil ||
		!strings.Contains(err.Error(), "at most") || text(t, path) != "" {
		t.Error(err)
	}
}

func TestOpen_ForeignFile_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for content, is := range map[string]bool{
		"":                                true,
		"\n":                              true,
		old:                               true,
		`{"operation":"a"}`:               true,
		`{"operati`:                       true, // a crash
		"\x00\x00\x00":                    true, // a power failure
		"connections:\n  - name: okta\n":  false,
		"00aToken":                        false,
		`{"v":1,"operation_":"a"}` + "\n": false,
		`["operation"]`:                   false,
		"\x00asm\x01\x00\x00\x00":         false,
	} {
		write(t, path, content)
		f, err := Open(path)
		if is != (err == nil) || !is && !strings.Contains(err.Error(), "is not an audit") || text(t, path) != content {
			t.Errorf("%q: %v", content, err)
		}
		if f != nil {
			_ = f.Close()
		}
	}
}

func TestNewState_LargeObject_IsCutAndSaysSo(t *testing.T) {
	object := json.RawMessage(`{"id":"00u1","big":"` + strings.Repeat("x", 2*MaxState) + `","small":1,"other":"` + strings.Repeat("y", MaxState) + `"}`)
	s := NewState(object)
	if string(s.Value) != `{"id":"00u1","small":1}` || s.Cut != fmt.Sprintf("big, other: %d bytes, at most %d are kept", len(object), MaxState) || s.SHA256 != Hash(object) {
		t.Errorf("%+v", s)
	}
	list := json.RawMessage(`["` + strings.Repeat("x", MaxState) + `"]`)
	if s := NewState(list); s.Value != nil || !strings.HasPrefix(s.Cut, "all of it: ") || s.SHA256 != Hash(list) {
		t.Errorf("%+v", s)
	}
	if s := NewState(json.RawMessage(` {"a":1} `)); string(s.Value) != `{"a":1}` || s.Cut != "" || s.SHA256 != "" {
		t.Errorf("%+v", s)
	}
	if NewState(nil) != nil || NewState(json.RawMessage(`{`)).Absent == "" {
		t.Error("want nil for no object, and Absent for invalid JSON")
	}
}

// TestChain_OtherAuditInFolder_IsIgnored: a name with the same beginning is not always that of a rotated file.
func TestChain_OtherAuditInFolder_IsIgnored(t *testing.T) {
	dir := t.TempDir()
	for _, other := range []string{"audit-prod", "audit2", "audit.ndjson", "audit-1-of-prod", "audit.ndjson.1"} {
		add(t, opened(t, filepath.Join(dir, other)), "other")
	}
	path := filepath.Join(dir, "audit")
	add(t, opened(t, path), "a")
	if r := read(t, text(t, path)); r.chain.From != "" {
		t.Errorf("goes on from another file: %+v", r.chain)
	}
	for _, name := range []string{"audit.1", "audit-20260102", "audit.2026-01-02T03:04:05Z", "audit.1.bak", "audit.old", "audit-2026-01-02.log"} {
		if err := os.Rename(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		add(t, opened(t, path), "b")
		if r := read(t, text(t, path)); r.chain.From == "" {
			t.Errorf("does not go on from %s", name)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChain_ForeignLines_AreCounted: lines that a crash cut are not counted.
func TestChain_ForeignLines_AreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	add(t, opened(t, path), "a", "b", "c")
	lines := strings.SplitAfter(text(t, path), "\n")
	for junk, want := range map[string]int{
		"hello\n": 1, "{\n": 0, lines[2][:150] + "\n": 0, lines[2][:30] + "\n": 0, "\x00\x00\x00\n": 0, lines[1][:150] + "\n": 1, "{\"prev\":\"00\n": 1, "{\"time\":\"2026\n": 1,
		strings.Repeat("x", MaxLine+1) + "\n": 1,
	} {
		r := read(t, lines[0]+lines[1]+junk+lines[2])
		r.intact(t, "a", "b", "c")
		if r.chain.Foreign != want || len(r.problems) != 1 {
			t.Errorf("%.50q: %d foreign lines, %q", junk, r.chain.Foreign, r.problems)
		}
	}
	if r := read(t, old+`{"time":"20`); r.chain.Foreign != 0 {
		t.Errorf("a line of the first version that was cut short: %+v", r.chain)
	}
	if r := read(t, `{"operation":"a","outcome":{"result":"SUCCESS"}}`); r.chain.Foreign != 1 || strings.Contains(fmt.Sprint(r.problems), "Go ") {
		t.Errorf("%+v %q", r.chain, r.problems)
	}
}

// room is a Memory with a limit.
type room struct{ held, most int64 }

func (r *room) Take(n int64) error {
	if r.held+n > r.most {
		return errors.New("no memory")
	}
	r.held += n
	return nil
}

func (r *room) Give(n int64) { r.held -= n }

func TestMasked_WithoutMemory_SaysSo(t *testing.T) {
	op := &abi.Operation{InputSchema: json.RawMessage(`{"properties":{"password":{"x-sensitive":true}}}`), Endpoints: []abi.Endpoint{{Sensitive: []string{"key"}}}}
	object := json.RawMessage(`{"id":"1","password":"hunter2","key":"k"}`)
	m := &room{most: 1000}
	if s := Masked(m, op, json.RawMessage(`{"password":"hunter2"}`), object); string(s.Value) != `{"id":"1","password":"***","key":"***"}` || m.held != 0 {
		t.Errorf("%+v, held %d", s, m.held)
	}
	if s := Masked(&room{most: 10}, op, nil, object); s.Value != nil || !strings.Contains(s.Absent, "no memory") {
		t.Errorf("without memory: %+v", s)
	}
}
