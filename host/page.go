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
	Kind string          // for operations that give more than one kind
	Key  string          // stable and unique within the connection; a repeat has the same
	JSON json.RawMessage // as the service gave it, on one line
	// Checkpoint is set on the last record of a page: once that record and all before it are safe, a source may be
	// resumed from here.
	Checkpoint json.RawMessage
}

// Page is one page of a source. It is valid until the iteration goes on.
type Page struct {
	// Checkpoint resumes behind this page. Keep it once the page's records are safe, not before.
	Checkpoint json.RawMessage
	CaughtUp   bool          // there was no more to read for now
	Stalled    bool          // with CaughtUp: there may be more, but the service gave no way on
	PollAfter  time.Duration // when to ask again, once caught up
	Warnings   []string      // for people, each a sentence; nothing else tells them
	Watermark  time.Time     // the latest time of a record up to here, by the service's clock; zero when not told
	Date       time.Time     // the service's clock when it answered; zero when it did not say
	Retries    int           // requests of this page that were made again
	Waited     time.Duration // for rate limits and between requests that were made again
	Cursor     string        // of a page of TablePages: goes on behind it, "" at the end

	call   *call
	pieces records.Pieces
	count  int
	size   int64
	lined  bool
}

// Len is the number of records.
func (p *Page) Len() int { return p.count }

// Size is the number of bytes of the records, separators aside.
func (p *Page) Size() int64 { return p.size }

// Records walks the page. The records are views into it: copy what is to be kept.
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

// Drop removes the records for whose keys repeated returns true, and returns their number. A record without a key stays. The key
// is valid during the call. Drop must run before the records are walked or written.
func (p *Page) Drop(repeated func(key []byte) bool) (dropped int) {
	dropped, size := p.pieces.Drop(repeated)
	p.count, p.size = p.count-dropped, p.size-size
	return dropped
}

// WriteTo writes the records as NDJSON. It turns the bytes between records into line breaks. A page that came compact is written
// as it lies in memory, at once.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	p.line()
	return p.pieces.WriteTo(w)
}

// line makes each record one line, once.
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

// recordOf returns the i-th record of a piece.
func recordOf(p *records.Piece, i int) Record {
	s := p.Spans[i]
	r := Record{Kind: p.Kind, JSON: json.RawMessage(p.Body[s.Start:s.End:s.End])}
	if p.Key != "" {
		r.Key = string(p.AppendKey(nil, i))
	}
	return r
}

// newPage is what a call has emitted.
func newPage(run *call, warnings []string) *Page {
	p := &Page{Warnings: warnings, Date: run.date, call: run, pieces: run.answers.Pieces, count: run.answers.Records, size: run.answers.Bytes}
	for _, r := range run.requests {
		p.Retries += max(r.Attempts-1, 0)
		p.Waited += time.Duration(r.WaitedMS) * time.Millisecond
	}
	return p
}
