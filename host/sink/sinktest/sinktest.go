// Package sinktest provides pages and failing files for the tests of sinks.
package sinktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
)

// Lines is a page of JSON records. The key of a record is its member "uuid".
type Lines []string

// Len implements sink.Page.
func (p Lines) Len() int { return len(p) }

// Records implements sink.Page.
func (p Lines) Records() iter.Seq[host.Record] {
	return func(yield func(host.Record) bool) {
		for _, l := range p {
			var r struct {
				UUID string `json:"uuid"`
			}
			_ = json.Unmarshal([]byte(l), &r) // after an error the record has no key
			if !yield(host.Record{Key: r.UUID, JSON: json.RawMessage(l)}) {
				return
			}
		}
	}
}

// WriteTo implements sink.Page.
func (p Lines) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for _, l := range p {
		n, err := io.WriteString(w, l+"\n")
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Numbered returns a page whose keys are the numbers in [from, to).
func Numbered(from, to int) (p Lines) {
	for i := from; i < to; i++ {
		p = append(p, fmt.Sprintf(`{"uuid":"%d","pad":%q}`, i, strings.Repeat("x", 40)))
	}
	return p
}

// Text returns the NDJSON of pages.
func Text(pages ...Lines) string {
	var b strings.Builder
	for _, p := range pages {
		_, _ = p.WriteTo(&b) // does not fail
	}
	return b.String()
}

// Write writes a page and fails the test on an error.
func Write(t testing.TB, s sink.Sink, p sink.Page) {
	t.Helper()
	if err := s.Write(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

// Content returns the content of a file, decompressed if its name ends in .zst.
func Content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, ".zst") {
		return string(b)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatalf("%s does not decompress: %v", path, err)
	}
	return string(out)
}

// FailingFile is a file on a disk that is full after Room bytes, or whose Sync fails.
type FailingFile struct {
	durable.File
	Room   int // bytes
	NoSync bool
}

// Write writes up to Room bytes. It fails with ENOSPC if that is not all.
func (f *FailingFile) Write(b []byte) (int, error) {
	if len(b) > f.Room {
		n, _ := f.File.Write(b[:f.Room])
		f.Room = 0
		return n, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	f.Room -= len(b)
	return f.File.Write(b)
}

// Sync fails if NoSync is set.
func (f *FailingFile) Sync() error {
	if f.NoSync {
		return syscall.EIO
	}
	return f.File.Sync()
}
