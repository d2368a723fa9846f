package connector

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPackage_Sources_NameNoService: facts about a service belong in Service.
func TestPackage_Sources_NameNoService(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	service := regexp.MustCompile(`(?i)\bokta|\bE0000\d|ssws`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.ReplaceAll(string(text), "github.com/mach5/okta-connector", ""), "\n") {
			if file != "names_test.go" && service.MatchString(line) {
				t.Errorf("%s:%d names a service: %s", file, i+1, line)
			}
		}
	}
}
