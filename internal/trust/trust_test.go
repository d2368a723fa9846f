package trust

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFile_WritableByOthers_IsNotTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode fs.FileMode
		want string
	}{{0o600, ""}, {0o664, ""}, {0o644, ""}, {0o666, "writable by everyone"}, {0o602, "writable by everyone"}} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if err := File(path); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // only root can change the owner of a file
		if err := os.Chown(path, 12345, -1); err != nil {
			t.Skip("the owner of a file cannot be changed here")
		}
		if err := File(path); err == nil || !strings.Contains(err.Error(), "user 12345") {
			t.Errorf("another user's file: %v", err)
		}
	}
	if err := File(filepath.Join(filepath.Dir(path), "none")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
