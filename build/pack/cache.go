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

// folders are the folders of this Go module whose packages a guest may import. A test compares them with the imports of guest/.
var folders = []string{"abi", "guest"}

// testOnly are the packages in these folders that only tests import. No guest depends on them.
var testOnly = []string{"guest/hostcall/hosttest", "guest/okta/bench", "guest/okta/e2e", "guest/okta/faultmatrix", "guest/okta/oktatest", "guest/connectortest"}

// format is the version of the format of packed modules. Increase it when this package changes what it does after the build.
const format = 3

// maxAge is the age after which a cached module is removed.
const maxAge = 7 * 24 * time.Hour

// Cached is Guest with a cache, for tests: the module is built once for all of them. The cache is the folder okta-connector in
// os.UserCacheDir. Its keys depend on the sources, the manifest, the flags and the version of Go. If the cache cannot be
// used, the module is built. Several processes may call it concurrently.
func Cached(ctx context.Context) ([]byte, error) { return cached(ctx, cacheDir(), Options{}) }

// CachedPackage is Cached for another package of this Go module, such as "./host/testdata/hostile", with another manifest. Of
// this module, the package may import only packages under abi/ and guest/.
func CachedPackage(ctx context.Context, pkg string, manifest []byte) ([]byte, error) {
	return cached(ctx, cacheDir(), Options{Package: pkg, Manifest: manifest})
}

// cacheDir returns the folder of the cache, or "" if there is none.
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
	if wasm, err := os.ReadFile(file); err == nil && isModule(wasm, o.Manifest) {
		return wasm, nil
	}
	wasm, err := guest(ctx, tool, o)
	if err != nil {
		return nil, err
	}
	if Write(file, wasm) == nil { // if it fails, the next caller builds again
		prune(dir, time.Now().Add(-maxAge))
	}
	return wasm, nil
}

// isModule reports whether a cached module is whole, and has this manifest and no other custom section.
func isModule(wasm, manifest []byte) bool {
	m, err := wasmbin.Parse(wasm)
	return err == nil && len(m.Customs) == 1 && m.Customs[0].Name == abi.ManifestSection && bytes.Equal(m.Customs[0].Data, manifest)
}

// prune removes the modules from a cache that were written before a time.
func prune(dir string, before time.Time) {
	files, _ := filepath.Glob(filepath.Join(dir, "guest-*.wasm"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(f) // another process may have removed it
		}
	}
}

// key returns a hash of everything that the module depends on.
func key(goVersion string, o Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q\n", format, goVersion, flags, fixed, o.Package, o.Manifest)
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

// sources returns the files in a folder of a module, with embedded files and without tests and their data. Paths are relative
// to the module.
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
		case d.IsDir() && (d.Name() == "testdata" && path != top || slices.Contains(testOnly, filepath.ToSlash(rel))):
			return filepath.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files = append(files, rel)
		return nil
	})
	return files, err
}
