package pack_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// TestGuest_SameSources_GiveSameBytes packs the checkout twice, and a copy of it in another folder.
func TestGuest_SameSources_GiveSameBytes(t *testing.T) {
	ctx := context.Background()
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	first, err := pack.Guest(ctx, pack.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	second, err := pack.Guest(ctx, pack.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two builds of one checkout differ")
	}
	elsewhere := filepath.Join(t.TempDir(), "a copy")
	for _, name := range []string{"abi", "guest", "go.mod", "go.sum"} {
		copyTree(t, filepath.Join(root, name), filepath.Join(elsewhere, name))
	}
	t.Setenv("GOFLAGS", "-tags=other") // the caller's environment must not matter
	third, err := pack.Guest(ctx, pack.Options{Dir: elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, third) {
		t.Error("a build of the same sources in another folder differs")
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCached_Module_HasOnlyItsManifest(t *testing.T) {
	wasm, err := pack.Cached(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Customs) != 1 || m.Customs[0].Name != abi.ManifestSection || !bytes.Equal(m.Customs[0].Data, okta.Manifest()) {
		t.Errorf("%d custom sections", len(m.Customs))
	}
}

func TestGuest_InvalidManifest_Fails(t *testing.T) {
	for name, manifest := range map[string]string{
		"not JSON":         `{`,
		"an unknown field": `{"abi":"mach5:connector/v1","kind":"okta","extra":1}`,
		"no operations":    `{"abi":"mach5:connector/v1","kind":"okta","version":"1","config_schema":{},"rate_limit_headers":{},"operations":[]}`,
		"too large":        `"` + strings.Repeat("x", abi.MaxManifestSize) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := pack.Guest(context.Background(), pack.Options{Manifest: []byte(manifest)}); err == nil {
				t.Error("the manifest was packed")
			}
		})
	}
}
