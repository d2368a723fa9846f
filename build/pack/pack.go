// Package pack makes the connector's module: it builds guest/ for Wasm, strips it, and writes the manifest into it. The
// same sources give the same bytes.
package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// flags of the build: nothing of this machine or this moment goes into the module.
var flags = []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-buildmode=c-shared"}

// Options say what to pack.
type Options struct {
	Dir      string // root of the Go module; default the one that holds this package or the working directory
	Package  string // default ./guest
	Manifest []byte // default okta.Manifest()
}

// Guest builds and packs the module.
func Guest(ctx context.Context, o Options) ([]byte, error) {
	if o.Dir == "" {
		dir, err := Root()
		if err != nil {
			return nil, err
		}
		o.Dir = dir
	}
	if o.Package == "" {
		o.Package = "./guest"
	}
	if o.Manifest == nil {
		o.Manifest = okta.Manifest()
	}
	if err := checkManifest(o.Manifest); err != nil {
		return nil, err
	}
	wasm, err := build(ctx, o)
	if err != nil {
		return nil, err
	}
	if wasm, err = wasmbin.Strip(wasm, func(string) bool { return false }); err != nil {
		return nil, err
	}
	return wasmbin.AppendCustom(wasm, abi.ManifestSection, o.Manifest)
}

func checkManifest(raw []byte) error {
	if len(raw) > abi.MaxManifestSize {
		return fmt.Errorf("the manifest has %d bytes, at most %d are taken", len(raw), abi.MaxManifestSize)
	}
	var m abi.Manifest
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("the manifest cannot be read: %w", err)
	}
	return m.Check()
}

func build(ctx context.Context, o Options) ([]byte, error) {
	dir, err := os.MkdirTemp("", "pack")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.CommandContext(ctx, "go", append(append([]string(nil), flags...), "-o", out, o.Package)...)
	cmd.Dir = o.Dir
	cmd.Env = environment()
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s for Wasm: %w\n%s", o.Package, err, text)
	}
	return os.ReadFile(out)
}

// environment is the caller's, less what would change the module.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GOOS", "GOARCH", "GOFLAGS", "GOWASM", "GOEXPERIMENT", "GODEBUG", "CGO_ENABLED", "GOAMD64":
			continue
		}
		env = append(env, v)
	}
	return append(env, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
}

// Root finds the root of the Go module: above this source file where that is known, else above the working directory.
func Root() (string, error) {
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "guest", "main.go")); err == nil {
				if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
					return dir, nil
				}
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("the module's sources are not here: run this inside of the checkout")
}

// Cached is Guest with a cache in the user's cache directory, keyed by the sources and the toolchain, for tests: the
// module is built once for all of them. It is safe for several processes at once.
func Cached(ctx context.Context) ([]byte, error) { return cached(ctx, Options{}) }

// CachedPackage is Cached for another package of this module with its own manifest.
func CachedPackage(ctx context.Context, pkg string, manifest []byte) ([]byte, error) {
	return cached(ctx, Options{Package: pkg, Manifest: manifest})
}

func cached(ctx context.Context, o Options) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	o.Dir = root
	base, err := os.UserCacheDir()
	if err != nil {
		return Guest(ctx, o)
	}
	key, err := key(o)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(base, "okta-connector", "guest-"+key+".wasm")
	if wasm, err := os.ReadFile(file); err == nil && sound(wasm) {
		return wasm, nil
	}
	wasm, err := Guest(ctx, o)
	if err != nil {
		return nil, err
	}
	_ = Write(file, wasm) // without a cache the next caller builds again
	return wasm, nil
}

func sound(wasm []byte) bool {
	m, err := wasmbin.Parse(wasm)
	return err == nil && len(m.Section(abi.ManifestSection)) == 1
}

// key is a hash over everything that goes into the module.
func key(o Options) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), flags, o.Package)
	h.Write(o.Manifest)
	var files []string
	for _, folder := range []string{"abi", "guest", o.Package} {
		if folder == "" {
			continue
		}
		err := filepath.WalkDir(filepath.Join(o.Dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	sort.Strings(files)
	for _, f := range append(files, filepath.Join(o.Dir, "go.mod"), filepath.Join(o.Dir, "go.sum")) {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, strings.TrimPrefix(f, o.Dir), len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// Write puts a file in place at once: whoever reads it finds the old one or the new one, whole.
func Write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
