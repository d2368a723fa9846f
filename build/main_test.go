package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

func TestRun_Output_HasModuleAndChecksum(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "connector.wasm")
	var printed bytes.Buffer
	if err := run(t.Context(), []string{"-o", out}, &printed); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(wasm))
	if text, err := os.ReadFile(out + ".sha256"); err != nil || string(text) != sum+"  connector.wasm\n" {
		t.Errorf("%q, %v, want %s", text, err, sum)
	}
	for _, want := range []string{out, fmt.Sprintf("%d bytes (%.2f MiB)", len(wasm), float64(len(wasm))/(1<<20)), sum} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q does not contain %q", &printed, want)
		}
	}
	cached, err := pack.Cached(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(cached, wasm) {
		t.Error("pack.Cached returns another module than the command wrote")
	}
}

func TestRun_Help_HasExamples(t *testing.T) {
	var printed bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &printed); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	for _, want := range []string{"go run ./build -o /tmp/okta.wasm", "  -o file"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the help does not contain %q:\n%s", want, &printed)
		}
	}
}

func TestRun_UnknownArguments_Fails(t *testing.T) {
	for _, args := range [][]string{{"-x"}, {"okta.wasm"}, {"-o"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestRun_AnotherGuest_IsPackedWithItsOwnManifest(t *testing.T) {
	out := filepath.Join(t.TempDir(), "notes.wasm")
	if err := run(t.Context(), []string{"-guest", "./guest/template", "-o", out}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Customs) != 1 || !bytes.Contains(m.Customs[0].Data, []byte(`"kind":"notes"`)) {
		t.Errorf("custom sections %q, want only the manifest of notes", fmt.Sprint(m.Customs))
	}
	if err := run(t.Context(), []string{"-guest", "./guest/none", "-o", out}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "./guest/none") {
		t.Errorf("a missing package: %v", err)
	}
}

func TestNameOf_Package_IsItsFolder(t *testing.T) {
	for pkg, want := range map[string]string{"./guest": "okta", "./guest/template": "template", "guest/template/": "template"} {
		if got := nameOf(pkg); got != want {
			t.Errorf("%s: %s, want %s", pkg, got, want)
		}
	}
}
