package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
)

// outside writes a Go module elsewhere that requires this one and has the template as its connector ./desk. It returns its root.
func outside(t *testing.T) string {
	t.Helper()
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	gomod := read(t, filepath.Join(root, "go.mod"))
	_, rest, _ := strings.Cut(gomod, "\n")
	put(t, filepath.Join(dir, "go.mod"), "module example.com/desk\n"+rest+
		"\nrequire github.com/mach5/okta-connector v0.0.0\nreplace github.com/mach5/okta-connector => "+root+"\n")
	put(t, filepath.Join(dir, "go.sum"), read(t, filepath.Join(root, "go.sum")))
	for _, name := range []string{"main.go", "native.go", "notes.go"} {
		put(t, filepath.Join(dir, "desk", name), read(t, filepath.Join(root, "guest", "template", name)))
	}
	return dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := pack.Write(file, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestRun_ConnectorOfAnotherGoModule_IsPacked(t *testing.T) {
	dir := outside(t)
	cmd := exec.Command("go", "run", "github.com/mach5/okta-connector/build", "-guest", "./desk")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if wasm := read(t, filepath.Join(dir, "desk.wasm")); !strings.Contains(wasm, `"kind":"notes"`) {
		t.Errorf("%d bytes without the manifest", len(wasm))
	}
}

func TestRun_FolderInAnyForm_IsFound(t *testing.T) {
	dir := outside(t)
	t.Setenv("GOPROXY", "off")
	for _, folder := range []string{"./desk", "desk", filepath.Join(dir, "desk")} {
		if testing.Short() && folder != "desk" {
			continue // each form is a build
		}
		t.Chdir(dir)
		out := filepath.Join(t.TempDir(), "x.wasm")
		if err := run(t.Context(), []string{"-guest", folder, "-o", out}, &bytes.Buffer{}); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// TestRun_MistakeInALiteral_SaysItAlone: no stack of prefixes hides the sentence.
func TestRun_MistakeInALiteral_SaysItAlone(t *testing.T) {
	dir := outside(t)
	file := filepath.Join(dir, "desk", "notes.go")
	whole := read(t, file)
	for name, c := range map[string]struct{ old, new, want string }{
		"a misspelt input": {`{"tag", "tag"}`, `{"tga", "tag"}`, "did you mean tag?"},
		"a misspelt type":  {`"type":"string","minLength":1,"maxLength":200`, `"type":"strng"`, "did you mean string?"},
		"net/http":         {"import (", "import (\n\t\"net/http\"", "net/http (imported by example.com/desk/desk)"},
		"Go that is none":  {"Version: ", "Versoin: ", "unknown field Versoin"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && (name == "net/http" || name == "a misspelt type") {
				t.Skip("builds one more guest, with net/http for another platform")
			}
			text := strings.Replace(whole, c.old, c.new, 1)
			if name == "net/http" {
				text += "\nvar _, get = http.Get(\"http://x.example\")\n"
			}
			put(t, file, text)
			t.Chdir(dir)
			err := run(t.Context(), []string{"-guest", "./desk", "-o", filepath.Join(t.TempDir(), "x.wasm")}, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "exit status") && name != "Go that is none" {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
