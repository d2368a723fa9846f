// Package compat tests today's code with the first contract: the module and the files in testdata/v0, which an old
// runner wrote, and that runner itself, built from git.
package compat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/build/pack"
)

// Commit is the commit that produced testdata/v0.
const Commit = "025d86c68ba13ebca16b3f8905c770bbf112783e"

// The files in testdata/v0. Its README.md describes them.
const (
	ModuleFile     = "okta.wasm.zst"
	ConnectionFile = "connections.yaml"
	CheckpointFile = "log.checkpoint.json" // its keys are in CheckpointFile + ".keys"
	RecordsFile    = "log.ndjson"
	RangeFile      = "range.checkpoint.json" // its keys are in RangeFile + ".keys"
	JournalFile    = "journal"
	AuditFile      = "audit.ndjson"
	CursorFile     = "list_users.cursor"
)

// Dir returns the path of testdata/v0.
func Dir(t testing.TB) string {
	t.Helper()
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "testdata", "v0")
}

// File returns the content of a file in testdata/v0.
func File(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Module returns the old module.
func Module(t testing.TB) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	wasm, err := dec.DecodeAll(File(t, ModuleFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Copy copies files of testdata/v0 into a new folder, which a test may change, and returns the folder. In text files
// it replaces the address of the old org by url, unless url is empty.
func Copy(t testing.TB, url string, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		b := File(t, name)
		if filepath.Ext(name) == ".json" || filepath.Ext(name) == ".yaml" {
			if url != "" {
				b = []byte(strings.ReplaceAll(string(b), BaseURL(t), url))
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// BaseURL returns the address of the old org.
func BaseURL(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(string(File(t, ConnectionFile))) {
		if _, url, ok := strings.Cut(line, "base_url: "); ok {
			return strings.Trim(strings.TrimSpace(url), `"`)
		}
	}
	t.Fatalf("%s has no base_url", ConnectionFile)
	return ""
}
