package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/mach5/okta-connector/host/durable"
)

func appendTo(t *testing.T, path string) durable.File {
	t.Helper()
	f, err := durable.OS.Append(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// A file is in use by whatever name it is opened, also after it was renamed and another file has its name.
func TestOpen_AFileInUse_IsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no flock")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	f := appendTo(t, path)
	if err := errors.Join(os.Symlink("a", filepath.Join(dir, "link")), os.Link(path, filepath.Join(dir, "hard"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "link", "hard"} {
		if _, err := durable.OS.Append(filepath.Join(dir, name), 0); !errors.Is(err, durable.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := durable.OS.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	second := appendTo(t, path)
	for _, name := range []string{"a", "a.1"} {
		if _, err := durable.OS.Append(filepath.Join(dir, name), 0); !errors.Is(err, durable.ErrLocked) {
			t.Errorf("after the rename, %s: %v", name, err)
		}
	}
	_ = f.Close()
	_ = second.Close()
	appendTo(t, path)
	appendTo(t, path+".1")
}

func TestOpen_ADevice_AllowsManyWriters(t *testing.T) {
	appendTo(t, os.DevNull)
	appendTo(t, os.DevNull)
}

func TestPath_ThroughLinks_FindsTheFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := errors.Join(os.Mkdir("sub", 0o700), os.WriteFile("sub/file", nil, 0o600), os.Symlink("sub", "folder"),
		os.Symlink("folder/file", "one"), os.Symlink(filepath.Join(dir, "one"), "two"), os.Symlink("sub/nothing", "dangling"),
		os.Symlink("loop", "loop"), os.Symlink(os.DevNull, "device")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"sub/file": "sub/file", "folder/file": "sub/file", "one": "sub/file", "two": filepath.Join(dir, "sub", "file"),
		"dangling": "sub/nothing", "new": "new", "folder/new": "sub/new", "none/new": "none/new",
		"loop": "loop", "device": "device", "sub": "sub", os.DevNull: os.DevNull,
	} {
		if got := durable.Resolve(path); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}

// Standard output may be redirected to one.
func TestPath_OfAFileWithoutAName_IsNotSearched(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fd := filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd())))
	if got := durable.Resolve(fd); got != path {
		t.Errorf("%s is at %s, want %s", fd, got, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := durable.Resolve(fd); got != fd {
		t.Errorf("%s is at %s, which is nothing", fd, got)
	}
}

func TestNoFolder_OfAMissingFolder_SaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none", "file")
	_, err := os.Open(missing)
	if err = durable.NoFolder(missing, err); !errors.Is(err, fs.ErrNotExist) || err.Error() != "folder "+filepath.Join(dir, "none")+" does not exist: create it, or name another file" {
		t.Error(err)
	}
	there := filepath.Join(dir, "file")
	_, want := os.Open(there)
	if err := durable.NoFolder(there, want); err != want {
		t.Errorf("with a folder: %v, want %v", err, want)
	}
	if err := durable.NoFolder(missing, nil); err != nil {
		t.Error(err)
	}
}
