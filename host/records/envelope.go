package records

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// Piece is the records that one emit took from one body.
type Piece struct {
	Body  []byte
	Spans []Span
	Keys  []Span // places of the keys' values, parallel to Spans; nil if they are not known
	Kind  string // kind in the envelope, "" without one
	Key   string // path of each record's key, "" if records have none
}

// Prefix returns the length of what precedes the records' own keys in the piece's keys.
func (p *Piece) Prefix() int {
	if p.Kind == "" {
		return 0
	}
	return len(p.Kind) + len(":")
}

// AppendKey appends the key of the i-th record to b.
func (p *Piece) AppendKey(b []byte, i int) []byte {
	if p.Kind != "" {
		b = append(append(b, p.Kind...), ':')
	}
	if p.Keys != nil {
		if k := p.Body[p.Keys[i].Start:p.Keys[i].End]; len(k) > 2 && k[0] == '"' && bytes.IndexByte(k, '\\') < 0 {
			return append(b, k[1:len(k)-1]...)
		}
	}
	return append(b, Get(p.Body[p.Spans[i].Start:p.Spans[i].End], p.Key).String()...)
}

// HasKey reports whether a record has a string or number at a path.
func HasKey(record []byte, path string) bool {
	v := Get(record, path)
	return (v.Type == gjson.String || v.Type == gjson.Number) && v.String() != ""
}

// WithoutKey returns the index of the first record without a string or number at a path, or -1. places are those of the
// values at the path as SplitKeys finds them, or nil.
func WithoutKey(ctx context.Context, body []byte, spans, places []Span, path string) (int, error) {
	for i, s := range spans {
		if err := look(ctx, i); err != nil {
			return -1, err
		}
		if places != nil && places[i].End > places[i].Start {
			if c := body[places[i].Start]; c == '"' && places[i].End-places[i].Start > 2 || c == '-' || c >= '0' && c <= '9' {
				continue
			}
		}
		if !HasKey(body[s.Start:s.End], path) {
			return i, nil
		}
	}
	return -1, nil
}

// look returns the error of a context, of which it looks at every few records.
func look(ctx context.Context, record int) error {
	if record%64 == 0 {
		return ctx.Err()
	}
	return nil
}

// mostMembers is the most names that Members lists.
const mostMembers = 12

// Members lists the names of an object's members for a message, shortened.
func Members(record []byte) string {
	object := gjson.ParseBytes(record)
	if !object.IsObject() {
		return "no members"
	}
	var names []string
	object.ForEach(func(name, _ gjson.Result) bool {
		names = append(names, excerpt.Of(name.String()))
		return len(names) <= mostMembers
	})
	switch {
	case len(names) == 0:
		return "no members"
	case len(names) > mostMembers:
		names[mostMembers] = "…"
	}
	return strings.Join(names, ", ")
}

// Wrap puts each record into the envelope of abi.EmitOptions. memory counts the new body.
func Wrap(ctx context.Context, memory Memory, body []byte, spans []Span, o abi.EmitOptions) (Piece, error) {
	if len(o.Kind) > abi.MaxKind || len(o.Parent) > abi.MaxParent {
		return Piece{}, fmt.Errorf("the kind has %d bytes and the parent %d, at most %d and %d are allowed (abi.MaxKind, abi.MaxParent)",
			len(o.Kind), len(o.Parent), abi.MaxKind, abi.MaxParent)
	}
	key := o.Key
	if key == "" {
		key = "id"
	}
	head, parent := append([]byte(`{"kind":`), quote(o.Kind)...), []byte(nil)
	if o.Parent != "" {
		parent = append([]byte(`,"parent":`), quote(o.Parent)...)
	}
	size := 0
	for _, s := range spans {
		size += s.End - s.Start + len(head) + 2*len(parent) + 80
	}
	if err := memory.Take(int64(len(spans)) * spanSize); err != nil {
		return Piece{}, err
	}
	text := counted{memory: memory}
	if err := text.grow(size); err != nil {
		return Piece{}, err
	}
	out := Piece{Spans: make([]Span, 0, len(spans)), Kind: o.Kind, Key: "id"}
	for _, s := range spans {
		if err := ctx.Err(); err != nil {
			return Piece{}, err
		}
		record := body[s.Start:s.End]
		id := Get(record, key).String()
		for _, path := range o.Distinct {
			if len(id) > abi.MaxParent {
				break // the values may be as long as the record, and their memory is not counted
			}
			v := Get(record, path).String()
			id += "/" + v[strings.LastIndexByte(v, '/')+1:]
		}
		if len(id) > abi.MaxParent {
			return Piece{}, fmt.Errorf("the value at %s has %d bytes, at most %d are allowed for a key (abi.MaxParent)", key, len(id), abi.MaxParent)
		}
		if o.Parent != "" {
			id = o.Parent + "/" + id
		}
		start := len(text.b)
		if err := text.add(head, []byte(`,"id":`), quote(id), parent, []byte(`,"record":`), record, []byte("}\n")); err != nil {
			return Piece{}, err
		}
		out.Spans = append(out.Spans, Span{Start: start, End: len(text.b) - 1})
	}
	out.Body = text.b
	return out, nil
}

// Unlimited is a Memory without a limit.
type Unlimited struct{}

// Take implements Memory.
func (Unlimited) Take(int64) error { return nil }

// Give implements Memory.
func (Unlimited) Give(int64) {}

// counted is a text whose memory is counted.
type counted struct {
	b      []byte
	memory Memory
}

// add appends parts.
func (c *counted) add(parts ...[]byte) error {
	n := len(c.b)
	for _, p := range parts {
		n += len(p)
	}
	if n > cap(c.b) {
		if err := c.grow(n + n/4); err != nil {
			return err
		}
	}
	for _, p := range parts {
		c.b = append(c.b, p...)
	}
	return nil
}

// grow makes room for n bytes in all.
func (c *counted) grow(n int) error {
	if err := c.memory.Take(int64(n)); err != nil {
		return err
	}
	was := int64(cap(c.b))
	c.b = append(make([]byte, 0, n), c.b...)
	c.memory.Give(was)
	return nil
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // a string always encodes
	return b
}

// KeysOf returns the keys of records, for abi.EmitOptions.Keys.
func KeysOf(ctx context.Context, body []byte, spans []Span, path string) ([]string, error) {
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
		if !HasKey(body[s.Start:s.End], path) {
			return nil, fmt.Errorf("record %d has no string or number at %s", i, path)
		}
		v := Get(body[s.Start:s.End], path)
		if size += len(v.String()); size > abi.MaxKeyBytes {
			return nil, fmt.Errorf("over %d bytes of keys (abi.MaxKeyBytes): ask with a limit", abi.MaxKeyBytes)
		}
		all = append(all, v.String())
	}
	return all, nil
}

// Without removes members from records. If no record has one, body and spans are returned as they are. memory counts the
// new body and spans, and the copies of a record.
func Without(ctx context.Context, memory Memory, body []byte, spans []Span, paths []string) ([]byte, []Span, error) {
	var out []byte
	var moved []Span
	for i, s := range spans {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		record := body[s.Start:s.End]
		copies := int64(0)
		for _, p := range paths {
			for n := 0; Get(record, p).Exists(); n++ { // a member that is listed twice is removed twice
				err := ctx.Err()
				if err != nil {
					return nil, nil, err
				}
				if copies == 0 {
					copies = 2 * int64(len(record)) // the one that is read and the one that is made
					if err = memory.Take(copies); err != nil {
						return nil, nil, err
					}
				}
				if record, err = sjson.DeleteBytes(record, p); err != nil || n == maxDuplicates {
					return nil, nil, fmt.Errorf("record %d cannot be emitted without %s", i, p)
				}
				if moved == nil {
					if err = memory.Take(int64(len(body)) + int64(len(spans))*spanSize); err != nil {
						return nil, nil, err
					}
					moved = append(make([]Span, 0, len(spans)), spans[:i]...)
					out = append(make([]byte, 0, len(body)), body[:s.Start]...)
				}
			}
		}
		if moved != nil {
			start := len(out)
			out = append(out, record...)
			moved = append(moved, Span{Start: start, End: len(out)})
			out = append(out, '\n')
		}
		memory.Give(copies)
	}
	if moved == nil {
		return body, spans, nil
	}
	return out, moved, nil
}

// maxDuplicates is the limit of how often Without removes one member.
const maxDuplicates = 16

// maxSummary is the size limit of a summarised value, in bytes. Summaries are for cursors and times.
const maxSummary = 4 << 10

// Summarise returns the values of a record at paths, for abi.EmitSummary.
func Summarise(ctx context.Context, body []byte, s Span, paths []string) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if v := Get(body[s.Start:s.End], p); v.Exists() && len(v.Raw) <= maxSummary {
			if m == nil {
				m = make(map[string]json.RawMessage, len(paths))
			}
			m[p] = json.RawMessage(v.Raw)
		}
	}
	return m, nil
}
