package checkpoint

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mach5/okta-connector/host/durable"
)

var source = Identity{Kind: "okta", Connection: "okta-prod", BaseURL: "https://example.okta.com", Operation: "poll_system_log_page",
	Config: json.RawMessage(`{"q": "a<b", "page_size": 100}`)}

func open(t *testing.T, path string, own Identity) *File {
	t.Helper()
	f, err := Open(path, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestLoad_AfterSave_ReturnsCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	if got, err := f.Load(); got != nil || err != nil {
		t.Fatalf("a missing file: %s, %v", got, err)
	}
	for _, want := range []string{`{"v":1,"link":"/api/v1/logs?after=a&limit=2"}`, `{"v":1,"link":"/api/v1/logs?after=b&limit=2"}`} {
		if err := f.Save(json.RawMessage(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Load(); string(got) != want || err != nil {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	_ = f.Close()
	again := source
	again.Config = json.RawMessage(`{"page_size":100,"q":"a<b"}`) // the same config with another order
	if got, err := open(t, path, again).Load(); err != nil || !strings.Contains(string(got), "after=b") {
		t.Errorf("in the next process: %s, %v", got, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("files: %v, %v; want the checkpoint and its lock", left, err)
	}
}

func TestLoad_DamagedFile_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	if err := f.Save(json.RawMessage(`{"v":1}`)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"blank":            " \n",
		"zeros":            strings.Repeat("\x00", 300),
		"not an object":    "[]",
		"another version":  strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1),
		"no version":       strings.Replace(string(whole), `"version": 1,`, "", 1),
		"an unknown field": strings.Replace(string(whole), `"version": 1,`, `"version": 1, "x": 1,`, 1),
		"no checkpoint":    strings.Replace(string(whole), `"checkpoint"`, `"saved_at": "2026-01-01T00:00:00Z", "checkpoint_"`, 1),
		"a null":           `{"version":1,"kind":"okta","connection":"a","operation":"b","config":{},"checkpoint":null,"saved_at":"2026-01-01T00:00:00Z"}`,
		"two values":       string(whole) + string(whole),
		"too large":        string(whole) + strings.Repeat(" ", MaxFile),
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, text)
			wantError(t, f, ErrDamaged)
		})
	}
	t.Run("cut anywhere", func(t *testing.T) {
		for n := range len(whole) - 2 { // the last byte is a line break
			write(t, path, string(whole[:n]))
			wantError(t, f, ErrDamaged)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, f *File, want error) {
	t.Helper()
	got, err := f.Load()
	if !errors.Is(err, want) || got != nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %s, %v; want %v in one line", got, err, want)
	}
}

func TestLoad_OtherSource_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	if err := f.Save(json.RawMessage(`{"v":1}`)); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	for name, change := range map[string]func(*Identity){
		"kind":       func(i *Identity) { i.Kind = "entra" },
		"connection": func(i *Identity) { i.Connection = "okta-dev" },
		"org":        func(i *Identity) { i.BaseURL = "https://other.okta.com" },
		"operation":  func(i *Identity) { i.Operation = "list_users" },
		"config":     func(i *Identity) { i.Config = json.RawMessage(`{"q":"b"}`) },
		"no config":  func(i *Identity) { i.Config = nil },
	} {
		t.Run(name, func(t *testing.T) {
			other := source
			change(&other)
			g := open(t, path, other)
			wantError(t, g, ErrOther)
			_ = g.Close()
		})
	}
}

// TestLoad_OtherPageSize_IsTheSameSource: neither the saved nor the new page size matters.
func TestLoad_OtherPageSize_IsTheSameSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	configs := []string{`{"q":"a<b"}`, `{"q":"a<b","page_size":100}`, `{ "page_size": 7, "q":"a<b"}`}
	for _, saved := range configs {
		own := source
		own.Config = json.RawMessage(saved)
		f := open(t, path, own)
		if err := f.Save(json.RawMessage(`{"v":1}`)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		for _, config := range configs {
			own.Config = json.RawMessage(config)
			g := open(t, path, own)
			if got, err := g.Load(); err != nil || string(got) != `{"v":1}` {
				t.Errorf("saved with %s, loaded with %s: %s %v", saved, config, got, err)
			}
			_ = g.Close()
		}
		own.Config = json.RawMessage(`{"q":"b","page_size":100}`)
		g := open(t, path, own)
		wantError(t, g, ErrOther)
		_ = g.Close()
	}
}

func TestOpen_FileInUse_ReturnsErrLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	if _, err := Open(path, source); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open: %v", err)
	}
	_ = f.Close()
	open(t, path, source)
}

func TestOpen_UnusablePath_ReturnsErrPlace(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"a missing folder": filepath.Join(dir, "none", "cp.json"),
		"a folder":         dir,
		"a device":         "/dev/full",
	} {
		if _, err := Open(path, source); !errors.Is(err, ErrPlace) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// full is a disk without free space.
type full struct{ durable.Disk }

func (d full) Create(path string) (durable.File, error) {
	f, err := d.Disk.Create(path)
	return fullFile{f}, err
}

type fullFile struct{ durable.File }

func (f fullFile) Write(b []byte) (int, error) {
	n, _ := f.File.Write(b[:len(b)/2])
	return n, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
}

func TestSave_FullDisk_KeepsLastCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	if err := f.Save(json.RawMessage(`{"v":1}`)); err != nil {
		t.Fatal(err)
	}
	f.disk = full{durable.OS}
	err := f.Save(json.RawMessage(`{"v":2}`))
	if !errors.Is(err, ErrSave) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if got, err := f.Load(); string(got) != `{"v":1}` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a part of the new file remains: %v", err)
	}
}

// TestSave_Link_ReplacesItsTarget: the link stays, and the target is locked under its own path, too.
func TestSave_Link_ReplacesItsTarget(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "volume", "cp.json"), filepath.Join(dir, "cp.json")
	if err := os.Mkdir(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("volume", "cp.json"), link); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"v":1}`, `{"v":2}`} { // the target does not exist at first
		f := open(t, link, source)
		if _, err := Open(target, source); !errors.Is(err, ErrLocked) {
			t.Errorf("opened by its own path: %v", err)
		}
		if err := f.Save(json.RawMessage(want)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Fatalf("the link is gone: %v, %v", info, err)
		}
		g := open(t, target, source)
		if got, err := g.Load(); string(got) != want || err != nil {
			t.Errorf("its target has %s, %v; want %s", got, err, want)
		}
		_ = g.Close()
	}
}

func TestSave_LeftoverOfACrash_IsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	write(t, path+".new", `{"version": 1, "ki`)
	if err := f.Save(json.RawMessage(`{"v":1}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(); string(got) != `{"v":1}` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"okta","connection":"a","base_url":"b","operation":"c","config":{},"checkpoint":{},"saved_at":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, err := parse(text); err == nil && (!json.Valid(e.Checkpoint) || e.Version != Version) {
			t.Errorf("took %q", text)
		}
	})
}

// TestSave_FileDeletedOrChanged_IsCreatedOrFails: a deleted checkpoint or lock is created again. A file that another
// program wrote is not changed, and nothing is changed once another process has the lock.
func TestSave_FileDeletedOrChanged_IsCreatedOrFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cp.json")
	f := open(t, path, source)
	save := func(n string) error { return f.Save(json.RawMessage(`{"v":` + n + `}`)) }
	steps := []func() error{
		func() error { return save("1") },
		func() error { return errors.Join(os.Remove(path), save("2")) },
		func() error { return errors.Join(os.Remove(path+".lock"), save("3")) },
		func() error { // the same with a copy of the file
			b, err := os.ReadFile(path)
			return errors.Join(err, os.Rename(path, path+".x"), os.WriteFile(path, b, 0o600), save("4"))
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
	if _, err := Open(path, source); !errors.Is(err, ErrLocked) {
		t.Errorf("the recreated lock file is not locked: %v", err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	other := open(t, path, source)
	if err := save("5"); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "cp.json.lock was deleted, and another process uses") {
		t.Errorf("%v", err)
	}
	if got, err := other.Load(); string(got) != `{"v":4}` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	changed := []byte("another program's\n")
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := other.Save(json.RawMessage(`{"v":6}`)); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	if got, err := os.ReadFile(path); string(got) != string(changed) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSave_FolderDeleted_SaysSo: the error does not mention a full disk.
func TestSave_FolderDeleted_SaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := open(t, filepath.Join(dir, "cp.json"), source)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(json.RawMessage(`{"v":1}`)); !errors.Is(err, ErrSave) || !strings.Contains(err.Error(), "cp.json.lock was deleted and cannot be created again: ") {
		t.Errorf("%v", err)
	}
}
