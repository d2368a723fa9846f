package host_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A service's name is allowed in the path of this Go module and in examples of the documentation.
var (
	modulePath  = regexp.MustCompile(`mach5/okta-connector`)
	goExample   = regexp.MustCompile(`(?m)^//\t.*$`)
	fence       = regexp.MustCompile("(?s)```.*?```")
	codeAndLink = regexp.MustCompile("`[^`\n]*`|\\[[^]\n]*\\]\\([^)\n]*\\)( is the one for [A-Z][a-z]+)?")
)

// What these packages know of a service must be in the manifest.
func TestHostAndABI_InEveryFile_NameNoService(t *testing.T) {
	files := 0
	for _, folder := range []string{".", "../abi"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			extension := filepath.Ext(path)
			if d.IsDir() || strings.HasSuffix(path, "_test.go") || extension != ".go" && extension != ".md" && extension != ".json" {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			text := modulePath.ReplaceAllString(string(b), "")
			if extension == ".md" {
				text = codeAndLink.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
			} else {
				text = goExample.ReplaceAllString(text, "")
			}
			for line := range strings.Lines(text) {
				if lower := strings.ToLower(line); strings.Contains(lower, "okta") || strings.Contains(lower, "ssws") {
					t.Errorf("%s: %s", path, strings.TrimSpace(line))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Errorf("only %d files: check the folders", files)
	}
}
