package filesink

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
)

// ErrForeign is wrapped when the file to append to was written by another program.
var ErrForeign = errors.New("not a file of records")

// maxTorn is the most that may follow the last whole record, in bytes. A crash leaves less than Replay reads.
const maxTorn = sink.ReplayBytes

// Tear is what followed the last whole record when a file was opened. It stays in the file.
type Tear struct {
	Bytes int64
	// Aside is the new name of the file if it could not be continued. A crash then left zeros, or whole records after a
	// hole, in place of records that were not synced. These are written again. If there was no crash, the disk lost
	// synced data. "" means that the file is continued: a partial record is completed when it is written again.
	Aside string
}

// text returns a notice about an opened file, or "" if its end is whole.
func (t Tear) text(name string) string {
	switch {
	case t.Aside != "":
		return fmt.Sprintf("%s had a hole in its last %d bytes: it was renamed to %s, and a new file was started. After a crash "+
			"these records are written again; if there was no crash, the disk lost data", name, t.Bytes, t.Aside)
	case t.Bytes > 0:
		return fmt.Sprintf("%s ends in a partial record of %d bytes, left by a crash: it is completed when the record is written again", name, t.Bytes)
	}
	return ""
}

// tail describes the end of a file of records.
type tail struct {
	end     int64  // end of the last whole record
	hole    bool   // what follows is not the beginning of a record
	unended bool   // the last record lacks only its line break
	missing string // the bytes of its checksum that the last zstd frame lacks, if it lacks nothing else
}

// examine checks the end of a file that this process has locked, and returns its size afterwards. If only a line break
// or the checksum of a zstd frame is missing, it appends that: readers already accept such a record.
func (s *File) examine(f durable.File, size int64) (int64, tear, error) {
	if size == 0 {
		return 0, tear{}, nil
	}
	r, err := os.Open(s.path)
	if err != nil {
		return 0, tear{}, err
	}
	defer func() { _ = r.Close() }() // read only
	find := lineEnd
	if s.opts.Zstd {
		find = frameEnd
	}
	t, err := find(r, size)
	if err != nil {
		return 0, tear{}, err
	}
	switch torn := size - t.end; {
	case t.unended:
		_, err := f.Write([]byte("\n"))
		return size + 1, tear{}, err // openPath syncs it
	case t.missing != "":
		_, err := f.Write([]byte(t.missing))
		return size + int64(len(t.missing)), tear{}, err
	case torn > maxTorn:
		return 0, tear{}, fmt.Errorf("%w: its last %d bytes, from byte %d on, hold no whole record, which is more than a crash can cause: "+
			"move it elsewhere and run again, which starts a new file", ErrForeign, torn, t.end)
	case t.hole:
		return size, tear{hole: torn}, nil
	}
	text, err := read(r, t.end, size)
	return size, tear{text: text}, err
}

// lineEnd describes the end of a file of JSON lines. Some file systems leave zero bytes in place of data that was not
// synced. JSON never contains a zero byte.
func lineEnd(r io.ReaderAt, size int64) (tail, error) {
	zero, err := firstZero(r, max(0, size-sink.ReplayBytes), size)
	if err != nil {
		return tail{}, err
	}
	end, err := lastBreak(r, zero)
	if err != nil {
		return tail{}, err
	}
	if end == size {
		if is, err := endsInObject(r, end); err != nil || !is {
			return tail{}, cmp.Or(err, errForeignEnd)
		}
		return tail{end: end}, nil
	}
	rest, err := read(r, end, size)
	if err != nil {
		return tail{}, err
	}
	t, ours := tail{end: end, hole: zero < size}, rest[0] == '{' || rest[0] == 0
	if !t.hole {
		if t.unended = isRecord(rest); t.unended {
			t.end = size
		}
	} else {
		switch {
		case end > 0:
			start, err := lastBreak(r, end-1)
			if err != nil {
				return tail{}, err
			}
			before, err := read(r, start, end-1)
			if err != nil {
				return tail{}, err
			}
			ours = ours && isRecord(before)
		case !hasRecord(rest): // only the beginning shows what the file is
			ours = ours && bytes.IndexByte(bytes.TrimRight(rest, "\x00"), 0) < 0
		}
	}
	if !ours {
		return tail{}, errForeignEnd
	}
	return t, nil
}

var errForeignEnd = fmt.Errorf("%w: it does not end in a line of JSON: check that it is the right file, or name another", ErrForeign)

// endsInObject reports whether the last whole line before end is empty or looks like an object. It reads only both ends
// of the line, which may be very long.
func endsInObject(r io.ReaderAt, end int64) (bool, error) {
	start, err := lastBreak(r, end-1)
	if err != nil {
		return false, err
	}
	const most = 64
	head, err := read(r, start, min(end, start+most))
	if err != nil {
		return false, err
	}
	foot, err := read(r, max(start, end-most), end)
	if err != nil {
		return false, err
	}
	head, foot = bytes.TrimSpace(head), bytes.TrimSpace(foot)
	return len(foot) == 0 || bytes.HasPrefix(head, []byte("{")) && bytes.HasSuffix(foot, []byte("}")), nil
}

func isRecord(line []byte) bool { return len(line) > 0 && line[0] == '{' && json.Valid(line) }

// hasRecord reports whether any whole line is a record, or ends in one after zeros.
func hasRecord(text []byte) bool {
	for line := range bytes.Lines(text) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok && isRecord(whole[bytes.LastIndexByte(whole, 0)+1:]) {
			return true
		}
	}
	return false
}

// firstZero returns the offset of the first zero byte in [from, to), or to.
func firstZero(r io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 256<<10)
	for from < to {
		chunk := buf[:min(int64(len(buf)), to-from)]
		if _, err := r.ReadAt(chunk, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.IndexByte(chunk, 0); i >= 0 {
			return from + int64(i), nil
		}
		from += int64(len(chunk))
	}
	return to, nil
}

// lastBreak returns the offset after the last line break before an offset, or 0 if there is none.
func lastBreak(r io.ReaderAt, before int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for before > 0 {
		from := max(0, before-int64(len(buf)))
		chunk := buf[:before-from]
		if _, err := r.ReadAt(chunk, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		before = from
	}
	return 0, nil
}

// frameEnd describes the end of a zstd file, in which each frame is a page. It decodes the frames of the last
// ReplayBytes. After a crash, every frame that was not synced, not just the last, may have the right length and the
// wrong content.
func frameEnd(r io.ReaderAt, size int64) (tail, error) {
	var starts []int64
	stop, why := int64(0), error(nil) // where the frames end
	for stop < size && why == nil {
		var next int64
		if next, why = frame(r, stop, size); why == nil {
			starts, stop = append(starts, stop), next
		}
	}
	d, err := newFrames(r)
	if err != nil {
		return tail{}, err
	}
	defer d.Close()
	t, end := tail{end: stop}, stop
	for i, left := len(starts)-1, int64(sink.ReplayBytes); i >= 0 && left > 0; i-- {
		n, err := d.verify(starts[i], end)
		if errors.Is(err, errDamaged) {
			t.end = starts[i]
		} else if err != nil {
			return tail{}, err
		}
		left -= max(n, end-starts[i])
		end = starts[i]
	}
	if t.end == size {
		return t, nil
	}
	rest, err := read(r, t.end, size)
	if err != nil {
		return tail{}, err
	}
	t.hole = d.containsFrame(rest[1:])
	switch alone := t.end == 0 && !t.hole; { // nothing else in the file shows which program wrote it
	case t.end < stop:
		t.hole = true // a damaged frame of the right length: putting the file aside loses nothing
	case errors.Is(why, errTorn):
		if !t.hole {
			t.missing, err = missingChecksum(rest)
			return t, err
		}
	case errors.Is(why, errBlank) && (!alone || len(bytes.TrimRight(rest, "\x00")) < len(frameMagic)), errors.Is(why, errDamaged) && !alone:
		t.hole = true
	case errors.Is(why, errBlank), errors.Is(why, errNone):
		return tail{}, fmt.Errorf("%w: there is no zstd frame at byte %d: check that it is the right file, or name another", ErrForeign, stop)
	case errors.Is(why, errDamaged):
		return tail{}, fmt.Errorf("%w: the zstd frame at byte %d is damaged: move it elsewhere and run again, which starts a new file", ErrForeign, stop)
	default:
		return tail{}, why
	}
	return t, nil
}

// read reads the bytes between two offsets, at most maxTorn+1 of them.
func read(r io.ReaderAt, from, to int64) ([]byte, error) {
	b := make([]byte, min(to-from, maxTorn+1))
	if _, err := r.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// areRecords reports whether a text has lines, and each is whole and a record.
func areRecords(text []byte) bool {
	for line := range bytes.Lines(text) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); !ok || !isRecord(whole) {
			return false
		}
	}
	return len(text) > 0
}
