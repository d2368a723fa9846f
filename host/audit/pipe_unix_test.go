//go:build unix

package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOpen_PipeWithoutReader_Fails: the records would be lost with the pipe. A reader gets them.
func TestOpen_PipeWithoutReader_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "no process reads the pipe") {
		t.Fatalf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	f := opened(t, path)
	add(t, f, "a", "b")
	_ = f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(reader); err != nil {
		t.Fatal(err)
	}
	read(t, b.String()).intact(t, "a", "b")
}
