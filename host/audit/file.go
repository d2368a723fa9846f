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

// MaxLine is the maximum length of a record's line, in bytes.
const MaxLine = 16 << 20

// lockTimeout is how long an append waits for other processes that have locked the file.
const lockTimeout = 30 * time.Second

// File appends audit records to a file, as JSON lines. Several processes may append to one file: each locks it for one
// line. File is safe for concurrent use.
//
// Each line is a record with "prev" as its first member. That is the SHA-256, in hex, of the last whole line before it,
// without its line break. In the first line of the first file it is empty. A line that a crash or a full disk cut is
// not whole. If the file was rotated, the first line of the new file has the hash of the last line of the old one. The
// old file is the newest one in the folder whose name is this file's name with a number or time after it, such as
// audit.ndjson.1 or audit.ndjson-20260102.
//
// A line is durable when Audit returns. If the file is renamed or deleted, the next Audit creates it again.
type File struct {
	path string
	mu   sync.Mutex
	last string   // hash of this File's last line
	pipe *os.File // set if the path is not a regular file: it stays open, and cannot be read back or locked
}

// Open opens a file to append to. It creates the file, readable only by its owner, if it does not exist. A file that is not
// an audit is an error.
func Open(path string) (*File, error) {
	a := &File{path: path}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// A named pipe without a reader is an error: its content would be lost when it is closed.
		a.pipe, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
		switch {
		case errors.Is(err, syscall.ENXIO):
			return nil, fmt.Errorf("audit: no process reads the pipe %s: start its reader first, or name a file", path)
		case err != nil:
			return nil, fmt.Errorf("audit: %w", err)
		}
		return a, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", durable.NoFolder(path, err))
	}
	err = checkAudit(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("audit: %s %w", path, err)
	}
	return a, nil
}

// checkAudit returns an error if a file is not an audit. An audit line would damage a journal, a configuration or a
// checkpoint. A first line that a crash cut still begins like a record.
func checkAudit(f *os.File) error {
	first, _, _, err := readLine(bufio.NewReaderSize(io.LimitReader(f, MaxLine+1), 64<<10), nil)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	first = bytes.Trim(first, " \t\r\x00") // a power failure leaves zeros
	var record struct {
		Operation *string `json:"operation"`
	}
	switch {
	case len(first) == 0:
		return nil
	case first[0] != '{', json.Unmarshal(first, &record) == nil && record.Operation == nil:
		return errors.New("is not an audit: its first line is not an audit record: name another file")
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

// append locks the file that is at the path now, and appends one line.
func (a *File) append(ctx context.Context, record []byte) (err error) {
	f, err := lockFile(ctx, a.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := lastLine(f)
	if err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	if end.empty {
		end.hash = cmp.Or(hashOfRotated(a.path), a.last)
	}
	line := chained(end.hash, record)
	if len(line) > MaxLine {
		return fmt.Errorf("the record has %d bytes, at most %d are possible", len(line), MaxLine)
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
	if end.empty { // the name may be new. Some file systems cannot sync a folder, and do it by themselves later
		_ = durable.OS.SyncFolder(filepath.Dir(a.path))
	}
	return nil
}

// Close closes a pipe. A regular file is open only during Audit.
func (a *File) Close() error {
	if a.pipe != nil {
		return a.pipe.Close()
	}
	return nil
}

// chained returns a record with the hash of the line before it.
func chained(prev string, record []byte) []byte {
	return append([]byte(`{"prev":"`+prev+`",`), record[1:]...)
}

// Hash returns the hash of a line, without its line break, as the chain uses it.
func Hash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// isWhole reports whether a line belongs to the chain: it is a JSON object of at most MaxLine bytes.
func isWhole(line []byte) bool {
	return len(line) <= MaxLine && isObject(line) && json.Valid(line)
}

// isObject reports whether a line begins like a JSON object.
func isObject(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " \t\r"), []byte{'{'})
}

// lockFile opens and locks the file at a path. It waits up to lockTimeout for another process.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	for deadline, pause := time.Now().Add(lockTimeout), time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		f, err := durable.Hold(path, flags)
		switch {
		case errors.Is(err, errors.ErrUnsupported): // a file system without locks, such as some network file systems
			return os.OpenFile(path, flags, 0o600)
		case !errors.Is(err, durable.ErrLocked):
			return f, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("another process has had %s locked for %s: fuser %[1]s shows which", path, lockTimeout)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s, which another process has locked: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// ending describes the end of a file.
type ending struct {
	line  []byte // the last whole line
	hash  string // hash of that line; empty if there is none
	empty bool   // there is no whole line
	torn  bool   // the last line has no line break
}

// lastLine finds the last whole line of a file, searching from its end.
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
				break // the line begins before the window
			}
			if line := tail[i+1:]; isWhole(line) {
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
			return e, fmt.Errorf("its last %d bytes contain no line of an audit: name another file", window)
		}
	}
}

// rotationSuffix matches what rotation appends to a name: a number, a date or a time, or the word old or bak. Other names
// belong to other files.
var rotationSuffix = regexp.MustCompile(`^[-._](\d[-\d._:TZ+]*|old|bak)(\.[A-Za-z0-9]{1,8})?$`)

// hashOfRotated returns the hash of the last line of the file that had this path before, or "" if there is none.
func hashOfRotated(path string) string {
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
		if rest, is := strings.CutPrefix(e.Name(), name); !is || !rotationSuffix.MatchString(rest) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil {
			earlier = append(earlier, candidate{filepath.Join(folder, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(earlier, func(a, b candidate) int { return b.at.Compare(a.at) })
	for _, c := range earlier[:min(3, len(earlier))] { // compressed and foreign files are skipped
		if hash := lastHash(c.path); hash != "" {
			return hash
		}
	}
	return ""
}

// lastHash returns the hash of a file's last whole line, or "" if that is not a record.
func lastHash(path string) string {
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
