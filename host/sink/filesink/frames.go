package filesink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// The reasons why a frame cannot be read.
var (
	errTorn    = errors.New("the zstd frame is incomplete") // its beginning is there
	errBlank   = errors.New("zeros instead of a zstd frame")
	errDamaged = errors.New("the zstd frame is damaged") // it begins as a frame and goes on as something else
	errNone    = errors.New("not a zstd frame")
	errLarge   = errors.New("the zstd frame is too large for a page")
)

// frames decodes single frames of a file. Close it when done.
type frames struct {
	*zstd.Decoder
	r         io.ReaderAt
	raw, text []byte
}

func newFrames(r io.ReaderAt) (*frames, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded))
	return &frames{Decoder: d, r: r}, err
}

// maxDecoded is the most memory, in bytes, that a decoded frame or its window may take. Pages are smaller.
const maxDecoded = 256 << 20

// verify decodes the frame between two offsets, however large, and returns its decoded size in bytes. The error is
// errDamaged if the frame is damaged. Other errors mean that it cannot be checked.
func (d *frames) verify(start, end int64) (int64, error) {
	section := &frameSource{r: io.NewSectionReader(d.r, start, end-start)}
	if err := d.Reset(section); err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, d)
	return n, section.classify(err, start)
}

// frameSource is a reader that remembers its own error, so that it can be told apart from the decoder's.
type frameSource struct {
	r   io.Reader
	err error
}

func (r *frameSource) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// classify returns errDamaged for a damaged frame, and another error for a frame that could not be read.
func (r *frameSource) classify(err error, at int64) error {
	switch {
	case r.err != nil:
		return r.err
	case err == nil:
		return nil
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrUnknownDictionary):
		return fmt.Errorf("%w: the zstd frame at byte %d needs a larger window or a dictionary (%w): choose another file", ErrForeign, at, err)
	}
	return errDamaged
}

// decode returns the content of the frame between two offsets, valid until the next call. The error is errDamaged,
// errLarge or a read error.
func (d *frames) decode(start, end int64) ([]byte, error) {
	if end-start > maxDecoded {
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

// containsFrame reports whether a text contains a whole frame, at any offset.
func (d *frames) containsFrame(text []byte) bool {
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

// missingChecksum returns the last bytes of a frame's checksum, if a frame of records lacks only these. Otherwise it
// returns "".
func missingChecksum(torn []byte) (string, error) {
	for n := 1; n <= frameChecksum; n++ {
		whole := append(slices.Clone(torn), make([]byte, n)...)
		if end, err := frame(bytes.NewReader(whole), 0, int64(len(whole))); err != nil || end != int64(len(whole)) {
			continue
		}
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded), zstd.IgnoreChecksum(true))
		if err != nil {
			return "", err
		}
		defer d.Close()
		text, err := d.DecodeAll(whole, nil)
		if err != nil || !areRecords(text) {
			return "", nil // the middle may be missing, since it was not synced
		}
		sum := binary.LittleEndian.AppendUint32(nil, uint32(xxhash.Sum64(text))) // RFC 8878, section 3.1.1
		if !bytes.HasSuffix(torn, sum[:frameChecksum-n]) {
			return "", nil
		}
		return string(sum[frameChecksum-n:]), nil
	}
	return "", nil
}

const (
	frameMagic    = "\x28\xB5\x2F\xFD"
	blockHeader   = 3 // bytes
	frameChecksum = 4
)

// frame walks the blocks of the frame at an offset and returns the offset after it. It decodes nothing.
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
