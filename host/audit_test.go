package host_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/host"
)

func TestAuditFile_WrittenConcurrently_HasWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	if err := os.WriteFile(path, []byte(`{"torn":`), 0o600); err != nil { // the disk was full before
		t.Fatal(err)
	}
	const files, writers, lines = 4, 4, 50
	var wg sync.WaitGroup
	for f := range files { // one per process
		file, err := host.OpenAuditFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		for w := range writers {
			wg.Go(func() {
				for i := range lines {
					r := host.AuditRecord{Operation: fmt.Sprint(f, w, i), Input: json.RawMessage(`"` + strings.Repeat("x", 1000*i) + `"`)}
					if err := file.Audit(context.Background(), r); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	all := bufio.NewScanner(bytes.NewReader(text))
	all.Buffer(nil, 1<<20)
	for n := 0; all.Scan(); n++ {
		if n == 0 || len(all.Bytes()) == 0 {
			continue // the torn line
		}
		var r host.AuditRecord
		if err := json.Unmarshal(all.Bytes(), &r); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
		seen[r.Operation] = true
	}
	if len(seen) != files*writers*lines {
		t.Errorf("%d records of %d", len(seen), files*writers*lines)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}
