package answers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// split splits a body into records. In parallel, it searches the body for the token, which takes as long.
func (s *Set) split(handle uint64, want records.Want, path, key string) (text []byte, spans, keys []records.Span, err error) {
	if handle == 0 || handle > uint64(len(s.bodies)) {
		return nil, nil, nil, errNoBody
	}
	b := &s.bodies[handle-1]
	if b.buffer.Len() == 0 {
		return nil, nil, nil, errNoBody
	}
	clean := make(chan bool, 1)
	if b.searched {
		clean <- true
	} else {
		go func() { clean <- !s.Tainted(b.buffer.Bytes()) }()
	}
	spans, keys, err = records.SplitAs(want, b.buffer.Bytes(), path, key, make([]records.Span, 0, 16))
	if path != "" && (errors.Is(err, records.ErrShape) || errors.Is(err, records.ErrPath)) {
		err = fmt.Errorf("%w: the path is %s, and the body has %s", err, path, records.Members(b.buffer.Bytes()))
	}
	if b.searched = true; !<-clean {
		b.buffer.Release()
		return nil, nil, nil, errTainted
	}
	return b.buffer.Bytes(), spans, keys, err
}

var (
	errNoBody  = errors.New("there is no body with this handle")
	errTainted = errors.New("the body contains the connection's token and was discarded (tainted): check base_url")
)

// EmitJSON implements records_emit.
func (s *Set) EmitJSON(ctx context.Context, handle uint64, raw []byte) abi.EmitSummary {
	var o abi.EmitOptions
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return abi.EmitSummary{Error: "the options do not follow the ABI: " + err.Error()}
	}
	return s.Emit(ctx, handle, o)
}

// Emit emits records from a body.
func (s *Set) Emit(ctx context.Context, handle uint64, o abi.EmitOptions) abi.EmitSummary {
	if len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths {
		return abi.EmitSummary{Error: fmt.Sprintf("more than %d paths to summarise or omit (abi.MaxPaths)", abi.MaxPaths)}
	}
	for _, p := range slices.Concat(o.Summarise, o.Omit, []string{o.Path, o.Key}) {
		if p != "" && !records.PlainPath(p) {
			return abi.EmitSummary{Error: "a path must be object keys joined by dots"}
		}
	}
	want, known := wants[o.Want]
	if !known {
		return abi.EmitSummary{Error: fmt.Sprintf("want must be array or object, found %q", excerpt.Of(o.Want))}
	}
	key := o.Key
	if key == "" {
		key = s.Key
	}
	member := key
	if strings.Contains(key, ".") { // a path: looked up only when needed
		member = ""
	}
	body, spans, places, err := s.split(handle, want, o.Path, member)
	if err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	if want == records.Object && key != "" && (len(spans) == 0 || !records.HasKey(body[spans[0].Start:spans[0].End], key)) {
		return abi.EmitSummary{Error: "wanted an object with a string or number at " + key + ", found none"}
	}
	if want == records.Array && s.ErrorCode != "" && len(spans) > 0 && !slices.ContainsFunc(spans, func(r records.Span) bool {
		record := body[r.Start:r.End]
		return key != "" && records.HasKey(record, key) || !records.HasKey(record, s.ErrorCode)
	}) {
		return abi.EmitSummary{Error: "wanted a list of objects, found a list of service errors"}
	}
	total := len(spans)
	skipped := min(max(o.Skip, 0), total)
	cut := func(all []records.Span) []records.Span {
		if all = all[min(max(o.Skip, 0), len(all)):]; o.Limit > 0 && len(all) > o.Limit {
			all = all[:o.Limit]
		}
		return all
	}
	spans, places = cut(spans), cut(places)
	sum := abi.EmitSummary{Count: len(spans), Total: total}
	if o.Keys {
		if sum.Keys, err = records.KeysOf(ctx, body, spans, key); err != nil {
			return abi.EmitSummary{Error: err.Error()}
		}
		return sum
	}
	if o.Keyed {
		path := cmp.Or(key, "id")
		if i := records.WithoutKey(body, spans, places, path); i >= 0 {
			return abi.EmitSummary{Error: fmt.Sprintf("record %d has no string or number at %s, which is its key: it has %s",
				skipped+i, path, records.Members(body[spans[i].Start:spans[i].End]))}
		}
	}
	taken := 0
	if len(spans) > 0 {
		// Records of one body must not overlap: the host writes into the space between them.
		if spans[0].Start < s.taken[handle] {
			return abi.EmitSummary{Error: "these records were already emitted"}
		}
		if s.taken == nil {
			s.taken = map[uint64]int{}
		}
		taken = s.taken[handle]
		s.taken[handle] = spans[len(spans)-1].End
	}
	if len(o.Omit) > 0 { // records may move
		places = nil
	}
	if body, spans, err = records.Without(ctx, body, spans, o.Omit); err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	for _, span := range spans {
		sum.Bytes += int64(span.End - span.Start)
	}
	if err := s.count(len(spans), sum.Bytes); err != nil {
		if len(spans) > 0 {
			s.taken[handle] = taken // fewer bytes may be free after it
		}
		return abi.EmitSummary{Error: err.Error(), Limit: true}
	}
	if len(spans) > 0 {
		sum.First = records.Summarise(body, spans[0], o.Summarise)
		sum.Last = records.Summarise(body, spans[len(spans)-1], o.Summarise)
		if o.Kind != "" {
			p, err := records.Wrap(ctx, body, spans, o)
			if err != nil {
				return abi.EmitSummary{Error: err.Error()}
			}
			s.Pieces = append(s.Pieces, p)
			return sum
		}
		s.Pieces = append(s.Pieces, records.Piece{Body: body, Spans: spans, Keys: places, Key: key})
	}
	return sum
}

// wants maps the values of the want option.
var wants = map[string]records.Want{"": records.Anything, abi.WantArray: records.Array, abi.WantObject: records.Object}

// EmitValue implements record_emit.
func (s *Set) EmitValue(raw []byte) error {
	spans, err := records.Split(raw, "", nil)
	if err != nil || len(spans) != 1 || raw[spans[0].Start] != '{' {
		return fmt.Errorf("a record must be one JSON object")
	}
	if err := s.count(1, int64(len(raw))); err != nil {
		return err
	}
	s.Pieces = append(s.Pieces, records.Piece{Body: raw, Spans: spans, Key: s.Key})
	return nil
}

func (s *Set) count(records int, bytes int64) error {
	if s.Records+records > s.Limits.Records {
		return fmt.Errorf("more than %d records in one call (limits.records of the connection): ask for fewer and continue with the cursor, or raise the limit", s.Limits.Records)
	}
	if s.Bytes+bytes > s.Limits.ResultBytes {
		return fmt.Errorf("more than %d bytes of records in one call (limits.result_bytes of the connection): ask for fewer and continue with the cursor, or raise the limit", s.Limits.ResultBytes)
	}
	s.Records += records
	s.Bytes += bytes
	return nil
}
