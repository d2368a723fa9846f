package filesink

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
)

// Replay implements sink.Replayer. It reads the end of the file, and then the files that were put aside before it. It
// also reads files that another program renamed, if ReplayAlso named them and they are still in the folder.
func (s *File) Replay(each func(record []byte) (known bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.special {
		return nil
	}
	renamed, err := s.renamed()
	if err != nil {
		return err
	}
	for _, path := range renamed {
		if _, err := replay(path, s.opts.Zstd, sink.ReplayBytes, each); err != nil {
			return err
		}
	}
	n, name, err := asides(s.path)
	left := int64(sink.ReplayBytes)
	for path := s.path; err == nil && left > 0; path, n = name(n), n-1 {
		left, err = replay(path, s.opts.Zstd, left, each)
		if n == 0 {
			break
		}
	}
	return err
}

// renamed returns the paths of the files in the same folder that ReplayAlso named.
func (s *File) renamed() (paths []string, err error) {
	if len(s.alsoReplay) == 0 {
		return nil, nil
	}
	dir, base := filepath.Split(s.path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == base || strings.HasPrefix(e.Name(), base+".damaged-") || isAside(s.path, e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // it may have been deleted meanwhile
		}
		if id, ok := durable.IDOf(info); ok && s.alsoReplay[id] {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// replay passes the records of a file to each, last first, and reads at most left bytes. It returns how many of them
// remain, or 0 once each reports a known record.
func replay(path string, compressed bool, left int64, each func([]byte) bool) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return left, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if compressed {
		return replayFrames(f, info.Size(), left, each)
	}
	return replayLines(f, info.Size(), left, each)
}

// backwards passes the records of a text of whole lines to each, last first. It stops and returns true when each
// reports a known record.
func backwards(text []byte, each func([]byte) bool) (known bool) {
	for len(text) > 0 {
		line := text[:len(text)-1] // without its line break
		start := bytes.LastIndexByte(line, '\n') + 1
		hole := bytes.IndexByte(line[start:], 0) >= 0 // zeros in place of data that was not synced
		if !hole && each(line[start:]) {
			return true
		}
		text = text[:start]
	}
	return false
}

func replayLines(r io.ReaderAt, size, left int64, each func([]byte) bool) (int64, error) {
	const step = 1 << 20
	size, err := lastBreak(r, size) // a partial record follows
	if err != nil {
		return 0, err
	}
	var rest []byte // the end of a line that begins before this chunk
	for at := size; at > 0 && left > 0; {
		from := max(0, at-step)
		chunk := make([]byte, at-from, at-from+int64(len(rest)))
		if _, err := r.ReadAt(chunk, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		left -= at - from
		chunk, at = append(chunk, rest...), from
		whole := 0
		if from > 0 {
			whole = bytes.IndexByte(chunk, '\n') + 1 // the bytes before it belong to a line that begins earlier
		}
		if from > 0 && whole == 0 {
			rest = chunk
			continue
		}
		if backwards(chunk[whole:], each) {
			return 0, nil
		}
		rest = chunk[:whole]
	}
	return left, nil
}

func replayFrames(r io.ReaderAt, size, left int64, each func([]byte) bool) (int64, error) {
	t, err := frameEnd(r, size)
	if errors.Is(err, ErrForeign) {
		return left, nil // another program wrote a file with such a name
	}
	if err != nil {
		return 0, err
	}
	starts, end := []int64{}, int64(0)
	for end < t.end { // after it: a partial frame, or a hole and frames that no reader reaches
		next, err := frame(r, end, size)
		if err != nil {
			return 0, err
		}
		starts = append(starts, end)
		end = next
	}
	d, err := newFrames(r)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	for i := len(starts) - 1; i >= 0 && left > 0; i-- {
		text, err := d.decode(starts[i], end)
		if errors.Is(err, errLarge) {
			return 0, nil // another program wrote this frame, so nothing before it came from this one
		}
		if err != nil {
			return 0, fmt.Errorf("replaying from byte %d: %w", starts[i], err)
		}
		if backwards(text, each) {
			return 0, nil
		}
		left -= max(int64(len(text)), end-starts[i])
		end = starts[i]
	}
	return left, nil
}
