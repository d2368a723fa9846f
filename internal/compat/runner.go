package compat

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
)

// Runner builds the runner and the module of Commit in dir, and returns their paths. It takes minutes with an empty
// build cache. If git does not have the commit, as in a copy without history, the test is skipped, or fails if $CI is
// true.
func Runner(t testing.TB, dir string) (runner, module string) {
	t.Helper()
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "source")
	if err := checkOut(root, source); err != nil {
		message := fmt.Sprintf("the runner of %.7s cannot be built, so it is not tested: %v. Use a clone with history (git fetch --unshallow)", Commit, err)
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	runner, module = filepath.Join(dir, "wasm-runner"), filepath.Join(dir, "okta.wasm")
	for _, args := range [][]string{
		{"run", "./build", "-o", module},
		{"build", "-trimpath", "-o", runner, "./cmd/wasm-runner"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = source
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s in %s: %v\n%s", strings.Join(args, " "), source, err, out)
		}
	}
	return runner, module
}

// checkOut writes the files of Commit to dir.
func checkOut(root, dir string) error {
	var archive, stderr bytes.Buffer
	cmd := exec.Command("git", "-C", root, "archive", "--format=tar", Commit)
	cmd.Stdout, cmd.Stderr = &archive, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("git archive: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	for files := tar.NewReader(&archive); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag != tar.TypeReg {
			continue // folders are created with their files
		}
		path := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := write(path, files, fs.FileMode(h.Mode).Perm()); err != nil {
			return err
		}
	}
}

func write(path string, content io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
