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
)

func TestTheChecksumFileIsThatOfTheModule(t *testing.T) {
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
			t.Errorf("%q does not say %q", &printed, want)
		}
	}
	cached, err := pack.Cached(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(cached, wasm) {
		t.Error("pack.Cached gives another module to tests")
	}
}

func TestHelpHasExamples(t *testing.T) {
	var printed bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &printed); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	for _, want := range []string{"go run ./build -o /tmp/okta.wasm", "  -o file"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the help does not say %q:\n%s", want, &printed)
		}
	}
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"-x"}, {"okta.wasm"}, {"-o"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
