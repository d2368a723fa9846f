// Package figures keeps what tests measured where it is seen: go test shows what a test prints only when it fails.
package figures

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Folder is the environment variable that names the folder for figures. CI prints what is in it.
const Folder = "FIGURES"

// Keep prints a text, and leaves it as NAME.txt in the folder, when there is one. A name is of one test.
func Keep(t testing.TB, name, text string) {
	t.Helper()
	fmt.Println(text)
	dir := os.Getenv(Folder)
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(text+"\n"), 0o600); err != nil {
		t.Error(err)
	}
}
