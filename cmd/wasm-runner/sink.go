package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// sink is where a source's records go: standard output, or the end of a file.
type sink struct {
	name  string
	out   io.Writer
	w     *bufio.Writer
	sync  func() error // nil where there is nothing to sync: a pipe, a terminal, a device
	close func() error
}

// openSink opens --out. An empty path and - are standard output. cut is how many bytes of a torn last line were taken
// off the file.
func openSink(path string, stdout io.Writer) (s *sink, cut int64, err error) {
	s = &sink{name: "standard output", out: stdout, close: func() error { return nil }}
	if path != "" && path != "-" {
		file, torn, err := openAppend(path)
		if err != nil {
			return nil, 0, err
		}
		s.name, s.out, s.close, cut = path, file, file.Close, torn
	}
	if file, ok := s.out.(*os.File); ok && regular(file) {
		s.sync = file.Sync
	}
	s.w = bufio.NewWriterSize(s.out, 64<<10)
	return s, cut, nil
}

// page is what a sink takes: the records of one page.
type page interface {
	WriteTo(io.Writer) (int64, error)
}

// write makes a page durable: when it returns nil, the page's checkpoint may be saved.
func (s *sink) write(p page) error {
	_, err := p.WriteTo(s.w)
	if err == nil {
		err = s.w.Flush()
	}
	if err == nil && s.sync != nil {
		err = s.sync()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s was closed by its reader: the page in hand is not checkpointed and comes again", s.name)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("writing to %s: no space left: make room and run again; the page in hand is not checkpointed and comes again", s.name)
	}
	return fmt.Errorf("writing to %s: %w; the page in hand is not checkpointed and comes again", s.name, err)
}

func regular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// openAppend opens a file for records. If a crash left half a line at its end, that is cut off: its page was never
// checkpointed, so that the record comes again.
func openAppend(path string) (file *os.File, cut int64, err error) {
	_, err = os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	file, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, usagef("--out: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close() // nothing was written
		}
	}()
	if !regular(file) {
		return file, 0, nil
	}
	if isNew {
		return file, 0, syncFolder(filepath.Dir(path))
	}
	cut, err = cutTornLine(file)
	return file, cut, err
}

// cutTornLine takes what stands behind the last line break off a file of JSON lines.
func cutTornLine(f *os.File) (cut int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end, err := lastLineEnd(f, info.Size())
	if err != nil || end == info.Size() {
		return 0, err
	}
	var first [1]byte
	if _, err := f.ReadAt(first[:], end); err != nil {
		return 0, err
	}
	if first[0] != '{' && first[0] != 0 { // zeros are what some file systems leave after a crash
		return 0, usagef("--out: %s does not end in a line of JSON: is it the right file?", f.Name())
	}
	if err := f.Truncate(end); err != nil {
		return 0, err
	}
	return info.Size() - end, f.Sync()
}

// lastLineEnd is the offset behind the last line break; 0 when there is none.
func lastLineEnd(r io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		from := max(0, size-int64(len(buf)))
		chunk := buf[:size-from]
		if _, err := r.ReadAt(chunk, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		size = from
	}
	return 0, nil
}

// syncFolder makes a new file in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
