package confinement

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestNameServers_OfAFile_AreThoseOfResolvers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "# nameserver 10.0.0.9\nsearch example.com\nnameserver 10.0.0.1\nnameserver  fe80::1%eth0 # second\nnameserver none\nnameserver ::1\nnameserver 10.0.0.4\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := nameServers(path), []string{"10.0.0.1:53", "[fe80::1%eth0]:53", "[::1]:53"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if got := nameServers(path + ".none"); got != nil {
		t.Errorf("a missing file has %q", got)
	}
}

func TestInstead_AddressOfThisMachine_IsReplacedIfTheFileIsClosed(t *testing.T) {
	servers := []string{"10.0.0.1:53"}
	for _, c := range []struct {
		address    string
		servers    []string
		unreadable bool
		want       bool
	}{
		{"127.0.0.1:53", servers, true, true},
		{"[::1]:53", servers, true, true},
		{"127.0.0.1:53", servers, false, false},
		{"10.0.0.1:53", servers, true, false},
		{"127.0.0.1:53", []string{"127.0.0.1:53"}, true, false}, // a resolver of this machine
	} {
		if got := instead(c.address, c.servers, c.unreadable); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFiles_WrittenToASharedFolder_AreWide(t *testing.T) {
	home := filepath.Join(t.TempDir(), "people", "ada")
	own := filepath.Join(home, "run")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	in := func(folder string) string { return filepath.Join(folder, "file") }
	other := filepath.Join(t.TempDir(), "home")
	if err := os.Symlink(home, other); err != nil {
		t.Skip("this system has no links")
	}
	for path, wide := range map[string]bool{
		in(home): true, in(filepath.Dir(home)): true, in(other): true, in("/"): true, in("/etc"): true, in(os.TempDir()): true, in("/tmp"): true,
		in(own): false, in(t.TempDir()): false, "/dev/null": false, "/dev/none": false,
	} {
		var f Files
		f.Rewrite(path)
		var want []string
		if wide {
			want = []string{path}
		}
		if got := f.Wide(); !slices.Equal(got, want) {
			t.Errorf("%s: %q are wide, want %q", path, got, want)
		}
	}
	for folder, wide := range map[string]bool{home: true, own: false, filepath.Join(home, "later"): false} {
		var write, remove Files
		write.Write(folder)
		remove.Remove(folder)
		if got := write.Wide(); (len(got) == 1) != wide {
			t.Errorf("writing the folder %s: %q are wide", folder, got)
		}
		if got := remove.Wide(); (len(got) == 1) != wide {
			t.Errorf("removing the folder %s: %q are wide", folder, got)
		}
	}
	var read Files
	read.Watch(in(home))
	read.Read(home)
	if got := read.Wide(); got != nil {
		t.Errorf("%q are only read", got)
	}
}

func TestFiles_OfAPath_AreItsFolderAndItsTarget(t *testing.T) {
	dir, target := t.TempDir(), t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(filepath.Join(target, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(target, "file"), link); err != nil {
		t.Skip("this system has no links")
	}
	var f Files
	f.Watch(link)
	if want := []string{dir, target}; !slices.Equal(f.read, want) || f.Narrowed() != nil {
		t.Errorf("reading %q, want %q", f.read, want)
	}
	f = Files{}
	f.Rewrite(filepath.Join(dir, "new"))
	if want := []string{dir}; !slices.Equal(f.write, want) {
		t.Errorf("writing %q, want %q", f.write, want)
	}
	t.Setenv("HOME", dir)
	f = Files{}
	f.Watch(filepath.Join(dir, "token"))
	if want := []string{filepath.Join(dir, "token")}; !slices.Equal(f.read, want) || !slices.Equal(f.Narrowed(), want) {
		t.Errorf("in a folder that many programs share: reading %q, want %q", f.read, want)
	}
}
