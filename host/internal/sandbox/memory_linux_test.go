//go:build !portable

package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
)

// TestTellsPrivatePages_OfAnEmptyPagemap_IsFalse: restore would leave a call's pages to the next.
func TestTellsPrivatePages_OfAnEmptyPagemap_IsFalse(t *testing.T) {
	for name, entry := range map[string]uint64{
		"nothing is here": 0, "all is of a file": 1<<63 | 1<<61, "all is of its own": 1 << 63,
	} {
		if tellsPrivatePages(everywhere(entry)) {
			t.Errorf("%s: believed", name)
		}
	}
	if tellsPrivatePages(bytes.NewReader(nil)) {
		t.Error("an empty file is believed")
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = f.Close() }()
	t.Logf("this kernel's own is believed: %v", tellsPrivatePages(f))
}

// everywhere is a pagemap that says the same of every page.
type everywhere uint64

func (e everywhere) ReadAt(b []byte, _ int64) (int, error) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.NativeEndian.PutUint64(b[i:], uint64(e))
	}
	return len(b), nil
}
