//go:build !portable

package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
)

// Otherwise, restore would leak a call's pages to the next.
func TestShowsPrivatePages_OfAnEmptyPagemap_IsFalse(t *testing.T) {
	for name, entry := range map[string]uint64{
		"nothing is present": 0, "all is of a file": 1<<63 | 1<<61, "all is private": 1 << 63,
	} {
		if showsPrivatePages(everywhere(entry)) {
			t.Errorf("%s: accepted", name)
		}
	}
	if showsPrivatePages(bytes.NewReader(nil)) {
		t.Error("an empty file is accepted")
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = f.Close() }()
	t.Logf("this kernel's pagemap is accepted: %v", showsPrivatePages(f))
}

// everywhere is a pagemap with the same entry for every page.
type everywhere uint64

func (e everywhere) ReadAt(b []byte, _ int64) (int, error) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.NativeEndian.PutUint64(b[i:], uint64(e))
	}
	return len(b), nil
}

// Copies of a growing memory would take several times its limit.
func TestMessages_ThatGrow_LeaveNoGarbage(t *testing.T) {
	m := messages(t, 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for m.alloc(100_000) != 0 {
		clear(m.buf[len(m.buf)-100_000:])
	}
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; cap(m.buf) != 64<<20 || made > 1<<20 {
		t.Errorf("%d bytes of messages, and %d bytes of the Go heap were allocated", cap(m.buf), made)
	}
}
