// Package observed finds what Okta really answered: its published examples and recordings of real orgs. They are not in
// the repository; on the project's machines they are next to the checkout.
package observed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
)

// Variable is the environment variable that names the folder which holds okta/recorded.jsonl and okta/examples. If it
// is set, a missing file fails the test, so that CI cannot skip the test unnoticed.
const Variable = "OKTA_SHARED"

// Path returns the path of a file of the folder okta: in the folder that Variable names, else in ../shared, next to the
// repository. It skips the test, with a message, if the file is missing.
func Path(t testing.TB, name string) string {
	t.Helper()
	path, wanted := place(t, name)
	if !wanted && !there(path) {
		t.Skipf("%s is not here: set %s to the folder that holds okta/%s", path, Variable, name)
	}
	return path
}

// Here reports whether that file is there, for tests that have something to show without it.
func Here(t testing.TB, name string) bool {
	t.Helper()
	path, wanted := place(t, name)
	return wanted || there(path)
}

// File returns the content of that file.
func File(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func place(t testing.TB, name string) (path string, wanted bool) {
	t.Helper()
	dir := os.Getenv(Variable)
	wanted = dir != ""
	if !wanted {
		root, err := pack.Root()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(root, "..", "shared")
	}
	return filepath.Join(dir, "okta", name), wanted
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
