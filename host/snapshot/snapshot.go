// Package snapshot compares the objects of an export with those of an earlier export.
//
// A snapshot is a file of NDJSON. Its first line is a header. Then each line is an object, sorted by kind and id. The last line
// has their number and a checksum. An export in progress is a second file, PATH.part, from which an interrupted export continues. Memory is bounded:
// both are read and sorted in parts.
package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"
)

// Version is the version of the file's format.
const Version = 1

// MaxLine is the size limit of one line of a snapshot, in bytes.
const MaxLine = 64 << 20

// Errors of Open. Each is wrapped by one sentence that says what to do.
var (
	ErrOther   = errors.New("the snapshot is of another org or connector")
	ErrDamaged = errors.New("the snapshot is damaged")
)

// Identity says of which org a snapshot is.
type Identity struct {
	Connector string `json:"connector"` // the kind of the connection
	BaseURL   string `json:"base_url"`
}

// Kind says how the objects of one kind were read.
type Kind struct {
	Taken time.Time `json:"taken"` // when the export began
	// Incomplete says that objects may be missing. A later export then does not know whether an object is new.
	Incomplete bool `json:"incomplete,omitempty"`
}

// header is the first line of a snapshot.
type header struct {
	Snapshot int `json:"snapshot"` // the version
	Identity
	Kinds  map[string]Kind `json:"kinds"`
	Export string          `json:"export,omitempty"` // id of the last export
}

// trailer is the last line of a snapshot.
type trailer struct {
	Objects int    `json:"objects"`
	SHA256  string `json:"sha256"` // checksum of all lines before
}

// Object is one object of an export.
type Object struct {
	Kind   string          `json:"kind"`
	ID     string          `json:"id"` // unique within the kind
	Parent string          `json:"parent,omitempty"`
	Record json.RawMessage `json:"record"`
}

// before reports whether an object is before another in a snapshot.
func (o *Object) before(p *Object) bool { return o.compare(p) < 0 }

func (o *Object) compare(p *Object) int {
	if c := strings.Compare(o.Kind, p.Kind); c != 0 {
		return c
	}
	return strings.Compare(o.ID, p.ID)
}

// parseObject parses one line.
func parseObject(line []byte) (*Object, error) {
	var o Object
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, errors.New("a line is not an object of JSON")
	}
	if record := bytes.TrimLeft(o.Record, " \t\r\n"); o.Kind == "" || len(record) == 0 || record[0] != '{' {
		return nil, errors.New("a line lacks kind or record")
	}
	return &o, nil
}

// encode returns a value as a line of JSON.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// canonical returns JSON with sorted members and without spaces.
func canonical(text json.RawMessage) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	b, err := encode(v)
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// Reader reads the objects of a snapshot in order.
type Reader struct {
	header  header
	lines   *bufio.Reader
	sum     hash.Hash
	last    *Object
	objects int
	ended   bool
}

// NewReader reads the header of a snapshot. Its errors wrap ErrDamaged.
func NewReader(r io.Reader) (*Reader, error) {
	s := &Reader{lines: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	line, err := readLine(s.lines)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if json.Unmarshal(line, &s.header) != nil || s.header.Snapshot == 0 {
		return nil, fmt.Errorf("%w: the first line is not the header of a snapshot", ErrDamaged)
	}
	if s.header.Snapshot != Version {
		return nil, fmt.Errorf("%w: it is of version %d, and this program reads version %d", ErrDamaged, s.header.Snapshot, Version)
	}
	s.sum.Write(line)
	return s, nil
}

// Next returns the next object, or nil at the end. Its errors wrap ErrDamaged.
func (s *Reader) Next() (*Object, error) {
	if s.ended {
		return nil, nil
	}
	line, err := readLine(s.lines)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var end trailer
	if bytes.HasPrefix(line, []byte(`{"objects":`)) && json.Unmarshal(line, &end) == nil {
		if _, err := s.lines.ReadByte(); end.Objects != s.objects || end.SHA256 != hex.EncodeToString(s.sum.Sum(nil)) || !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
		}
		s.ended = true
		return nil, nil
	}
	o, err := parseObject(line)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.last != nil && !s.last.before(o) {
		return nil, fmt.Errorf("%w: its lines are not sorted", ErrDamaged)
	}
	s.sum.Write(line)
	s.objects++
	s.last = o
	return o, nil
}

// readLine returns a line with its line break.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil && len(line) <= MaxLine:
			return line, nil
		case len(line) > MaxLine:
			return nil, fmt.Errorf("a line has over %d bytes", MaxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, errors.New("it ends before its last line")
		}
	}
}

// verify reads a whole snapshot, and returns its header. A file that does not exist has the zero header.
func verify(path string, own Identity) (h header, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := NewReader(f)
	if err != nil {
		return h, fmt.Errorf("%s: %w: restore it from a copy, or remove it to begin anew", path, err)
	}
	if r.header.Identity != own {
		return h, fmt.Errorf("%s: %w: it is of %s at %s, and the connection is of %s at %s: name another file",
			path, ErrOther, r.header.Connector, r.header.BaseURL, own.Connector, own.BaseURL)
	}
	for {
		o, err := r.Next()
		if err != nil {
			return h, fmt.Errorf("%s: %w: restore it from a copy, or remove it to begin anew", path, err)
		}
		if o == nil {
			return r.header, nil
		}
	}
}

// writer writes a snapshot.
type writer struct {
	to      *bufio.Writer
	sum     hash.Hash
	objects int
}

func newWriter(to io.Writer, h header) (*writer, error) {
	w := &writer{to: bufio.NewWriterSize(to, 1<<16), sum: sha256.New()}
	line, err := encode(h)
	if err != nil {
		return nil, err
	}
	return w, w.write(line)
}

func (w *writer) write(line []byte) error {
	w.sum.Write(line)
	_, err := w.to.Write(line)
	return err
}

// add writes an object.
func (w *writer) add(o *Object) error {
	line, err := encode(o)
	if err != nil {
		return err
	}
	w.objects++
	return w.write(line)
}

// end writes the last line.
func (w *writer) end() error {
	line, err := encode(trailer{w.objects, hex.EncodeToString(w.sum.Sum(nil))})
	if err != nil {
		return err
	}
	if _, err := w.to.Write(line); err != nil {
		return err
	}
	return w.to.Flush()
}
