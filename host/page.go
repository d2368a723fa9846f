package host

import (
	"encoding/json"
	"io"
	"iter"
	"time"

	"github.com/mach5/okta-connector/host/records"
)

// Record is one record of a source or a table.
type Record struct {
	Kind string          // set by operations that return several kinds
	Key  string          // stable, and unique within the connection; the same if the record is read again
	JSON json.RawMessage // the service's bytes, without line breaks
	// Checkpoint is set on the last record of a page. When that record and all before it are durable, a source can
	// resume from it.
	Checkpoint json.RawMessage
}

// Page is one page of a source. It is valid until the next iteration.
//
// Its exported fields are one group although they are many: a caller reads all of them at one place, and saves or
// reports them.
type Page struct {
	// Checkpoint resumes after this page. Save it only when the page's records are durable.
	Checkpoint json.RawMessage
	CaughtUp   bool            // there was nothing more to read
	Stalled    bool            // with CaughtUp: there may be more, but the service gave no usable cursor
	PollAfter  time.Duration   // when to ask again after catching up
	Warnings   []string        // sentences for people; they are reported nowhere else
	Watermark  time.Time       // the latest record time so far, by the service's clock; zero if unknown
	Date       time.Time       // the service's clock in its response; zero if unknown
	Retries    int             // number of repeated requests for this page
	Waited     time.Duration   // time spent waiting for rate limits and between repeated requests
	Cursor     string          // set by TablePages: continues after this page; "" at the end
	Report     json.RawMessage // set by TablePages: what the module says about the list so far; nil is nothing

	call   *call
	pieces records.Pieces
	count  int
	size   int64
	lined  bool
}

// Len returns the number of records.
func (p *Page) Len() int { return p.count }

// Size returns the total size of the records in bytes, without separators.
func (p *Page) Size() int64 { return p.size }

// Records iterates over the page. The records are views into it: copy what must outlive it.
func (p *Page) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		p.line()
		left := p.count
		for i := range p.pieces {
			for at := range p.pieces[i].Spans {
				r := recordOf(&p.pieces[i], at)
				if left--; left == 0 {
					r.Checkpoint = p.Checkpoint
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Drop removes the records for whose keys repeated returns true, and returns how many. It keeps records without a
// key. The key is valid only during the call. Call Drop before the records are iterated or written.
func (p *Page) Drop(repeated func(key []byte) bool) (dropped int) {
	dropped, size := p.pieces.Drop(repeated)
	p.count, p.size = p.count-dropped, p.size-size
	return dropped
}

// WriteTo writes the records as NDJSON, replacing the bytes between records with line breaks. It writes a compact
// page directly from memory.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	p.line()
	return p.pieces.WriteTo(w)
}

// line removes line breaks from the records. It does so once.
func (p *Page) line() {
	if !p.lined {
		p.lined = true
		p.pieces.Line()
	}
}

func (p *Page) release() {
	if p.call != nil {
		p.call.end()
		p.call, p.pieces = nil, nil
	}
}

// recordOf returns record i of a piece.
func recordOf(p *records.Piece, i int) Record {
	s := p.Spans[i]
	r := Record{Kind: p.Kind, JSON: json.RawMessage(p.Body[s.Start:s.End:s.End])}
	if p.Key != "" {
		r.Key = string(p.AppendKey(nil, i))
	}
	return r
}

// newPage returns a page of the records that a call emitted.
func newPage(run *call, warnings []string) *Page {
	p := &Page{Warnings: warnings, Date: run.date, call: run, pieces: run.answers.Pieces, count: run.answers.Records, size: run.answers.Bytes}
	for _, r := range run.requests {
		p.Retries += max(r.Attempts-1, 0)
		p.Waited += time.Duration(r.WaitedMS) * time.Millisecond
	}
	return p
}
