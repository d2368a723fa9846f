package pack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// manifest returns a small valid manifest after a change.
func manifest(tb testing.TB, change func(*abi.Manifest)) []byte {
	tb.Helper()
	m := abi.Manifest{ABI: abi.Version, Kind: "tiny", Version: "1", ConfigSchema: json.RawMessage(`{}`), Operations: []abi.Operation{{
		Name: "read", Summary: "reads", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Safe,
		InputSchema: json.RawMessage(`{}`), Endpoints: []abi.Endpoint{{Endpoint: "GET /api/v1/org", Bucket: "org"}},
	}}}
	change(&m)
	b, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func unchanged(*abi.Manifest) {}

// tiny writes a Go module with a small guest.
func tiny(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	put(tb, filepath.Join(dir, "go.mod"), "module tiny\n\ngo 1.24\n")
	put(tb, filepath.Join(dir, "guest", "main.go"),
		"package main\n\n//go:wasmexport version\nfunc version() int32 { return 1 }\n\nfunc main() {}\n")
	return dir
}

func put(tb testing.TB, file, text string) {
	tb.Helper()
	if err := pack.Write(file, []byte(text)); err != nil {
		tb.Fatal(err)
	}
}

func guest(tb testing.TB, o pack.Options) []byte {
	tb.Helper()
	wasm, err := pack.Guest(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

func TestGuest_OtherPackage_GetsGivenManifest(t *testing.T) {
	want := manifest(t, unchanged)
	m, err := wasmbin.Parse(guest(t, pack.Options{Dir: tiny(t), Manifest: want}))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Customs) != 1 || m.Customs[0].Name != abi.ManifestSection || !bytes.Equal(m.Customs[0].Data, want) {
		t.Errorf("custom sections %+v, want only the manifest", m.Customs)
	}
	var names []string
	for _, ex := range m.Exports {
		names = append(names, ex.Name)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "version") || !strings.Contains(got, "_initialize") {
		t.Errorf("exports %s, want those of a reactor, and version", got)
	}
}

func TestGuest_CallersEnvironment_DoesNotMatter(t *testing.T) {
	want := guest(t, pack.Options{})
	again := func(t *testing.T) {
		t.Helper()
		if got := guest(t, pack.Options{}); !bytes.Equal(want, got) {
			t.Errorf("a different module of %d bytes, the first has %d", len(got), len(want))
		}
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("GOFLAGS", "-tags=other -ldflags=-w")
		t.Setenv("GOOS", "js")
		t.Setenv("GOEXPERIMENT", "nogreenteagc")
		again(t)
	})
	t.Run("settings of go env -w", func(t *testing.T) {
		config := t.TempDir()
		put(t, filepath.Join(config, "go", "env"), "GOFLAGS=-tags=other -ldflags=-w\nGOFIPS140=latest\n")
		t.Setenv("XDG_CONFIG_HOME", config) // the default place
		again(t)
		t.Setenv("GOENV", filepath.Join(config, "go", "env"))
		again(t)
	})
	t.Run("folders", func(t *testing.T) {
		t.Chdir(t.TempDir())
		t.Setenv("TMPDIR", t.TempDir())
		again(t)
	})
}

func TestGuest_RefusedManifest_ErrorSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name     string
		manifest []byte
		want     string
	}{
		{"not JSON", []byte("kind: okta"), "not JSON"},
		{"an unknown field", []byte(`{"abi":"` + abi.Version + `","urls":[]}`), `unknown field "urls"`},
		{"two values", append(manifest(t, unchanged), "{}"...), "text after the JSON object"},
		{"a stray bracket", append(manifest(t, unchanged), ']'), "text after the JSON object"},
		{"another ABI", manifest(t, func(m *abi.Manifest) { m.ABI = "mach5:connector/v0" }), abi.Version},
		{"a read that deletes", manifest(t, func(m *abi.Manifest) {
			m.Operations[0].Endpoints[0].Endpoint = "DELETE /api/v1/org"
		}), "exceeds class read"},
		{"too large", manifest(t, func(m *abi.Manifest) {
			m.Operations[0].Summary = strings.Repeat("x", abi.MaxManifestSize)
		}), "more than the maximum of 1048576"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pack.Guest(t.Context(), pack.Options{Dir: t.TempDir(), Manifest: tt.manifest})
			if !errors.Is(err, pack.ErrManifest) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrManifest and %q", err, tt.want)
			}
		})
	}
}

func TestGuest_BuildFails_ErrorSaysWhy(t *testing.T) {
	broken := tiny(t)
	put(t, filepath.Join(broken, "guest", "more.go"), "package main\n\nvar x int = \"no number\"\n")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	path := os.Getenv("PATH")
	for _, tt := range []struct {
		name, path, dir string
		ctx             context.Context
		want            string
		is              error
	}{
		{"sources that do not compile", path, broken, t.Context(), "more.go:3", nil},
		{"no go command", t.TempDir(), broken, t.Context(), "install Go", exec.ErrNotFound},
		{"a canceled context", path, broken, canceled, "canceled", context.Canceled},
		{"no folder", path, filepath.Join(broken, "none"), t.Context(), "no such file", os.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			_, err := pack.Guest(tt.ctx, pack.Options{Dir: tt.dir, Manifest: manifest(t, unchanged)})
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWrite_ExistingFile_IsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "folder", "okta.wasm")
	for _, text := range []string{"one", "two"} {
		put(t, file, text)
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("%v (%v), want only the file", entries, err)
	}
	if err := pack.Write(filepath.Join(file, "below"), nil); err == nil {
		t.Error("a file below a file was written")
	}
}
