package pack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// checkout writes a small Go module with a guest that builds quickly.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                 "module tiny\n\ngo 1.24\n",
		"go.sum":                 "",
		"abi/abi.go":             "package abi\n",
		"guest/main.go":          "package main\n\n//go:wasmexport one\nfunc one() int32 { return 1 }\n\nfunc main() {}\n",
		"guest/okta/schema.json": "{}",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := Write(file, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestCached_SecondCall_UsesCache(t *testing.T) {
	cache := t.TempDir()
	o := Options{Dir: checkout(t), Manifest: okta.Manifest()}
	first, err := cached(t.Context(), cache, o)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(cache, "guest-*.wasm"))
	if len(files) != 1 {
		t.Fatalf("the cache has %q, want one module", files)
	}
	marked, err := wasmbin.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	// A module without code shows that it came from the cache.
	mark, err := wasmbin.AppendCustom([]byte("\x00asm\x01\x00\x00\x00"), marked.Customs[0].Name, marked.Customs[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	put(t, files[0], string(mark))
	if got, err := cached(t.Context(), cache, o); err != nil || !bytes.Equal(got, mark) {
		t.Errorf("%d bytes, %v: the module was built again", len(got), err)
	}
	for name, text := range map[string]string{"cut": string(first[:len(first)/2]), "without manifest": "\x00asm\x01\x00\x00\x00"} {
		put(t, files[0], text)
		if got, err := cached(t.Context(), cache, o); err != nil || !bytes.Equal(got, first) {
			t.Errorf("%s: %d bytes, %v: want it built again", name, len(got), err)
		}
	}
}

func TestCached_NoCacheFolder_Builds(t *testing.T) {
	o := Options{Dir: checkout(t), Manifest: okta.Manifest()}
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "no folder")
	for name, dir := range map[string]string{"none": "", "a file instead of a folder": file, "below a file": filepath.Join(file, "below")} {
		if wasm, err := cached(t.Context(), dir, o); err != nil || !isModule(wasm, o.Manifest) {
			t.Errorf("%s: %d bytes, %v", name, len(wasm), err)
		}
	}
}

func TestCached_Concurrent_GivesSameModule(t *testing.T) {
	cache := t.TempDir()
	o := Options{Dir: checkout(t), Manifest: okta.Manifest()}
	var all sync.WaitGroup
	modules := make([][]byte, 4)
	for i := range modules {
		all.Go(func() {
			wasm, err := cached(t.Context(), cache, o)
			if err != nil {
				t.Error(err)
			}
			modules[i] = wasm
		})
	}
	all.Wait()
	for _, m := range modules {
		if !bytes.Equal(m, modules[0]) {
			t.Error("two modules of the same sources differ")
		}
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
		t.Errorf("the cache has %v (%v), want one module", entries, err)
	}
}

func TestKey_AnySource_ChangesIt(t *testing.T) {
	o := Options{Dir: checkout(t), Package: "./guest", Manifest: []byte("{}")}
	put(t, filepath.Join(o.Dir, "other", "main.go"), "package main\n")
	get := func(version string, o Options) string {
		k, err := key(version, o)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := get("go1", o)

	for _, f := range []string{"guest/main_test.go", "guest/testdata/x.go", "guest/okta/oktatest/x.go", "README.md", "host/host.go"} {
		put(t, filepath.Join(o.Dir, f), "package x\n")
		if get("go1", o) != first {
			t.Errorf("%s is not part of the module, but it changed the key", f)
		}
	}
	seen := map[string]string{first: "nothing"}
	changed := func(what, key string) {
		if was, ok := seen[key]; ok {
			t.Errorf("the key is the same after %s and %s", was, what)
		}
		seen[key] = what
	}
	changed("another Go", get("go2", o))
	changed("another manifest", get("go1", Options{Dir: o.Dir, Package: o.Package, Manifest: []byte("{ }")}))
	changed("another package", get("go1", Options{Dir: o.Dir, Package: "./other", Manifest: o.Manifest}))
	for _, f := range []string{"go.mod", "go.sum", "abi/abi.go", "guest/main.go", "guest/okta/schema.json", "guest/okta/new.go"} {
		put(t, filepath.Join(o.Dir, f), "changed")
		changed(f, get("go1", o))
	}
}

// TestKey_GuestImports_AreCovered: the key ignores other folders, so an import from there would lead to outdated modules.
func TestKey_GuestImports_AreCovered(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"./guest", "./host/testdata/hostile", "./host/hosttest/invented/guest"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			rest, ours := strings.CutPrefix(path, modulePath+"/")
			folder, _, _ := strings.Cut(rest, "/")
			if ours && (!slices.Contains(folders, folder) || slices.Contains(testOnly, rest)) && "./"+rest != pkg {
				t.Errorf("%s imports %s: add its folder to folders in cache.go", pkg, path)
			}
		}
	}
}

func TestPrune_OldModules_AreRemoved(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"guest-old.wasm": 2 * time.Hour, "guest-new.wasm": 0, "other": 2 * time.Hour} {
		file := filepath.Join(dir, name)
		put(t, file, name)
		if err := os.Chtimes(file, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir, now.Add(-time.Hour))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "guest-new.wasm" || entries[1].Name() != "other" {
		t.Errorf("%v remain (%v), want guest-new.wasm and other", entries, err)
	}
}

func TestRoot_NestedModule_IsSkipped(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "host", "testdata", "other", "deep")
	put(t, filepath.Join(dir, "go.mod"), "// the connector\nmodule \""+modulePath+"\" // here\n")
	put(t, filepath.Join(dir, "host", "testdata", "other", "go.mod"), "module other\n")
	put(t, filepath.Join(inner, "x"), "")
	if got, err := root([]string{t.TempDir(), inner}); err != nil || got != dir {
		t.Errorf("%q, %v, want %q", got, err, dir)
	}
	if got, err := root([]string{t.TempDir()}); err == nil {
		t.Errorf("%q, want an error outside of a checkout", got)
	}
}
