package ingest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// at is the checkpoint of every run here.
var at = json.RawMessage(`{"v":1,"link":"/api/v1/logs?after=1"}`)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// see adds and commits a page of keys, and returns how many of them were seen before.
func see(t *testing.T, r *Recent, when time.Time, keys ...string) (seen int) {
	t.Helper()
	r.Begin()
	for _, k := range keys {
		if r.Seen([]byte(k)) {
			seen++
		}
	}
	r.Keep(when)
	r.Mark(at)
	if err := r.Commit(r.Kept()); err != nil {
		t.Fatal(err)
	}
	return seen
}

func uuids(from, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%08x-0000-4000-8000-%012x", from+i, from+i))
	}
	return all
}

func TestSeen_RepeatedKey_IsSeen(t *testing.T) {
	r := OpenRecent("", nil)
	if n := see(t, r, noon, "a", "b", "a"); n != 1 {
		t.Errorf("%d of the same page", n)
	}
	if n := see(t, r, noon, "b", "c", uuids(1, 1)[0]); n != 1 {
		t.Errorf("%d of the last page", n)
	}
	if n := see(t, r, noon, strings.ToUpper(uuids(1, 1)[0]), "A"); n != 1 {
		t.Errorf("%d, want 1: a UUID is the same in upper case, another key is not", n)
	}
	r.Begin()
	if r.Seen([]byte("d")) {
		t.Error("d")
	}
	if n := see(t, r, noon, "d"); n != 0 {
		t.Error("a key of an uncommitted page was seen")
	}
}

// TestRevoke_UncommittedPages_AreForgotten: of several kept pages, only some are committed.
func TestRevoke_UncommittedPages_AreForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	r := OpenRecent(path, at)
	keep := func(keys ...string) {
		r.Begin()
		for _, k := range keys {
			if r.Seen([]byte(k)) {
				t.Errorf("%s was seen", k)
			}
		}
		r.Keep(noon)
	}
	keep("a", "b")
	first := r.Kept()
	r.Mark(at)
	keep("c")
	if err := r.Commit(first); err != nil || r.Kept() != 1 {
		t.Fatal(err, r.Kept())
	}
	keep("d", "e")
	r.Begin()
	r.Seen([]byte("f"))
	r.Revoke()
	keep("c", "d", "e", "f")
	_ = r.Close()
	r = OpenRecent(path, at)
	for k, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false, "f": false} {
		if got := r.Seen([]byte(k)); got != want {
			t.Errorf("the next process knows %s: %v", k, got)
		}
	}
	_ = r.Close()
}

func TestOpenRecent_NextProcess_KnowsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json.keys")
	r := OpenRecent(path, at)
	see(t, r, noon, uuids(0, 100)...)
	r.Begin()
	r.Seen([]byte("current when it was killed"))
	_ = r.Close()
	for i := range 3 {
		r = OpenRecent(path, at)
		if n := see(t, r, noon, append(uuids(0, 100+10*i), "current when it was killed")...); n != 100+10*i+min(i, 1) {
			t.Errorf("run %d: %d seen", i, n)
		}
		see(t, r, noon, uuids(100+10*i, 10)...)
		_ = r.Close()
	}
	r = OpenRecent(path, nil)
	if n := see(t, r, noon, uuids(0, 100)...); n != 0 {
		t.Errorf("from the beginning: %d seen", n)
	}
	_ = r.Close()
}

// TestOpenRecent_FileCut_KnowsWholeKeys cuts the file at every length, and also replaces its content.
func TestOpenRecent_FileCut_KnowsWholeKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	r := OpenRecent(path, at)
	see(t, r, noon, uuids(0, 5)...)
	_ = r.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(content []byte, want int) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time, the file is repaired
			r := OpenRecent(path, at)
			r.Begin()
			seen := 0
			for _, k := range uuids(0, 5) {
				if r.Seen([]byte(k)) {
					seen++
				}
			}
			_ = r.Close()
			if seen != want {
				t.Fatalf("%d bytes: %d seen, want %d", len(content), seen, want)
			}
		}
	}
	for n := range len(whole) + 1 {
		check(whole[:n], max((n-len(magic))/entrySize-1, 0)) // the mark is the first entry
	}
	check([]byte(strings.Repeat("something else, and long enough ", 20)), 0)
}

// TestOpenRecent_OlderCheckpoint_ForgetsNewerKeys: keys that are newer than the checkpoint are ignored.
func TestOpenRecent_OlderCheckpoint_ForgetsNewerKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	r := OpenRecent(path, nil)
	checkpoint := func(i int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"v":1,"n":%d}`, i)) }
	for i := range 20 {
		r.Begin()
		for _, k := range uuids(i*10, 10) {
			r.Seen([]byte(k))
		}
		r.Keep(noon)
		r.Mark(checkpoint(i))
		if err := r.Commit(r.Kept()); err != nil {
			t.Fatal(err)
		}
	}
	_ = r.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]bool{19: true, 18: false, 12: false, 5: false, 99: false} {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		r := OpenRecent(path, checkpoint(i))
		if got := r.Seen([]byte(uuids(195, 1)[0])); got != want {
			t.Errorf("from checkpoint %d: the last keys are known: %v, want %v", i, got, want)
		}
		if i < 20 && !r.Seen([]byte(uuids(i*10, 1)[0])) {
			t.Errorf("from checkpoint %d: its own keys are not known", i)
		}
		_ = r.Close()
	}
}

func TestRecent_ManyKeys_AreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	r := OpenRecent(path, at)
	const page = 1000
	for i := range 1000 { // a minute each
		if n := see(t, r, noon.Add(time.Duration(i)*time.Minute), uuids(i*page, page)...); n != 0 {
			t.Fatalf("page %d: %d seen", i, n)
		}
	}
	if r.count() < minKeys || r.count() > minKeys+2*page || len(r.keys) != r.count() || cap(r.order) > 8*minKeys {
		t.Errorf("%d keys, %d in the map, room for %d", r.count(), len(r.keys), cap(r.order))
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 17*(2*minKeys+4*page) {
		t.Errorf("%v, %v", info.Size(), err)
	}
	if n := see(t, r, noon.Add(1000*time.Minute), uuids(995*page, 5*page)...); n != 5*page {
		t.Errorf("%d of the last 5,000 are remembered", n)
	}
	_ = r.Close()

	r = OpenRecent("", nil)
	for i := range 400 { // all of the same time
		see(t, r, noon, uuids(i*page, page)...)
	}
	if r.count() > maxKeys {
		t.Errorf("%d keys", r.count())
	}
	if n := see(t, r, noon, uuids(399*page, page)...); n != page {
		t.Errorf("%d of the last page", n)
	}
}

// TestCommit_UnusableFile_FailsOnce: after that, keys are only kept in memory.
func TestCommit_UnusableFile_FailsOnce(t *testing.T) {
	r := OpenRecent(filepath.Join(t.TempDir(), "none", "keys"), at)
	r.Begin()
	r.Seen([]byte("a"))
	r.Keep(noon)
	if err := r.Commit(r.Kept()); err == nil || !strings.Contains(err.Error(), "will not recognise") {
		t.Errorf("%v", err)
	}
	if n := see(t, r, noon, "a", "b"); n != 1 {
		t.Errorf("%d seen", n)
	}
}

// TestCommit_FileDeleted_WritesKeysAgain: the next process knows all keys.
func TestCommit_FileDeleted_WritesKeysAgain(t *testing.T) {
	for name, remove := range map[string]func(string) error{
		"deleted": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".1") },
		"cut":     func(path string) error { return os.Truncate(path, 3) },
	} {
		path := filepath.Join(t.TempDir(), "keys")
		r := OpenRecent(path, nil)
		see(t, r, noon, "a", "b")
		if err := remove(path); err != nil {
			t.Fatal(err)
		}
		see(t, r, noon, "c")
		if err := remove(path); err != nil {
			t.Fatal(err)
		}
		see(t, r, noon, "d")
		_ = r.Close()
		again := OpenRecent(path, at)
		if n := see(t, again, noon, "a", "b", "c", "d"); n != 4 {
			t.Errorf("%s: the next process knows %d of 4", name, n)
		}
		_ = again.Close()
	}
}

func FuzzRecentFile(f *testing.F) {
	f.Add([]byte(magic + strings.Repeat("k", 17*3+5)))
	f.Add([]byte("recent"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r := OpenRecent(path, at)
			see(t, r, noon, "a")
			_ = r.Close()
		}
		r := OpenRecent(path, at)
		if !r.Seen([]byte("a")) {
			t.Error("a is not remembered")
		}
		_ = r.Close()
	})
}
