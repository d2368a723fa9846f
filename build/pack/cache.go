package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// folders are those of this Go module that go into any guest; a test holds them against what guest/ imports.
var folders = []string{"abi", "guest"}

// aside are packages in these folders that only tests import: no guest changes with them.
var aside = []string{"guest/hostcall/hosttest", "guest/okta/e2e", "guest/okta/oktatest"}

// form is the form of a packed module. It changes with what this package makes of what the compiler built.
const form = 3

// keep is how long a cached module stays that nobody asks for any more.
const keep = 7 * 24 * time.Hour

// Cached is Guest with a cache, for tests: the module is built once for all of them. The cache is the folder
// okta-connector in os.UserCacheDir, keyed by the sources, the manifest, the flags and the version of Go; where it
// cannot be used, the module is built. It is safe for several processes at once.
func Cached(ctx context.Context) ([]byte, error) { return cached(ctx, cacheDir(), Options{}) }

// CachedPackage is Cached for another package of this Go module ("./host/testdata/hostile") with a manifest of its own.
// The package may import those under abi/ and guest/, and no others of this module.
func CachedPackage(ctx context.Context, pkg string, manifest []byte) ([]byte, error) {
	return cached(ctx, cacheDir(), Options{Package: pkg, Manifest: manifest})
}

// cacheDir is "" when there is none.
func cacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "okta-connector")
}

func cached(ctx context.Context, dir string, o Options) ([]byte, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkManifest(o.Manifest); err != nil {
		return nil, err
	}
	tool, err := newToolchain(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return guest(ctx, tool, o)
	}
	key, err := key(tool.version, o)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "guest-"+key+".wasm")
	if wasm, err := os.ReadFile(file); err == nil && holds(wasm, o.Manifest) {
		return wasm, nil
	}
	wasm, err := guest(ctx, tool, o)
	if err != nil {
		return nil, err
	}
	if Write(file, wasm) == nil { // without a cache the next caller builds again
		prune(dir, time.Now().Add(-keep))
	}
	return wasm, nil
}

// holds reports whether a cached module is whole and has this manifest and no other custom section.
func holds(wasm, manifest []byte) bool {
	m, err := wasmbin.Parse(wasm)
	return err == nil && len(m.Customs) == 1 && m.Customs[0].Name == abi.ManifestSection && bytes.Equal(m.Customs[0].Data, manifest)
}

// prune removes the modules of a cache that were written before a time.
func prune(dir string, before time.Time) {
	files, _ := filepath.Glob(filepath.Join(dir, "guest-*.wasm"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(f) // another process may have been faster
		}
	}
}

// key is a hash over everything that goes into the module.
func key(goVersion string, o Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q\n", form, goVersion, flags, fixed, o.Package, o.Manifest)
	files := []string{"go.mod", "go.sum"}
	for _, folder := range append([]string{o.Package}, folders...) {
		found, err := sources(o.Dir, folder)
		if err != nil {
			return "", fmt.Errorf("listing the sources of %s: %w", o.Package, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	for _, f := range slices.Compact(files) {
		text, err := os.ReadFile(filepath.Join(o.Dir, f))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %d\n", filepath.ToSlash(f), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// sources lists the files under a folder of a module that its packages can be made of, tests and their data aside, by
// their paths in the module. What is embedded is among them.
func sources(module, folder string) (files []string, err error) {
	top := filepath.Join(module, folder)
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(module, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" && path != top || slices.Contains(aside, filepath.ToSlash(rel))):
			return filepath.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files = append(files, rel)
		return nil
	})
	return files, err
}
