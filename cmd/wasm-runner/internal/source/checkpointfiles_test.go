package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

func TestCheckDistinctFiles_SameFile_IsAnError(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"there", "other"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "there", "sub/up": "..", "dangling": "nothing-yet", "loop": "loop"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link("there", "hard"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		out, checkpoint string
		ok              bool
	}{
		{"x", "x", false}, {"./x", "sub/../x", false}, {filepath.Join(dir, "x"), "x", false}, {"sub/up/x", "x", false},
		{"x.lock", "x", false}, {"x.new", "x", false}, {"x.keys", "x", false}, {"link", "there", false}, {"hard", "there", false}, {"there", "link", false},
		{"there.lock", "link", false}, {"there.new", "link", false}, {"link.keys", "link", false},
		{"dangling", "nothing-yet", false}, {"sub/up/there", "hard", false},
		{"x", "y", true}, {"there", "other", true}, {"x", "there", true}, {"-", "-", true}, {"", "", true}, {"x", "", true},
		{"loop", "x", true}, {"x.locked", "x", true},
	} {
		err := checkDistinctFiles("--out", c.out, c.checkpoint)
		var usage cli.UsageError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &usage) {
			t.Errorf("--out %s --checkpoint %s: %v", c.out, c.checkpoint, err)
		}
	}
}
