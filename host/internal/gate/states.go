package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/records"
)

// Size limits for the responses that a plan or the audit keeps, in bytes.
const (
	MaxState  = 256 << 10 // one response
	maxStates = 4 << 20   // all responses together; the oldest are dropped
)

// States holds the responses read before the first write, for a plan or the audit. It has the ids of that write's
// objects, and derives the current state from them. The zero value is empty.
type States struct {
	read  []stateRead
	bytes int
	ids   []string // ids of the first write: the blanks of its path in order, then the id in its body
}

// stateRead is one response to a GET.
type stateRead struct {
	body      []byte // a JSON object or array
	sensitive []string
	object    bool // a single object, requested by a path with a blank
}

// Keep stores a response to a GET of an endpoint, unless memory has no room for it.
func (s *States) Keep(memory records.Memory, endpoint *abi.Endpoint, answer []byte) {
	b := bytes.TrimSpace(answer)
	if len(b) == 0 || b[0] != '{' && b[0] != '[' || !gjson.ValidBytes(b) {
		return
	}
	if memory.Take(int64(len(b))) != nil {
		return
	}
	s.read = append(s.read, stateRead{bytes.Clone(b), endpoint.Sensitive, b[0] == '{' && strings.Contains(endpoint.Template(), "{")})
	for s.bytes += len(b); s.bytes > maxStates; s.read = slices.Delete(s.read, 0, 1) {
		s.bytes -= len(s.read[0].body)
		memory.Give(int64(len(s.read[0].body)))
	}
}

// About stores the ids of the objects that the first write is about.
func (s *States) About(endpoint abi.Endpoint, req *abi.Request) {
	if s.ids != nil {
		return
	}
	s.ids = []string{}
	for segment := range strings.SplitSeq(endpoint.Template(), "/") {
		if name, blank := abi.Blank(segment); blank {
			s.ids = append(s.ids, req.Path[name])
		}
	}
	if id := gjson.GetBytes(req.Body, "id").Str; id != "" {
		s.ids = append(s.ids, id)
	}
}

// Now returns the current state of the object that the first write is about, and of the other objects that it names.
// It finds objects by their member id in single responses and in lists, and uses the latest response. If no object
// has one of the ids, it returns the last single object that was read.
func (s *States) Now(ctx context.Context) (state json.RawMessage, related []json.RawMessage) {
	var found []string
	for _, id := range s.ids {
		if id == "" || slices.Contains(found, id) {
			continue
		}
		if o := s.find(ctx, id); o != nil && state == nil {
			state, found = o, append(found, id)
		} else if o != nil {
			related, found = append(related, o), append(found, id)
		}
	}
	if state != nil {
		return state, related
	}
	for _, r := range slices.Backward(s.read) {
		if r.object {
			return shown(ctx, r.body, r.sensitive), nil
		}
	}
	if len(s.read) > 0 && s.ids == nil { // a read: its state is what it read
		last := s.read[len(s.read)-1]
		return shown(ctx, last.body, last.sensitive), nil
	}
	return nil, nil
}

// find returns the latest state of the object with an id, or nil.
func (s *States) find(ctx context.Context, id string) json.RawMessage {
	for _, r := range slices.Backward(s.read) {
		v := gjson.ParseBytes(r.body)
		if v.IsObject() {
			if v.Get("id").Str == id {
				return shown(ctx, r.body, r.sensitive)
			}
			continue
		}
		var found json.RawMessage
		v.ForEach(func(_, e gjson.Result) bool {
			if e.IsObject() && e.Get("id").Str == id {
				found = shown(ctx, []byte(e.Raw), r.sensitive)
			}
			return found == nil
		})
		if found != nil {
			return found
		}
	}
	return nil
}

// shown returns a copy of a response, or of an array of responses, without the members at the sensitive paths. It
// returns nil if they cannot be removed.
func shown(ctx context.Context, b []byte, sensitive []string) json.RawMessage {
	if len(sensitive) == 0 {
		return bytes.Clone(b)
	}
	array := b[0] == '['
	spans, err := records.Split(b, "", nil)
	if err == nil {
		b, spans, err = records.Without(ctx, records.Unlimited{}, b, spans, sensitive)
	}
	if err != nil {
		return nil
	}
	parts := make([][]byte, len(spans))
	for i, s := range spans {
		parts[i] = b[s.Start:s.End]
	}
	text := bytes.Join(parts, []byte{','})
	if array {
		text = slices.Concat([]byte{'['}, text, []byte{']'})
	}
	return text
}
