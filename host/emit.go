package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/records"
)

// piece is the records that one emit took from one body.
type piece struct {
	body  []byte
	spans []records.Span
	keys  []records.Span // places of the keys' values, parallel to spans; nil when they were not looked for
	kind  string
	key   string
}

// split takes a body apart and searches it for the token at the same time, since either takes as long.
func (c *call) split(handle uint64, want records.Want, path, key string) (text []byte, spans, keys []records.Span, err error) {
	if handle == 0 || handle > uint64(len(c.bodies)) {
		return nil, nil, nil, errNoBody
	}
	b := &c.bodies[handle-1]
	if b.buffer.Len() == 0 {
		return nil, nil, nil, errNoBody
	}
	clean := make(chan bool, 1)
	if b.searched {
		clean <- true
	} else {
		go func() { clean <- !c.holdsToken(b.buffer.Bytes()) }()
	}
	spans, keys, err = records.SplitAs(want, b.buffer.Bytes(), path, key, make([]records.Span, 0, 16))
	if b.searched = true; !<-clean {
		b.buffer.Release()
		return nil, nil, nil, errTainted
	}
	return b.buffer.Bytes(), spans, keys, err
}

var (
	errNoBody  = errors.New("there is no body")
	errTainted = errors.New("the body repeats the connection's token and was thrown away (tainted): is base_url right?")
)

// emit is records_emit.
func (c *call) emit(ctx context.Context, handle uint64, raw []byte) abi.EmitSummary {
	var o abi.EmitOptions
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return abi.EmitSummary{Error: "the options are not those of the ABI: " + err.Error()}
	}
	if len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths {
		return abi.EmitSummary{Error: fmt.Sprintf("over %d paths to summarise or to omit (abi.MaxPaths)", abi.MaxPaths)}
	}
	for _, p := range slices.Concat(o.Summarise, o.Omit, []string{o.Path, o.Key}) {
		if p != "" && !records.PlainPath(p) {
			return abi.EmitSummary{Error: "a path is not object keys joined by dots"}
		}
	}
	want, known := wants[o.Want]
	if !known {
		return abi.EmitSummary{Error: fmt.Sprintf("want %q is not one of the ABI: array or object", shorten(o.Want))}
	}
	key := o.Key
	if key == "" {
		key = c.op.Key
	}
	member := key
	if strings.Contains(key, ".") { // a path: looked up when it is asked for
		member = ""
	}
	body, spans, places, err := c.split(handle, want, o.Path, member)
	if err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	if want == records.Object && key != "" && (len(spans) == 0 || !hasKey(body[spans[0].Start:spans[0].End], key)) {
		return abi.EmitSummary{Error: "wanted an object with a string or number at " + key + ", found none there"}
	}
	total := len(spans)
	cut := func(s []records.Span) []records.Span {
		if s = s[min(max(o.Skip, 0), len(s)):]; o.Limit > 0 && len(s) > o.Limit {
			s = s[:o.Limit]
		}
		return s
	}
	spans, places = cut(spans), cut(places)
	sum := abi.EmitSummary{Count: len(spans), Total: total}
	if o.Keys {
		if sum.Keys, err = keys(ctx, body, spans, key); err != nil {
			return abi.EmitSummary{Error: err.Error()}
		}
		return sum
	}
	taken := 0
	if len(spans) > 0 {
		// Records of one body never overlap: the space between them is the host's to write in.
		if spans[0].Start < c.taken[handle] {
			return abi.EmitSummary{Error: "these records were emitted already"}
		}
		if c.taken == nil {
			c.taken = map[uint64]int{}
		}
		taken = c.taken[handle]
		c.taken[handle] = spans[len(spans)-1].End
	}
	if len(o.Omit) > 0 { // records may move
		places = nil
	}
	if body, spans, err = without(ctx, body, spans, o.Omit); err != nil {
		return abi.EmitSummary{Error: err.Error()}
	}
	for _, s := range spans {
		sum.Bytes += int64(s.End - s.Start)
	}
	if err := c.count(len(spans), sum.Bytes); err != nil {
		if len(spans) > 0 {
			c.taken[handle] = taken // fewer of them may fit
		}
		return abi.EmitSummary{Error: err.Error(), Limit: true}
	}
	if len(spans) > 0 {
		sum.First = summarise(body, spans[0], o.Summarise)
		sum.Last = summarise(body, spans[len(spans)-1], o.Summarise)
		if o.Kind != "" {
			p, err := wrap(ctx, body, spans, o)
			if err != nil {
				return abi.EmitSummary{Error: err.Error()}
			}
			c.pieces = append(c.pieces, p)
			return sum
		}
		c.pieces = append(c.pieces, piece{body: body, spans: spans, keys: places, key: key})
	}
	return sum
}

// wants are the shapes that a guest may ask for.
var wants = map[string]records.Want{"": records.Anything, abi.WantArray: records.Array, abi.WantObject: records.Object}

// hasKey reports whether a record has a key that tells it from others.
func hasKey(record []byte, path string) bool {
	v := records.Get(record, path)
	return (v.Type == gjson.String || v.Type == gjson.Number) && v.String() != ""
}

// wrap puts each record into the envelope that abi.EmitOptions tells of, a byte apart, as in a body.
func wrap(ctx context.Context, body []byte, spans []records.Span, o abi.EmitOptions) (piece, error) {
	key := o.Key
	if key == "" {
		key = "id"
	}
	head := append([]byte(`{"kind":`), quoted(o.Kind)...)
	size := 0
	for _, s := range spans {
		size += s.End - s.Start + len(head) + len(o.Parent) + 80
	}
	out := piece{body: make([]byte, 0, size), spans: make([]records.Span, 0, len(spans)), kind: o.Kind, key: "id"}
	for _, s := range spans {
		if err := ctx.Err(); err != nil {
			return piece{}, err
		}
		record := body[s.Start:s.End]
		id := records.Get(record, key).String()
		if o.Parent != "" {
			id = o.Parent + "/" + id
		}
		start := len(out.body)
		out.body = append(append(append(out.body, head...), `,"id":`...), quoted(id)...)
		if o.Parent != "" {
			out.body = append(append(out.body, `,"parent":`...), quoted(o.Parent)...)
		}
		out.body = append(append(append(out.body, `,"record":`...), record...), '}')
		out.spans = append(out.spans, records.Span{Start: start, End: len(out.body)})
		out.body = append(out.body, '\n')
	}
	return out, nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always encodes
	return b
}

// keys are the keys of records, for abi.EmitOptions.Keys.
func keys(ctx context.Context, body []byte, spans []records.Span, path string) ([]string, error) {
	if len(spans) > abi.MaxKeys {
		return nil, fmt.Errorf("keys of %d records, %d are allowed (abi.MaxKeys): ask with a limit", len(spans), abi.MaxKeys)
	}
	if path == "" {
		path = "id"
	}
	all, size := make([]string, 0, len(spans)), 0
	for i, s := range spans {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !hasKey(body[s.Start:s.End], path) {
			return nil, fmt.Errorf("record %d has no string or number at %s", i, path)
		}
		v := records.Get(body[s.Start:s.End], path)
		if size += len(v.String()); size > abi.MaxKeyBytes {
			return nil, fmt.Errorf("over %d bytes of keys (abi.MaxKeyBytes): ask with a limit", abi.MaxKeyBytes)
		}
		all = append(all, v.String())
	}
	return all, nil
}

// without takes members out of records. Where none has any, the records stay where they are; else they lie a byte apart,
// as in a body.
func without(ctx context.Context, body []byte, spans []records.Span, paths []string) ([]byte, []records.Span, error) {
	var out []byte
	var moved []records.Span
	for i, s := range spans {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		record := body[s.Start:s.End]
		for _, p := range paths {
			for n := 0; records.Get(record, p).Exists(); n++ { // a member that stands twice goes twice
				err := ctx.Err()
				if err != nil {
					return nil, nil, err
				}
				if record, err = sjson.DeleteBytes(record, p); err != nil || n == maxTwins {
					return nil, nil, fmt.Errorf("record %d cannot be emitted without %s", i, p)
				}
				if moved == nil {
					moved = append(make([]records.Span, 0, len(spans)), spans[:i]...)
					out = append(make([]byte, 0, len(body)), body[:s.Start]...)
				}
			}
		}
		if moved != nil {
			start := len(out)
			out = append(out, record...)
			moved = append(moved, records.Span{Start: start, End: len(out)})
			out = append(out, '\n')
		}
	}
	if moved == nil {
		return body, spans, nil
	}
	return out, moved, nil
}

// maxTwins bounds how often without deletes one member.
const maxTwins = 16

// emitValue is record_emit.
func (c *call) emitValue(raw []byte) error {
	spans, err := records.Split(raw, "", nil)
	if err != nil || len(spans) != 1 || raw[spans[0].Start] != '{' {
		return fmt.Errorf("a record is one JSON object")
	}
	if err := c.count(1, int64(len(raw))); err != nil {
		return err
	}
	c.pieces = append(c.pieces, piece{body: raw, spans: spans, key: c.op.Key})
	return nil
}

func (c *call) count(records int, bytes int64) error {
	if c.records+records > c.conn.limits.Records {
		return fmt.Errorf("over %d records in one call (limits.records of the connection): ask for fewer and go on with the cursor, or raise it", c.conn.limits.Records)
	}
	if c.bytes+bytes > c.conn.limits.ResultBytes {
		return fmt.Errorf("over %d bytes of records in one call (limits.result_bytes of the connection): ask for fewer and go on with the cursor, or raise it", c.conn.limits.ResultBytes)
	}
	c.records += records
	c.bytes += bytes
	return nil
}

// maxSummary bounds a summarised value, in bytes: summaries are for cursors and times.
const maxSummary = 4 << 10

func summarise(body []byte, s records.Span, paths []string) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	for _, p := range paths {
		if v := records.Get(body[s.Start:s.End], p); v.Exists() && len(v.Raw) <= maxSummary {
			if m == nil {
				m = make(map[string]json.RawMessage, len(paths))
			}
			m[p] = json.RawMessage(v.Raw)
		}
	}
	return m
}
