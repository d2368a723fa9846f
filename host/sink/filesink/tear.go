package filesink

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sink"
)

// tear is the end of an open file that belongs to no written page, because of a crash or a full disk.
type tear struct {
	text  []byte                    // the beginning of a record, or of a zstd frame
	hole  int64                     // bytes that do not begin a record
	lines map[[sha256.Size]byte]int // hashes of the whole records of pages whose write failed, with their number
	taken [][sha256.Size]byte       // hashes that the current page took from lines
}

func (t *tear) none() bool { return len(t.text) == 0 && len(t.lines) == 0 }

// take removes a record from the whole ones, and reports whether it was one of them.
func (t *tear) take(record []byte) bool {
	sum := sha256.Sum256(record)
	if t.lines[sum] == 0 {
		return false
	}
	t.lines[sum]--
	t.taken = append(t.taken, sum)
	return true
}

// add adds the hash of a whole record.
func (t *tear) add(sum [sha256.Size]byte) {
	if t.lines == nil {
		t.lines = map[[sha256.Size]byte]int{}
	}
	t.lines[sum]++
}

// settle is called when a page is written or failed. After an error, it puts back the records that the page took.
func (t *tear) settle(err error) {
	if err != nil {
		for _, sum := range t.taken {
			t.add(sum)
		}
	}
	t.taken = nil
}

// recordTear records the bytes that a failed append left in the file from an offset on. It reads the file, since the
// error of a write does not say how much was written.
func (s *File) recordTear(from int64) error {
	if s.special || from == s.end {
		return nil
	}
	r, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read only
	mine, err := s.f.Stat()
	if err != nil {
		return err
	}
	if there, err := r.Stat(); err != nil || !os.SameFile(mine, there) {
		return nil // the next check of the path finds it
	}
	text, err := io.ReadAll(io.NewSectionReader(r, from, s.end-from))
	if err != nil {
		return err
	}
	if s.opts.Zstd {
		s.tear.text = text
		return nil
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	s.tear.text = text[whole:]
	for line := range bytes.Lines(text[:whole]) {
		s.tear.add(sha256.Sum256(line[:len(line)-1]))
	}
	return nil
}

// resume completes the partial record at the end of the file with the same record of a page. It returns the records of
// the page that are still to be written. If the page does not have the record, it puts the file aside.
func (s *File) resume(p sink.Page) (sink.Page, error) {
	if s.special || s.tear.none() {
		return p, nil
	}
	from := s.end - int64(len(s.tear.text))
	if s.opts.Zstd {
		return s.resumeFrame(p, from)
	}
	var rest subset
	for r := range p.Records() {
		if !s.tear.take(r.JSON) {
			rest = append(rest, r)
		}
	}
	half := s.tear.text
	if len(half) == 0 || len(rest) == 0 {
		return rest, nil
	}
	i := slices.IndexFunc(rest, func(r host.Record) bool { return bytes.HasPrefix(r.JSON, half) })
	if i < 0 {
		return rest, s.abandon("a partial record")
	}
	s.tear.text = nil
	err := s.append(from, func() error {
		_, err := s.w.Write(rest[i].JSON[len(half):])
		return errors.Join(err, s.w.WriteByte('\n'))
	})
	if err == nil {
		s.tear.taken = append(s.tear.taken, sha256.Sum256(rest[i].JSON))
	}
	return slices.Delete(rest, i, i+1), err
}

// resumeFrame is resume for a zstd frame. It encodes the page again, and completes the frame if both begin alike.
func (s *File) resumeFrame(p sink.Page, from int64) (sink.Page, error) {
	var frame bytes.Buffer
	if err := compress(&frame, p); err != nil {
		return p, sink.WriteError(s.name, err)
	}
	half := s.tear.text
	if !bytes.HasPrefix(frame.Bytes(), half) {
		return p, s.abandon("a partial zstd frame")
	}
	s.tear.text = nil
	return subset(nil), s.append(from, func() error {
		_, err := s.w.Write(frame.Bytes()[len(half):])
		return err
	})
}

// abandon puts the file aside because the page does not complete its partial end.
func (s *File) abandon(what string) error {
	n, lines, taken := len(s.tear.text), s.tear.lines, s.tear.taken
	aside, err := s.rotate()
	if err != nil {
		return fmt.Errorf("renaming %s, which ends in %s: %w; %s", s.name, what, err, sink.NotCheckpointed)
	}
	s.tear.lines, s.tear.taken = lines, taken
	s.opts.Notice(fmt.Sprintf("%s ended in %s of %d bytes that was not written again: it was renamed to %s, and a new file was started", s.name, what, n, aside))
	return nil
}

// subset is a page with some of the records of another.
type subset []host.Record

func (p subset) Len() int { return len(p) }

func (p subset) Records() iter.Seq[host.Record] { return slices.Values(p) }

func (p subset) WriteTo(w io.Writer) (n int64, err error) {
	for _, r := range p {
		k, err := w.Write(append(r.JSON[:len(r.JSON):len(r.JSON)], '\n'))
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Unfinished returns the partial record at the end of the file, or nothing if there is none. It is safe for concurrent
// use.
func (s *File) Unfinished() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tear.text
}
