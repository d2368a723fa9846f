package host_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// examples are the files whose documentation may name the connector of this repository, and what it shows with it.
var examples = map[string]string{
	"abi/README.md":   "a manifest and requests",
	"host/sql/doc.go": "a query",
}

// TestSource_HostAndContract_NameNoService: what a host must know of a service is data in the manifest. The name may be in
// the import path of this Go module and in examples of documentation alone.
func TestSource_HostAndContract_NameNoService(t *testing.T) {
	const module = "github.com/mach5/okta-connector"
	service := regexp.MustCompile(`(?i)okta|\bSSWS\b`) // its name, and the scheme of its tokens
	used := map[string]bool{}
	for _, folder := range []string{"host", "abi"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
			text = bytes.ReplaceAll(text, []byte(module), nil)
			for i, line := range bytes.Split(text, []byte("\n")) {
				if !service.Match(line) {
					continue
				}
				if used[name] = true; examples[name] == "" {
					t.Errorf("%s:%d names a service: %.160s", name, i+1, bytes.TrimSpace(line))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range examples {
		if !used[name] {
			t.Errorf("%s is listed as an example, and names no service", name)
		}
	}
}
