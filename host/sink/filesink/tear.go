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

// tear is what an open file ends in that belongs to no written page: a crash or a full disk left it.
type tear struct {
	text  []byte                    // the beginning of a record, or of a zstd frame
	hole  int64                     // bytes that do not begin a record
	lines map[[sha256.Size]byte]int // whole records of pages whose write failed
	taken [][sha256.Size]byte       // those of lines that the current page has
}

func (t *tear) none() bool { return len(t.text) == 0 && len(t.lines) == 0 }

// take reports whether a record is one of the whole ones, and removes it from them.
func (t *tear) take(record []byte) bool {
	sum := sha256.Sum256(record)
	if t.lines[sum] == 0 {
		return false
	}
	t.lines[sum]--
	t.taken = append(t.taken, sum)
	return true
}

// add adds a whole record.
func (t *tear) add(sum [sha256.Size]byte) {
	if t.lines == nil {
		t.lines = map[[sha256.Size]byte]int{}
	}
	t.lines[sum]++
}

// settle ends the writing of a page. After an error, the records that it took count again.
func (t *tear) settle(err error) {
	if err != nil {
		for _, sum := range t.taken {
			t.add(sum)
		}
	}
	t.taken = nil
}

// torn records what a failed append left in the file from an offset on. It reads the file, since the error of a write
// does not say how much was written.
func (s *File) torn(from int64) error {
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

// goOn continues the partial record at the end of the file with a page, and returns what of the page is still to be
// written. If the page does not continue it, the file is put aside.
func (s *File) goOn(p sink.Page) (sink.Page, error) {
	if s.special || s.tear.none() {
		return p, nil
	}
	from := s.end - int64(len(s.tear.text))
	if s.opts.Zstd {
		return s.goOnFrame(p, from)
	}
	var rest picked
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
		return rest, s.leave("half a record")
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

// goOnFrame is goOn for a zstd frame. It encodes the page again, and continues the frame if both begin alike.
func (s *File) goOnFrame(p sink.Page, from int64) (sink.Page, error) {
	var frame bytes.Buffer
	if err := compress(&frame, p); err != nil {
		return p, sink.WriteError(s.name, err)
	}
	half := s.tear.text
	if !bytes.HasPrefix(frame.Bytes(), half) {
		return p, s.leave("half a zstd frame")
	}
	s.tear.text = nil
	return picked(nil), s.append(from, func() error {
		_, err := s.w.Write(frame.Bytes()[len(half):])
		return err
	})
}

// leave puts the file aside, since its end is not continued.
func (s *File) leave(what string) error {
	n, lines, taken := len(s.tear.text), s.tear.lines, s.tear.taken
	aside, err := s.rotate()
	if err != nil {
		return fmt.Errorf("putting %s aside, which ends in %s: %w; %s", s.name, what, err, sink.ComesAgain)
	}
	s.tear.lines, s.tear.taken = lines, taken
	s.opts.Notice(fmt.Sprintf("%s ended in %s of %d bytes that did not come again: it is now %s, and a new file is begun", s.name, what, n, aside))
	return nil
}

// picked is a page of some records.
type picked []host.Record

func (p picked) Len() int { return len(p) }

func (p picked) Records() iter.Seq[host.Record] { return slices.Values(p) }

func (p picked) WriteTo(w io.Writer) (n int64, err error) {
	for _, r := range p {
		k, err := w.Write(append(r.JSON[:len(r.JSON):len(r.JSON)], '\n'))
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Unfinished returns the part of a record that a crash left at the end of the file; empty if there is none.
func (s *File) Unfinished() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tear.text
}
