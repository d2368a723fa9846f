package records

import (
	"bytes"
	"io"
)

// Pieces are the records that one call emitted.
type Pieces []Piece

// Drop removes the records for whose keys repeated returns true, and returns their number and size. It keeps records
// without a key.
func (p Pieces) Drop(repeated func(key []byte) bool) (dropped int, size int64) {
	var key []byte
	for i := range p {
		piece := &p[i]
		if piece.Key == "" {
			continue
		}
		kept, prefix := 0, piece.Prefix()
		for at, s := range piece.Spans {
			if key = piece.AppendKey(key[:0], at); len(key) > prefix && repeated(key) {
				size += int64(s.End - s.Start)
				dropped++
				continue
			}
			piece.Spans[kept] = s
			if piece.Keys != nil {
				piece.Keys[kept] = piece.Keys[at]
			}
			kept++
		}
		if piece.Spans = piece.Spans[:kept]; piece.Keys != nil {
			piece.Keys = piece.Keys[:kept]
		}
	}
	return dropped, size
}

// WriteTo writes the records as NDJSON. Each must be one line. It replaces the bytes between records by line breaks, so
// the call that owned the bodies must have ended.
func (p Pieces) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for i := range p {
		piece := &p[i]
		for from := 0; from < len(piece.Spans); {
			to := contiguous(piece, from)
			last := piece.Spans[to-1].End
			chunk := piece.Body[piece.Spans[from].Start:last]
			if last < len(piece.Body) {
				piece.Body[last] = '\n'
				chunk = piece.Body[piece.Spans[from].Start : last+1]
			} else {
				chunk = append(chunk[:len(chunk):len(chunk)], '\n')
			}
			n, err := w.Write(chunk)
			written += int64(n)
			if err != nil {
				return written, err
			}
			from = to
		}
	}
	return written, nil
}

// contiguous returns the end of the run of records, starting at from, that are separated by a single byte each. It
// replaces these bytes by line breaks.
func contiguous(p *Piece, from int) (to int) {
	for to = from + 1; to < len(p.Spans); to++ {
		end := p.Spans[to-1].End
		if p.Spans[to].Start != end+1 {
			break
		}
		p.Body[end] = '\n'
	}
	return to
}

// Line replaces the line breaks of each record by spaces.
func (p Pieces) Line() {
	for i := range p {
		piece := &p[i]
		if len(piece.Spans) == 0 {
			continue
		}
		whole := piece.Body[piece.Spans[0].Start:piece.Spans[len(piece.Spans)-1].End]
		if bytes.IndexByte(whole, '\n') < 0 && bytes.IndexByte(whole, '\r') < 0 {
			continue
		}
		for _, s := range piece.Spans {
			Line(piece.Body[s.Start:s.End])
		}
	}
}
