package httpsink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// Refusal is a record that a service refuses permanently, with the reason.
type Refusal struct {
	Status int    // HTTP status of the answer to the record, or to a request with only this record
	Type   string // the service's name for the error; may be empty
	Reason string
	Record host.Record
}

func (r Refusal) String() string {
	text := fmt.Sprintf("record %s: %d", r.Record.Key, r.Status)
	if r.Type != "" {
		text += " " + r.Type
	}
	return fmt.Sprintf("%s: %.*s", text, maxReason, r.Reason)
}

// Refused is a file of records that a service refused. With it, the sink continues with the other records. Each record is a line
//
//	{"at":"2026-01-02T03:04:05Z","service":"https://…","status":400,"type":"…","reason":"…","key":"…","record":{…}}
//
// and becomes durable before its page. The file is locked and appended to like a filesink.File. Refused is not safe for
// concurrent use, except for Count. Close it when done.
type Refused struct {
	file  *filesink.File
	now   func() time.Time
	known map[[sha256.Size]byte]bool // records in the file: after a crash their page is written again
	count atomic.Int64
}

// maxKnown is how many records are replayed from the end of the file. A page has fewer.
const maxKnown = 10_000

// OpenRefused opens a file of refused records, and creates it if it does not exist.
func OpenRefused(path string, o filesink.Options) (*Refused, error) {
	file, err := filesink.Open(path, o)
	if err != nil {
		return nil, err
	}
	r := &Refused{file: file, now: time.Now, known: map[[sha256.Size]byte]bool{}}
	foreign := false
	err = file.Replay(func(line []byte) bool {
		record := gjson.GetBytes(line, "record")
		foreign = foreign || !record.IsObject() || !gjson.GetBytes(line, "status").Exists()
		r.known[sha256.Sum256([]byte(record.Raw))] = true
		return foreign || len(r.known) >= maxKnown
	})
	if err == nil && foreign {
		err = fmt.Errorf("%s: %w that were refused: choose another file", path, filesink.ErrForeign)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// String returns the name of the file.
func (r *Refused) String() string { return r.file.String() }

// Count returns how many records were added since the file was opened. It is safe for concurrent use.
func (r *Refused) Count() int64 { return r.count.Load() }

// Reopen is filesink.File.Reopen.
func (r *Refused) Reopen() (reopened bool, err error) { return r.file.Reopen() }

// Tear is filesink.File.Tear.
func (r *Refused) Tear() filesink.Tear { return r.file.Tear() }

// Close closes the file.
func (r *Refused) Close() error { return r.file.Close() }

// put makes refusals durable. It skips records that are already in the file.
func (r *Refused) put(ctx context.Context, service string, all []Refusal) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	n := refusedPage{}
	for _, f := range all {
		if r.known[sha256.Sum256(f.Record.JSON)] {
			continue
		}
		err := enc.Encode(struct {
			At      time.Time `json:"at"`
			Service string    `json:"service"`
			Status  int       `json:"status"`
			Type    string    `json:"type"`
			Reason  string    `json:"reason"`
			Key     string    `json:"key"`
		}{r.time(), service, f.Status, f.Type, f.Reason, f.Record.Key})
		if err != nil {
			return err
		}
		b.Truncate(b.Len() - len("}\n"))
		b.WriteString(`,"record":`)
		b.Write(f.Record.JSON) // unchanged
		b.WriteString("}\n")
		n.count++
	}
	n.text = b.Bytes()
	err := r.file.Write(ctx, n)
	if errors.Is(err, sink.ErrRewrite) { // the file was deleted: n has all lines that were not durable
		err = r.file.Write(ctx, n)
	}
	if err != nil {
		return err
	}
	r.count.Add(int64(n.count))
	return nil
}

// time returns the current time. If the file ends in a partial line, it returns the time of that line, so that the line
// can be completed.
func (r *Refused) time() time.Time {
	now := r.now().UTC()
	half, ok := bytes.CutPrefix(r.file.Unfinished(), []byte(`{"at":"`))
	if !ok {
		return now
	}
	text, _, whole := bytes.Cut(half, []byte(`"`))
	for _, ends := range []string{"", now.Format(time.RFC3339Nano), "0000-01-01T00:00:00Z", "0000-10-10T00:00:00Z", "Z", "0Z"} {
		if !whole && len(ends) > 2 { // complete a time of this length
			ends = ends[min(len(text), len(ends)):]
		}
		at, err := time.Parse(time.RFC3339Nano, string(text)+ends)
		if err == nil && strings.HasPrefix(at.Format(time.RFC3339Nano), string(text)) {
			return at
		}
	}
	return now
}

// refusedPage is a page of lines.
type refusedPage struct {
	count int
	text  []byte
}

func (p refusedPage) Len() int { return p.count }
func (p refusedPage) Records() iter.Seq[host.Record] {
	return func(yield func(host.Record) bool) {
		for line := range bytes.Lines(p.text) {
			if !yield(host.Record{JSON: line[:len(line)-1]}) {
				return
			}
		}
	}
}
func (p refusedPage) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.text)
	return int64(n), err
}
