package sink

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Recall implements Recaller. It reads the end of the file, and of the one that was put aside before it.
func (s *File) Recall(each func(record []byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.special {
		return nil
	}
	paths := []string{s.path}
	highest, name, err := asides(s.path)
	if err != nil {
		return err
	}
	if highest > 0 {
		paths = append(paths, name(highest))
	}
	var ends [][]byte // newest first
	left := RecallBytes
	for _, path := range paths {
		if left <= 0 {
			break
		}
		text, err := end(path, s.opts.Zstd, left)
		if err != nil {
			return err
		}
		left -= len(text)
		ends = append(ends, text)
	}
	for i := len(ends) - 1; i >= 0; i-- {
		for line := range bytes.Lines(ends[i]) {
			each(bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return nil
}

// end is the last whole lines of a file, of about so many bytes or more.
func end(path string, compressed bool, want int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if compressed {
		return lastFrames(f, info.Size(), want)
	}
	from := max(0, info.Size()-int64(want))
	text := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(text, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if from > 0 { // the first line may be half a line
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text, nil
}

// lastFrames decompresses the last frames of a file.
func lastFrames(r io.ReaderAt, size int64, want int) ([]byte, error) {
	var starts []int64
	for at := int64(0); at < size; {
		next, err := frame(r, at, size)
		if errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return nil, err
		}
		starts = append(starts, at)
		at = next
	}
	starts = append(starts, size)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var pages [][]byte // newest first
	for i := len(starts) - 2; i >= 0 && want > 0; i-- {
		b := make([]byte, starts[i+1]-starts[i])
		if _, err := r.ReadAt(b, starts[i]); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		text, err := d.DecodeAll(b, nil)
		if err != nil {
			return nil, err
		}
		pages = append(pages, text)
		want -= len(text)
	}
	var all []byte
	for i := len(pages) - 1; i >= 0; i-- {
		all = append(all, pages[i]...)
	}
	return all, nil
}
