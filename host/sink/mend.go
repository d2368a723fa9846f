package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// ErrForeign is wrapped when a file that is to be appended to was written by something else.
var ErrForeign = errors.New("not a file of records")

// maxTorn is the most that is cut off, in bytes: a crash leaves less than a page, and a page is no larger.
const maxTorn = 64 << 20

// mend cuts off what a crash left half-written at the end of a file, and reports how much that was.
func mend(path string, compressed bool) (cut int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
		if err == nil {
			err = f.Close()
		}
		return 0, err // a device or a pipe has no end to mend
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // synced where it was changed
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	find := lineEnd
	if compressed {
		find = frameEnd
	}
	end, err := find(f, info.Size())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if end == info.Size() {
		return 0, nil
	}
	if torn := info.Size() - end; torn > maxTorn {
		return 0, fmt.Errorf("%s: %w: its last %d bytes are no whole record, which is more than a crash leaves", path, ErrForeign, torn)
	}
	if err := f.Truncate(end); err != nil {
		return 0, err
	}
	return info.Size() - end, f.Sync()
}

// lineEnd is the offset behind the last line break of a file of JSON lines.
func lineEnd(r io.ReaderAt, size int64) (int64, error) {
	end, buf := int64(0), make([]byte, 64<<10)
	for at := size; at > 0 && end == 0; {
		from := max(0, at-int64(len(buf)))
		chunk := buf[:at-from]
		if _, err := r.ReadAt(chunk, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			end = from + int64(i) + 1
		}
		at = from
	}
	if end == size {
		return end, nil
	}
	var first [1]byte
	if _, err := r.ReadAt(first[:], end); err != nil {
		return 0, err
	}
	if first[0] != '{' && first[0] != 0 { // zeros are what some file systems leave after a crash
		return 0, fmt.Errorf("%w: it does not end in a line of JSON: is it the right file?", ErrForeign)
	}
	return end, nil
}

// frameEnd is the offset behind the last whole frame of a zstd file, each of whose frames is a page. What only a crash
// can leave is the beginning of a frame, or zeros; anything else was written by something else.
func frameEnd(r io.ReaderAt, size int64) (int64, error) {
	last, end := int64(0), int64(0)
	for end < size {
		next, err := frame(r, end, size)
		if errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return 0, err
		}
		last, end = end, next
	}
	if end == last {
		return end, nil
	}
	// Of the last frame a crash may have left the length and not the content.
	dec, err := zstd.NewReader(io.NewSectionReader(r, last, end-last), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return 0, err
	}
	defer dec.Close()
	if _, err := io.Copy(io.Discard, dec); err != nil {
		return last, nil
	}
	return end, nil
}

var errTorn = errors.New("torn")

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
	switch begun := bytes.TrimRight(head[:n], "\x00"); {
	case len(begun) < len(frameMagic) && strings.HasPrefix(frameMagic, string(begun)):
		return 0, errTorn
	case !strings.HasPrefix(string(begun), frameMagic):
		return 0, fmt.Errorf("%w: at byte %d there is no zstd frame: is it the right file?", ErrForeign, at)
	}
	var h zstd.Header
	if err := h.Decode(head[:n]); errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errTorn
	} else if err != nil {
		return 0, fmt.Errorf("%w: the zstd frame at byte %d is damaged (%w)", ErrForeign, at, err)
	}
	start := at
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
			return 0, fmt.Errorf("%w: the zstd frame at byte %d is damaged", ErrForeign, start)
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
