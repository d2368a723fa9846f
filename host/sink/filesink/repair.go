package filesink

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
)

// ErrForeign is wrapped when a file that is to be appended to was written by something else.
var ErrForeign = errors.New("not a file of records")

// maxTorn is the most that may stand behind the last whole record, in bytes: what a crash leaves undone is less than what
// is recalled.
const maxTorn = sink.ReplayBytes

// Tear is what stood at the end of a file when it was opened, behind its last whole record. It stays in the file.
type Tear struct {
	Bytes int64
	// Aside is the name that the file got, where no record can be continued there: a crash left zeros, or whole records
	// behind a hole, in place of what was not synced. All of that comes again. Where there was no crash, the disk lost what
	// it had synced. "" means that the file goes on: a record that is half there is continued when it comes again.
	Aside string
}

// text is what a person should know of a file that was opened; "" is nothing.
func (t Tear) text(name string) string {
	switch {
	case t.Aside != "":
		return fmt.Sprintf("%s had a hole in what was written last, in its last %d bytes: it is now %s, and a new file is begun. After a crash "+
			"all of that comes again; if there was none, the disk lost what it had taken", name, t.Bytes, t.Aside)
	case t.Bytes > 0:
		return fmt.Sprintf("%s ends in half a record of %d bytes, left by a crash: it is continued when it comes again", name, t.Bytes)
	}
	return ""
}

// tail is how a file of records ends.
type tail struct {
	end     int64  // of what is whole
	hole    bool   // what stands behind that is no beginning of a record
	unended bool   // the last record is whole, but for its line break
	missing string // of the checksum of a zstd frame behind the end, which is whole otherwise
}

// examine looks at the end of a file that is held, and returns the size that it has then. Where only a line break is missing,
// or the checksum of a zstd frame, it is appended: readers take such a record already.
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
		return size + 1, tear{}, err // synced by whoever opens it
	case t.missing != "":
		_, err := f.Write([]byte(t.missing))
		return size + int64(len(t.missing)), tear{}, err
	case torn > maxTorn:
		return 0, tear{}, fmt.Errorf("%w: from byte %d on it holds no whole record, %d bytes before its end, which is more than a crash leaves: "+
			"move it elsewhere and run again, a new one is begun", ErrForeign, t.end, torn)
	case t.hole:
		return size, tear{hole: torn}, nil
	}
	text, err := read(r, t.end, size)
	return size, tear{text: text}, err
}

// lineEnd is how a file of JSON lines ends. Zeros are what some file systems leave of what was not synced, and no JSON holds
// one.
func lineEnd(r io.ReaderAt, size int64) (tail, error) {
	zero, err := firstZero(r, max(0, size-sink.ReplayBytes), size)
	if err != nil {
		return tail{}, err
	}
	end, err := lastBreak(r, zero)
	if err != nil || end == size {
		return tail{end: end}, err
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
		case !hasRecord(rest): // nothing but how it begins tells what it is
			ours = ours && bytes.IndexByte(bytes.TrimRight(rest, "\x00"), 0) < 0
		}
	}
	if !ours {
		return tail{}, fmt.Errorf("%w: it does not end in a line of JSON: is it the right file?", ErrForeign)
	}
	return t, nil
}

func isRecord(line []byte) bool { return len(line) > 0 && line[0] == '{' && json.Valid(line) }

// hasRecord reports whether one of the lines that are whole is a record, or ends in one behind zeros.
func hasRecord(text []byte) bool {
	for line := range bytes.Lines(text) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok && isRecord(whole[bytes.LastIndexByte(whole, 0)+1:]) {
			return true
		}
	}
	return false
}

// firstZero is the offset of the first zero byte between two, or that of the second.
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

// lastBreak is the offset behind the last line break before another; 0 where there is none.
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

// frameEnd is how a zstd file ends, each of whose frames is a page. Its last frames are decoded, those of sink.ReplayBytes: of a
// frame that was not synced a crash may leave the length and not the content, of any of them and not just of the last.
func frameEnd(r io.ReaderAt, size int64) (tail, error) {
	var starts []int64
	stop, why := int64(0), error(nil) // where there is no frame any more
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
	t.hole = d.any(rest[1:])
	switch alone := t.end == 0 && !t.hole; { // nothing before or behind it tells whose it is
	case t.end < stop:
		t.hole = true // a frame of the right length that is damaged; nothing is lost then, whosever it was
	case errors.Is(why, errTorn):
		if !t.hole {
			t.missing, err = missingChecksum(rest)
			return t, err
		}
	case errors.Is(why, errBlank) && (!alone || len(bytes.TrimRight(rest, "\x00")) < len(frameMagic)), errors.Is(why, errDamaged) && !alone:
		t.hole = true
	case errors.Is(why, errBlank), errors.Is(why, errNone):
		return tail{}, fmt.Errorf("%w: at byte %d there is no zstd frame: is it the right file?", ErrForeign, stop)
	case errors.Is(why, errDamaged):
		return tail{}, fmt.Errorf("%w: the zstd frame at byte %d is damaged", ErrForeign, stop)
	default:
		return tail{}, why
	}
	return t, nil
}

// What stands in the place of a frame.
var (
	errTorn    = errors.New("torn")          // the beginning of one
	errBlank   = errors.New("blank")         // zeros
	errDamaged = errors.New("damaged")       // what is none behind the beginning of one
	errNone    = errors.New("no zstd frame") // something else
	errLarge   = errors.New("large")         // one that is no page
)

// frames decodes single frames of a file. Close it when done.
type frames struct {
	*zstd.Decoder
	r         io.ReaderAt
	raw, text []byte
}

func newFrames(r io.ReaderAt) (*frames, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostDecoded))
	return &frames{Decoder: d, r: r}, err
}

// mostDecoded is the most that a frame may decode to at once, in bytes, or need as its window: a page is no larger.
const mostDecoded = 256 << 20

// verify decodes the frame between two offsets, however large, and returns how much it holds. The error is errDamaged, or
// another where it could not be told.
func (d *frames) verify(start, end int64) (int64, error) {
	section := &reading{r: io.NewSectionReader(d.r, start, end-start)}
	if err := d.Reset(section); err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, d)
	return n, section.judge(err, start)
}

// reading is a reader that keeps its error: it is none of the frame.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// judge tells a frame that is damaged from one that cannot be read.
func (r *reading) judge(err error, at int64) error {
	switch {
	case r.err != nil:
		return r.err
	case err == nil:
		return nil
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrUnknownDictionary):
		return fmt.Errorf("%w: the zstd frame at byte %d wants more than is given here (%w)", ErrForeign, at, err)
	}
	return errDamaged
}

// decode gives what the frame between two offsets holds, until the next call. The error is errDamaged, errLarge or one of
// reading.
func (d *frames) decode(start, end int64) ([]byte, error) {
	if end-start > mostDecoded {
		return nil, errLarge
	}
	d.raw = slices.Grow(d.raw[:0], int(end-start))[:end-start]
	if _, err := d.r.ReadAt(d.raw, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text, err := d.DecodeAll(d.raw, d.text[:0])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errLarge
	case err != nil:
		return nil, errDamaged
	}
	d.text = text
	return text, nil
}

// any reports whether there is a whole frame in what was read, anywhere.
func (d *frames) any(text []byte) bool {
	for {
		i := bytes.Index(text, []byte(frameMagic))
		if i < 0 {
			return false
		}
		text = text[i:]
		if end, err := frame(bytes.NewReader(text), 0, int64(len(text))); err == nil {
			if _, err := d.DecodeAll(text[:end], d.text[:0]); err == nil {
				return true
			}
		}
		text = text[1:]
	}
}

// read reads what is between two offsets, but no more than is ever cut off.
func read(r io.ReaderAt, from, to int64) ([]byte, error) {
	b := make([]byte, min(to-from, maxTorn+1))
	if _, err := r.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// missingChecksum returns the bytes that a frame lacks, where these are of its checksum alone and it holds nothing but
// records; else "".
func missingChecksum(torn []byte) (string, error) {
	for n := 1; n <= frameChecksum; n++ {
		whole := append(slices.Clone(torn), make([]byte, n)...)
		if end, err := frame(bytes.NewReader(whole), 0, int64(len(whole))); err != nil || end != int64(len(whole)) {
			continue
		}
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostDecoded), zstd.IgnoreChecksum(true))
		if err != nil {
			return "", err
		}
		defer d.Close()
		text, err := d.DecodeAll(whole, nil)
		if err != nil || !areRecords(text) {
			return "", nil // what was not synced may be missing in its middle
		}
		sum := binary.LittleEndian.AppendUint32(nil, uint32(xxhash.Sum64(text))) // RFC 8878, section 3.1.1
		if !bytes.HasSuffix(torn, sum[:frameChecksum-n]) {
			return "", nil
		}
		return string(sum[frameChecksum-n:]), nil
	}
	return "", nil
}

// areRecords reports whether a text is whole lines, each of which is a record.
func areRecords(text []byte) bool {
	for line := range bytes.Lines(text) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); !ok || !isRecord(whole) {
			return false
		}
	}
	return len(text) > 0
}

const (
	frameMagic    = "\x28\xB5\x2F\xFD"
	blockHeader   = 3 // bytes
	frameChecksum = 4
)

// frame walks the blocks of the frame at an offset, without reading them, and returns the offset behind it.
// https://www.rfc-editor.org/rfc/rfc8878#section-3.1
func frame(r io.ReaderAt, at, size int64) (end int64, err error) {
	var head [zstd.HeaderMaxSize]byte
	n, err := r.ReadAt(head[:min(int64(len(head)), size-at)], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	switch magic := string(head[:min(n, len(frameMagic))]); {
	case magic == frameMagic:
	case strings.HasPrefix(frameMagic, magic):
		return 0, errTorn
	case strings.HasPrefix(frameMagic, strings.TrimRight(magic, "\x00")):
		return 0, errBlank
	default:
		return 0, errNone
	}
	var h zstd.Header
	if err := h.Decode(head[:n]); errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errTorn
	} else if err != nil {
		return 0, errDamaged
	}
	at += int64(h.HeaderSize)
	for {
		var b [blockHeader]byte
		if at+blockHeader > size {
			return 0, errTorn
		}
		if _, err := r.ReadAt(b[:], at); err != nil {
			return 0, err
		}
		block := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		at += blockHeader
		switch kind, length := block>>1&3, int64(block>>3); kind {
		case 0, 2: // raw, compressed
			at += length
		case 1: // one byte, repeated
			at++
		default:
			return 0, errDamaged
		}
		if at > size {
			return 0, errTorn
		}
		if block&1 == 1 {
			break
		}
	}
	if h.HasCheckSum {
		at += frameChecksum
	}
	if at > size {
		return 0, errTorn
	}
	return at, nil
}
