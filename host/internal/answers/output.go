package answers

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/mach5/okta-connector/abi"
)

// Output returns the result of an invoke: the value that the guest returned, or the records that it emitted. It omits
// records of a list whose key came before, since pages shift while they are read; repeats counts them.
func (s *Set) Output(ctx context.Context, out *abi.InvokeOutput) (output json.RawMessage, repeats int, err error) {
	if out.List {
		return s.list(ctx, out)
	}
	if out.Output != nil || !out.Outcome.OK() { // records that were emitted before a failure are not the result
		return out.Output, 0, nil
	}
	for _, p := range s.Pieces {
		if len(p.Spans) == 0 {
			continue
		}
		first := p.Body[p.Spans[0].Start:p.Spans[0].End]
		if err := s.Budget.Take(int64(len(first))); err != nil {
			return nil, 0, err
		}
		return bytes.Clone(first), 0, nil
	}
	return nil, 0, nil
}

// list returns the emitted records as {"records": […], "next_cursor": …}, with the members that the guest adds.
func (s *Set) list(ctx context.Context, out *abi.InvokeOutput) (output json.RawMessage, repeats int, err error) {
	size := int64(s.Records+len(out.Output)+6*len(out.NextCursor)) + 64
	for _, p := range s.Pieces {
		for _, span := range p.Spans {
			size += int64(span.End - span.Start)
		}
	}
	if err := s.Budget.Take(size + int64(s.Records)*keySize); err != nil {
		return nil, 0, err
	}
	b := make([]byte, 0, size)
	b = append(b, `{"records":[`...)
	first := true
	seen := make(map[string]struct{}, s.Records)
	var key []byte
	for _, p := range s.Pieces {
		for i, span := range p.Spans {
			if i%64 == 0 && ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			if p.Key != "" {
				if key = p.AppendKey(key[:0], i); len(key) > p.Prefix() {
					if _, again := seen[string(key)]; again {
						repeats++
						continue
					}
					seen[string(key)] = struct{}{}
				}
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, p.Body[span.Start:span.End]...)
		}
	}
	b = append(b, `],"next_cursor":`...)
	if out.NextCursor == "" {
		b = append(b, `null`...)
	} else {
		text, _ := json.Marshal(out.NextCursor) // a string always encodes
		b = append(b, text...)
	}
	if more := bytes.TrimSpace(out.Output); len(more) > 0 && more[0] == '{' { // members that the guest adds to the list
		if members := bytes.TrimSpace(more[1 : len(more)-1]); len(members) > 0 {
			b = append(append(b, ','), members...)
		}
	}
	return append(b, '}'), repeats, nil
}

// keySize is the approximate memory that Output needs for each record's key, in bytes. The key's text is part of its record,
// which is counted.
const keySize = 64
