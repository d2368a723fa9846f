package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

var (
	own = Identity{"depot", "https://depot.example"}
	now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// take exports lines as pages of one object, and returns the changes.
func take(t *testing.T, path string, o Options, lines ...string) (changes []string, sum Summary) {
	t.Helper()
	e, err := Open(path, own, json.RawMessage(`{}`), now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i, line := range lines {
		cursor := fmt.Sprint(i + 1)
		if i == len(lines)-1 {
			cursor = ""
		}
		if err := e.Page(func(w io.Writer) error { _, err := io.WriteString(w, line+"\n"); return err }, cursor, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) == 0 {
		if err := e.Page(func(io.Writer) error { return nil }, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	sum, err = e.Finish(o, func(c Change) error {
		line, err := json.Marshal(c)
		changes = append(changes, string(line))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return changes, sum
}

func item(kind, id, record string) string {
	return fmt.Sprintf(`{"kind":%q,"id":%q,"record":%s}`, kind, id, record)
}

func TestFinish_OfTwoExports_FindsEachChangeAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	o := Options{Kinds: []string{"crates", "items"}, Ignore: []string{"seen"}}
	first, sum := take(t, path, o, item("items", "b", `{"a":1,"o":{"x":1,"y":[1,2]}}`), item("items", "a", `{"a":1}`), item("crates", "c", `{"seen":1}`))
	if first != nil || sum.First["items"] != 2 || sum.First["crates"] != 1 {
		t.Errorf("the first export: %q, %+v", first, sum)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != durable.Mode {
		t.Errorf("%v %v", info, err)
	}
	got, sum := take(t, path, o, item("crates", "c", `{"seen":2}`), item("items", "d", `{"a":3}`), item("items", "b", `{"o":{"y":[2],"z":"<"},"a":1}`))
	want := []string{
		`{"change":"removed","kind":"items","id":"a","record":{"a":1}}`,
		`{"change":"changed","kind":"items","id":"b","fields":[{"path":"o.x","before":1},{"path":"o.y","before":[1,2],"after":[2]},{"path":"o.z","after":"\u003c"}],"record":{"a":1,"o":{"y":[2],"z":"\u003c"}}}`,
		`{"change":"added","kind":"items","id":"d","record":{"a":3}}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !sum.Since.Equal(now) {
		t.Errorf("since %v", sum.Since)
	}
	if again, _ := take(t, path, o, item("items", "b", `{"a":1,"o":{"z":"<","y":[2]}}`), item("items", "d", `{"a":3}`), item("crates", "c", `{"seen":3}`)); again != nil {
		t.Errorf("nothing changed: %q", again)
	}
	if left, _ := filepath.Glob(path + ".*"); !slices.Equal(left, []string{path + ".lock"}) {
		t.Errorf("files are left: %q", left)
	}
}

// Objects that an incomplete export lacks are not removed. When a complete export lacks them, too, they are.
func TestFinish_OfAnIncompleteKind_RemovesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	whole := Options{Kinds: []string{"items"}}
	part := Options{Kinds: []string{"items"}, Incomplete: []string{"items"}}
	take(t, path, whole, item("items", "a", `{}`), item("items", "b", `{}`))
	if got, sum := take(t, path, part, item("items", "a", `{}`)); got != nil || sum.Kept != 1 {
		t.Errorf("%q %+v", got, sum)
	}
	got, _ := take(t, path, whole, item("items", "a", `{}`), item("items", "n", `{}`))
	if len(got) != 2 || !strings.Contains(got[0], `"removed","kind":"items","id":"b"`) || strings.Contains(got[1], `"unsure"`) { // the first export had all
		t.Errorf("%q", got)
	}
	// Kinds that are not exported stay as they were.
	if got, _ := take(t, path, Options{Kinds: []string{"crates"}}, item("crates", "c", `{}`)); got != nil {
		t.Errorf("%q", got)
	}
	if got, _ := take(t, path, Options{Kinds: []string{"items", "crates"}}, item("items", "a", `{}`), item("items", "n", `{}`), item("crates", "c", `{}`)); got != nil {
		t.Errorf("%q", got)
	}
}

// Without a complete export, an added object may be older. A kind of which nothing could be read stays unknown, or as it was.
func TestFinish_OfAKindNeverReadWhole_IsUnsureOrUnknown(t *testing.T) {
	part := Options{Kinds: []string{"items"}, Incomplete: []string{"items"}}
	whole := Options{Kinds: []string{"items"}}
	for _, c := range []struct {
		name, last string
		first      []string // the objects of an incomplete export
	}{
		{"nothing was read", "", nil},
		{"one was read", `{"change":"added","kind":"items","id":"b","unsure":true,"record":{}}`, []string{item("items", "a", `{}`)}},
	} {
		path := filepath.Join(t.TempDir(), "depot.snapshot")
		take(t, path, part, c.first...)
		if got, _ := take(t, path, whole, item("items", "a", `{}`), item("items", "b", `{}`)); strings.Join(got, "\n") != c.last {
			t.Errorf("%s: %q", c.name, got)
		}
		take(t, path, part) // nothing is read
		if got, sum := take(t, path, whole, item("items", "a", `{}`), item("items", "c", `{}`)); len(got) != 2 || sum.First != nil && sum.First["items"] != 0 || strings.Contains(got[1], "unsure") {
			t.Errorf("%s, then nothing: %q %+v", c.name, got, sum)
		}
	}
}

// The process ends after the snapshot is replaced, but before the export is removed. The next run begins anew.
func TestOpen_OfAnExportThatBecameTheSnapshot_BeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	e, err := Open(path, own, json.RawMessage(`{}`), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Page(func(w io.Writer) error { _, err := io.WriteString(w, item("items", "a", `{}`)+"\n"); return err }, "", nil); err != nil {
		t.Fatal(err)
	}
	part, err := os.ReadFile(path + ".part")
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Finish(Options{Kinds: []string{"items"}}, func(Change) error { return nil })
	e.Close()
	if err = errors.Join(err, os.WriteFile(path+".part", part, durable.Mode)); err != nil {
		t.Fatal(err)
	}
	if e, err = Open(path, own, json.RawMessage(`{}`), now); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, resumed := e.Resumed(); resumed || e.Done() {
		t.Error("the export that became the snapshot is compared with it")
	}
}

// Work and paths grow with the depth, so that they need bounds: a service decides how deep its objects are.
func TestDifferences_OfDeepObjectsAndLongNames_AreBounded(t *testing.T) {
	long := strings.Repeat("n", maxPath)
	for name, c := range map[string]struct{ open, path string }{
		"deep":        {strings.Repeat(`{"a":`, 500), strings.TrimSuffix(strings.Repeat("a.", maxDepth+1), ".")},
		"empty names": {strings.Repeat(`{"":`, 500), ""},
		"long names":  {strings.Repeat(`{"`+long+`":`, 3), long + "." + long},
	} {
		object := func(leaf string) json.RawMessage {
			return json.RawMessage(c.open + leaf + strings.Repeat("}", strings.Count(c.open, "{")))
		}
		fields, err := differences(object("1"), object("2"), nil)
		if err != nil || len(fields) != 1 || fields[0].Path != c.path || fields[0].After[0] != '{' {
			t.Errorf("%s: %v, %d fields", name, err, len(fields))
			for _, f := range fields {
				t.Errorf("%.200s (%d bytes): %.200s", f.Path, len(f.Path), f.After)
			}
		}
	}
}

// A killed run leaves files. Those of other snapshots stay.
func TestOpen_AfterAKilledSort_RemovesItsFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a[b].snapshot")
	for _, name := range []string{path + sortRuns + "1", path + ".new", filepath.Join(folder, "ab.snapshot"+sortRuns+"1")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := Open(path, own, json.RawMessage(`{}`), now)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	var left []string
	all, err := os.ReadDir(folder)
	for _, there := range all {
		left = append(left, there.Name())
	}
	if want := []string{"a[b].snapshot.lock", "a[b].snapshot.part", "ab.snapshot" + sortRuns + "1"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("%v, %q, want %q", err, left, want)
	}
}

func TestOpen_OfAnotherOrgOrADamagedFile_IsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	take(t, path, Options{Kinds: []string{"items"}}, item("items", "a", `{"n":1}`), item("items", "b", `{}`))
	if _, err := Open(path, Identity{"depot", "https://other.example"}, json.RawMessage(`{}`), now); !errors.Is(err, ErrOther) {
		t.Errorf("another org: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		for name, text := range map[string][]byte{"cut": whole[:cut], "changed": slices.Concat(whole[:cut], []byte{whole[cut] ^ 1}, whole[cut+1:])} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			e, err := Open(path, own, json.RawMessage(`{}`), now)
			if err == nil {
				e.Close()
			}
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOther) {
				t.Fatalf("%s at %d of %d: %v", name, cut, len(whole), err)
			}
		}
	}
}

// An export is killed after any number of bytes. It continues after its last whole page.
func TestOpen_AfterAnInterruption_ContinuesAfterTheLastWholePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	e, err := Open(path, own, json.RawMessage(`{"kinds":["items"]}`), now)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for i := range 3 {
		if err := e.Page(func(w io.Writer) error {
			_, err := io.WriteString(w, item("items", fmt.Sprint(i), `{}`)+"\n")
			return err
		}, fmt.Sprint(i+1), json.RawMessage(`{"page":1}`)); err != nil {
			t.Fatal(err)
		}
		info, err := e.part.Stat()
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	e.Close()
	whole, err := os.ReadFile(path + ".part")
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(path+".part", whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		pages := 0
		for _, end := range ends {
			if int64(cut) >= end {
				pages++
			}
		}
		want := ""
		if pages > 0 {
			want = fmt.Sprint(pages)
		}
		e, err := Open(path, own, json.RawMessage(`{ "kinds": ["items"] }`), now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, resumed := e.Resumed(); e.Cursor() != want || resumed != (pages > 0) || e.Done() {
			t.Fatalf("cut at %d: cursor %q, want %q", cut, e.Cursor(), want)
		}
		e.Close()
	}
	for name, input := range map[string]string{"another input": `{}`, "too old": `{"kinds":["items"]}`} {
		if err := os.WriteFile(path+".part", whole, 0o600); err != nil {
			t.Fatal(err)
		}
		at := now
		if name == "too old" {
			at = now.Add(MaxAge)
		}
		e, err := Open(path, own, json.RawMessage(input), at)
		if err != nil {
			t.Fatal(err)
		}
		if e.Cursor() != "" {
			t.Errorf("%s: continues at %q", name, e.Cursor())
		}
		if began, dropped := e.Dropped(); !dropped || !began.Equal(now) {
			t.Errorf("%s: dropped %v, of %v", name, dropped, began)
		}
		e.Close()
		if e, err = Open(path, own, json.RawMessage(`[]`), at); err != nil {
			t.Fatal(err)
		}
		if _, dropped := e.Dropped(); dropped {
			t.Errorf("%s: an export without a page counts as dropped", name)
		}
		e.Close()
	}
}

// Changes that could not be written are found again by the next run, without a new export.
func TestFinish_WhoseOutputFails_KeepsTheSnapshotAndTheExport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "depot.snapshot")
	o := Options{Kinds: []string{"items"}}
	take(t, path, o, item("items", "a", `{}`))
	e, err := Open(path, own, json.RawMessage(`{}`), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Page(func(w io.Writer) error { _, err := io.WriteString(w, item("items", "b", `{}`)+"\n"); return err }, "", nil); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	if _, err := e.Finish(o, func(Change) error { return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
	e.Close()
	if e, err = Open(path, own, json.RawMessage(`{}`), now); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	n := 0
	if _, err := e.Finish(o, func(Change) error { n++; return nil }); err != nil || n != 2 || !e.Done() {
		t.Errorf("%v, %d changes", err, n)
	}
}

func TestSorter_WithLittleMemory_SortsAndKeepsTheLast(t *testing.T) {
	s := &sorter{path: filepath.Join(t.TempDir(), "s"), limit: 2000}
	n := 6000
	if testing.Short() {
		n = 600
	}
	want := map[string]string{}
	for i := range n {
		id := fmt.Sprint(rand.IntN(n))
		record := fmt.Sprintf(`{"i":%d}`, i)
		want[id] = record
		if err := s.add(&Object{Kind: "k", ID: id, Record: json.RawMessage(record)}); err != nil {
			t.Fatal(err)
		}
	}
	last, found := "", 0
	if err := s.each(func(o *Object) error {
		if found > 0 && o.ID <= last || want[o.ID] != string(o.Record) {
			t.Errorf("%s after %s: %s, want %s", o.ID, last, o.Record, want[o.ID])
		}
		last = o.ID
		found++
		return nil
	}); err != nil || found != len(want) {
		t.Errorf("%v, %d objects, want %d", err, found, len(want))
	}
	s.close()
	if left, _ := os.ReadDir(filepath.Dir(s.path)); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// FuzzReader reads any text as a snapshot. What it accepts, a writer writes again.
func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	w, err := newWriter(&b, header{Version, own, map[string]Kind{"items": {Taken: now}}, ""})
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.add(&Object{Kind: "items", ID: "a", Record: json.RawMessage(`{"n":1}`)}), w.end()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := NewReader(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		for {
			o, err := r.Next()
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			if err != nil || o == nil {
				return
			}
			if _, err := differences(o.Record, json.RawMessage(`{"a":{}}`), nil); err != nil {
				t.Error(err)
			}
		}
	})
}

// A link stays a link: the file that it leads to is replaced. What is no file is refused.
func TestOpen_OfALinkOrAFolder_FollowsTheLinkAndRefusesTheFolder(t *testing.T) {
	dir := t.TempDir()
	link, to := filepath.Join(dir, "link"), filepath.Join(dir, "kept")
	if err := os.Symlink("kept", link); err != nil {
		t.Skip(err)
	}
	for range 2 { // the link leads to nothing, then to a snapshot
		take(t, link, Options{Kinds: []string{"a"}}, item("a", "1", `{}`))
		if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
			t.Fatalf("%v %v", info, err)
		}
		if _, err := verify(to, own); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, own, json.RawMessage(`{}`), now); err == nil || !strings.Contains(err.Error(), "is not a regular file: name a file") {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "link?*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
