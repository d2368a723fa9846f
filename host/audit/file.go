package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// MaxLine is the longest line that is written and read as a record, in bytes.
const MaxLine = 16 << 20

// patience is how long an append waits for other processes that have the file.
const patience = 30 * time.Second

// File appends audit records to a file, a JSON line each. Several processes may append to one file: each locks it for one
// line. It is safe for concurrent use.
//
// A line is a record behind the member "prev": the SHA-256, in hex, of the last whole line before it, without its line
// break; empty in the first line of the first file. What a crash or a full disk left of a line is not a whole line. A file
// that was begun because the one before was renamed goes on from that one: the newest file of the folder whose name is
// this file's with a number or a time behind it, such as audit.ndjson.1 or audit.ndjson-20260102.
//
// A line is on disk when Audit returns. A file that is renamed or removed meanwhile is made anew.
type File struct {
	path string
	mu   sync.Mutex
	last string   // hash of this File's last line
	pipe *os.File // what is not a regular file: it is open all along, and cannot be read back or locked
}

// Open opens a file for appending, and makes it, readable for its owner alone, where it is missing.
func Open(path string) (*File, error) {
	a := &File{path: path}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// Without a reader, a named pipe is an error: what is written to it would be gone when it is closed.
		a.pipe, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
		switch {
		case errors.Is(err, syscall.ENXIO):
			return nil, fmt.Errorf("audit: nobody reads the pipe %s, and an audit that is not kept is none: name a file, or start the reader first", path)
		case err != nil:
			return nil, fmt.Errorf("audit: %w", err)
		}
		return a, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	err = foreign(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("audit: %s %w", path, err)
	}
	return a, nil
}

// foreign reports why a file is another's: a journal, a configuration or a checkpoint would be ruined by a line of an
// audit. A first line that a crash cut short still begins as a record does.
func foreign(f *os.File) error {
	first, _, _, err := readLine(bufio.NewReaderSize(io.LimitReader(f, MaxLine+1), 64<<10), nil)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	first = bytes.Trim(first, " \t\r\x00") // zeros are what a power failure leaves
	var record struct {
		Operation *string `json:"operation"`
	}
	switch {
	case len(first) == 0:
		return nil
	case first[0] != '{', json.Unmarshal(first, &record) == nil && record.Operation == nil:
		return errors.New("is not an audit: its first line is not a record. Name another file")
	}
	return nil
}

// Audit implements Auditor.
func (a *File) Audit(ctx context.Context, r Record) error {
	record, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pipe != nil {
		line := chained(a.last, record)
		if _, err := a.pipe.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		a.last = Hash(line)
		return nil
	}
	if err := a.append(ctx, record); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// append writes one line to the file that has the name now, under its lock.
func (a *File) append(ctx context.Context, record []byte) (err error) {
	f, err := hold(ctx, a.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := lastLine(f)
	if err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	if end.empty {
		end.hash = cmp.Or(rotated(a.path), a.last)
	}
	line := chained(end.hash, record)
	if len(line) > MaxLine {
		return fmt.Errorf("a record of %d bytes: at most %d are taken", len(line), MaxLine)
	}
	a.last = Hash(line)
	text := append(line, '\n')
	if end.torn {
		text = append([]byte{'\n'}, text...)
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if end.empty { // a new file has a new name. Where a folder cannot be synced, its file system does it in its own time
		_ = durable.OS.SyncFolder(filepath.Dir(a.path))
	}
	return nil
}

// Close releases the file.
func (a *File) Close() error {
	if a.pipe != nil {
		return a.pipe.Close()
	}
	return nil
}

// chained puts the hash of the line before into a record.
func chained(prev string, record []byte) []byte {
	return append([]byte(`{"prev":"`+prev+`",`), record[1:]...)
}

// Hash is how the chain names a line, without its line break.
func Hash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// whole reports whether a line is one that the chain counts: a JSON object.
func whole(line []byte) bool {
	return len(line) <= MaxLine && object(line) && json.Valid(line)
}

// object reports whether a line begins as a JSON object does.
func object(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " \t\r"), []byte{'{'})
}

// hold opens the file at a path and locks it, waiting for those who have it.
func hold(ctx context.Context, path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	for deadline, pause := time.Now().Add(patience), time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		f, err := durable.Hold(path, flags)
		switch {
		case errors.Is(err, errors.ErrUnsupported): // a file system without locks, such as some of a network
			return os.OpenFile(path, flags, 0o600)
		case !errors.Is(err, durable.ErrLocked):
			return f, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("another process has had %s for %s: fuser %[1]s names it", path, patience)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s, which another process has: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// ending is how a file ends.
type ending struct {
	line  []byte // the last whole line
	hash  string // of it; empty where there is none
	empty bool   // there is no whole line
	torn  bool   // the last line has no line break
}

// lastLine looks for the last whole line of a file from its end.
func lastLine(f *os.File) (ending, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return ending{empty: true}, err
	}
	var e ending
	for window := int64(64 << 10); ; window *= 4 {
		from := max(0, size-window)
		tail := make([]byte, size-from)
		if _, err := f.ReadAt(tail, from); err != nil {
			return e, err
		}
		e.torn = tail[len(tail)-1] != '\n'
		for len(tail) > 0 {
			i := bytes.LastIndexByte(tail, '\n')
			if i < 0 && from > 0 {
				break // where it begins is not known
			}
			if line := tail[i+1:]; whole(line) {
				e.line, e.hash = line, Hash(line)
				return e, nil
			}
			tail = tail[:max(i, 0)]
		}
		switch {
		case from == 0:
			e.empty = true
			return e, nil
		case window > 2*MaxLine:
			return e, fmt.Errorf("its last %d bytes hold no line of an audit: name another file", window)
		}
	}
}

// turned is what rotation puts behind a name: a number, a date or a time, or the word old or bak. Another name that begins
// alike is another file's.
var turned = regexp.MustCompile(`^[-._](\d[-\d._:TZ+]*|old|bak)(\.[A-Za-z0-9]{1,8})?$`)

// rotated is the hash of the last line of the file that had the name before; empty where none is found.
func rotated(path string) string {
	folder, name := filepath.Split(path)
	all, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return ""
	}
	type candidate struct {
		path string
		at   time.Time
	}
	var earlier []candidate
	for _, e := range all {
		if rest, is := strings.CutPrefix(e.Name(), name); !is || !turned.MatchString(rest) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil {
			earlier = append(earlier, candidate{filepath.Join(folder, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(earlier, func(a, b candidate) int { return b.at.Compare(a.at) })
	for _, c := range earlier[:min(3, len(earlier))] { // compressed ones and others' are passed over
		if hash := endOf(c.path); hash != "" {
			return hash
		}
	}
	return ""
}

// endOf is the hash of a file's last line, if that is a record.
func endOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	end, err := lastLine(f)
	if err != nil || end.empty || parse(0, end.line, true).Problem != "" {
		return ""
	}
	return end.hash
}
