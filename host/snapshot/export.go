package snapshot

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// MaxAge is how old an interrupted export may be to be continued.
const MaxAge = 24 * time.Hour

// Export is an export that becomes the next snapshot. It is not safe for concurrent use. Close it after use.
type Export struct {
	path    string
	own     Identity
	earlier header
	lock    *os.File
	part    *os.File
	at      partHeader
	done    bool
	cursor  string
	report  json.RawMessage
	resumed bool
	dropped time.Time
}

// partHeader is the first line of an export in progress.
type partHeader struct {
	Part int `json:"part"` // the version
	Identity
	Input   json.RawMessage `json:"input"`
	Started time.Time       `json:"started"`
	ID      string          `json:"id,omitempty"` // random
}

// pageEnd follows the objects of a page.
type pageEnd struct {
	Page   int             `json:"page"` // number of objects
	Cursor string          `json:"cursor"`
	Report json.RawMessage `json:"report,omitempty"`
	SHA256 string          `json:"sha256"` // checksum of the page's lines
}

// Open opens the snapshot at path for an export with an input. It checks the whole earlier snapshot, if there is one. An
// export with the same input that was interrupted less than MaxAge ago continues. If path is a link, the file that it leads to
// is replaced. Errors wrap ErrOther, ErrDamaged or durable.ErrLocked.
func Open(path string, own Identity, input json.RawMessage, now time.Time) (*Export, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: name a file in a folder that can be written to", path)
	}
	path = durable.Resolve(path)
	lock, err := durable.Hold(path+".lock", os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, durable.NoFolder(path, err)
	}
	e := &Export{path: path, own: own, lock: lock}
	if e.earlier, err = verify(path, own); err != nil {
		e.Close()
		return nil, err
	}
	if err := e.clean(); err != nil {
		e.Close()
		return nil, err
	}
	if e.part, err = os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, durable.Mode); err != nil {
		e.Close()
		return nil, err
	}
	e.at = partHeader{Version, own, input, now.UTC(), rand.Text()}
	if e.at.Input, err = canonical(input); err == nil {
		err = e.resume(now)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// clean removes what a killed run left.
func (e *Export) clean() (err error) {
	folder, name := filepath.Split(e.path)
	all, _ := os.ReadDir(filepath.Dir(e.path)) // in a folder that cannot be listed, it stays
	for _, there := range all {
		if strings.HasPrefix(there.Name(), name+sortRuns) || there.Name() == name+".new" {
			err = errors.Join(err, os.Remove(filepath.Join(folder, there.Name())))
		}
	}
	return err
}

// resume reads the export in progress, and goes to the end of its last whole page. If it does not fit, it begins anew.
func (e *Export) resume(now time.Time) error {
	lines := bufio.NewReaderSize(e.part, 1<<16)
	at := int64(0)
	var h partHeader
	line, err := readLine(lines)
	ours := err == nil && json.Unmarshal(line, &h) == nil && h.Part == Version && h.Identity == e.own && (h.ID == "" || h.ID != e.earlier.Export) // else it became the snapshot
	_, none := lines.Peek(1)
	switch {
	case ours && bytes.Equal(h.Input, e.at.Input) && now.Sub(h.Started) < MaxAge:
		at = int64(len(line))
		e.at.Started, e.at.ID = h.Started, h.ID
		at += e.readPages(lines)
	case ours && none == nil:
		e.dropped = h.Started
	}
	if err := e.part.Truncate(at); err != nil {
		return err
	}
	if _, err := e.part.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if at > 0 {
		return nil
	}
	if line, err = encode(e.at); err != nil {
		return err
	}
	if _, err := e.part.Write(line); err != nil {
		return err
	}
	return e.part.Sync()
}

// readPages reads whole pages, and returns their size. It stops at the first that is not whole.
func (e *Export) readPages(lines *bufio.Reader) (size int64) {
	sum, n, objects := sha256.New(), int64(0), 0
	for {
		line, err := readLine(lines)
		if err != nil {
			return size
		}
		var end pageEnd
		if !bytes.HasPrefix(line, []byte(`{"page":`)) {
			sum.Write(line)
			n += int64(len(line))
			objects++
			continue
		}
		if json.Unmarshal(line, &end) != nil || end.Page != objects || end.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
			return size
		}
		size += n + int64(len(line))
		e.cursor, e.report, e.done, e.resumed = end.Cursor, end.Report, end.Cursor == "", true
		sum.Reset()
		n, objects = 0, 0
	}
}

// Cursor is where the export continues; "" is the beginning, or the end if Done.
func (e *Export) Cursor() string { return e.cursor }

// Done reports whether all pages were read.
func (e *Export) Done() bool { return e.done }

// Resumed returns when an interrupted export that continues began, or false if this export began anew.
func (e *Export) Resumed() (time.Time, bool) { return e.at.Started, e.resumed }

// Dropped returns when an interrupted export began that is lost, because it had another input or is older than MaxAge.
func (e *Export) Dropped() (time.Time, bool) { return e.dropped, !e.dropped.IsZero() }

// Report is the report of the last page.
func (e *Export) Report() json.RawMessage { return e.report }

// Page stores the objects of a page, as lines that write writes, with the cursor after it and the report. It returns when
// they are durable.
func (e *Export) Page(write func(io.Writer) error, cursor string, report json.RawMessage) error {
	sum := sha256.New()
	buffer := bufio.NewWriterSize(e.part, 1<<16)
	count := &lineCounter{to: io.MultiWriter(buffer, sum)}
	if err := write(count); err != nil {
		return err
	}
	line, err := encode(pageEnd{count.lines, cursor, report, hex.EncodeToString(sum.Sum(nil))})
	if err != nil {
		return err
	}
	if _, err := buffer.Write(line); err != nil {
		return err
	}
	if err := errors.Join(buffer.Flush(), e.part.Sync()); err != nil {
		return fmt.Errorf("%s.part: %w", e.path, err)
	}
	e.cursor, e.report, e.done = cursor, report, cursor == ""
	return nil
}

// lineCounter counts the lines that are written through it.
type lineCounter struct {
	to    io.Writer
	lines int
}

// Write implements io.Writer.
func (c *lineCounter) Write(b []byte) (int, error) {
	c.lines += bytes.Count(b, []byte("\n"))
	return c.to.Write(b)
}

// Discard removes the export in progress, so that the next one begins anew. The snapshot stays.
func (e *Export) Discard() error { return os.Remove(e.path + ".part") }

// Close ends the use of the files. An export that is not finished can be continued.
func (e *Export) Close() {
	if e.part != nil {
		_ = e.part.Close() // every page was synced
	}
	_ = e.lock.Close() // nothing was written
}
