package answers

import (
	"bytes"
	"encoding/json"

	"github.com/mach5/okta-connector/abi"
)

// Output returns the result of an invoke: what the guest answered by value, or what it emitted. Records of a list
// with the same key are listed once, since pages shift while they are read; repeats is the number of those left out.
func (s *Set) Output(out *abi.InvokeOutput) (output json.RawMessage, repeats int) {
	if !out.List {
		if out.Output != nil || !out.Outcome.OK() { // what was emitted on the way to a failure is not what was wanted
			return out.Output, 0
		}
		for _, p := range s.Pieces {
			for _, span := range p.Spans {
				return append(json.RawMessage(nil), p.Body[span.Start:span.End]...), 0
			}
		}
		return nil, 0
	}
	b := make([]byte, 0, s.Bytes+int64(s.Records)+64)
	b = append(b, `{"records":[`...)
	first := true
	seen := make(map[string]struct{}, s.Records)
	var key []byte
	for _, p := range s.Pieces {
		for i, span := range p.Spans {
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
	if more := bytes.TrimSpace(out.Output); len(more) > 0 && more[0] == '{' { // what the guest says of the list
		if members := bytes.TrimSpace(more[1 : len(more)-1]); len(members) > 0 {
			b = append(append(b, ','), members...)
		}
	}
	return append(b, '}'), repeats
}
