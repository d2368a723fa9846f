// Package records splits a page of JSON into records without copying it. One pass checks that the whole body is JSON and
// finds where each record begins and ends.
package records

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/tidwall/gjson"
)

// MaxDepth is the maximum nesting of a body.
const MaxDepth = 512

// Errors of Split.
var (
	ErrSyntax = errors.New("the body is not JSON")
	ErrDepth  = fmt.Errorf("the body is nested deeper than %d levels", MaxDepth)
	ErrPath   = errors.New("the body has no array or object at the path")
	ErrShape  = errors.New("the body has another shape than wanted") // for errors.Is; the text says what was wanted and found
)

// Want is the shape that a body must have at a path.
type Want int

// The kinds of Want.
const (
	Anything Want = iota // an array, an object or null
	Array                // an array of objects
	Object               // one object
)

// Span is a record's place in the body: body[Start:End].
type Span struct{ Start, End int }

// Split returns the places of the records in body: the elements of the array at path, or the one object at path. path
// is object keys joined by dots; empty is the body itself. null has no records. It appends to spans, which may be nil.
func Split(body []byte, path string, spans []Span) ([]Span, error) {
	spans, _, err := SplitKeys(body, path, "", spans)
	return spans, err
}

// SplitKeys is Split, and also returns the place of the value of one member of each record. keys[i] belongs to spans[i].
// It is the zero Span if the record lacks the member, or spells its name with escapes. The first of several members
// counts. If key is empty, keys is nil.
func SplitKeys(body []byte, path, key string, spans []Span) (_, keys []Span, err error) {
	return SplitAs(Anything, body, path, key, spans)
}

// SplitAs is SplitKeys for a body that must have a certain shape at the path. Otherwise the error is ErrShape.
func SplitAs(want Want, body []byte, path, key string, spans []Span) (_, keys []Span, err error) {
	return Query{Want: want, Path: path, Key: key}.Split(context.Background(), body, spans)
}

// Memory counts bytes that are about to be allocated, and bytes that are free again.
type Memory interface {
	Take(n int64) error
	Give(n int64)
}

// Query says which records SplitAs looks for.
type Query struct {
	Want   Want
	Path   string
	Key    string
	Memory Memory // counts the spans; nil counts nothing
}

// Split is SplitAs, until ctx ends.
func (q Query) Split(ctx context.Context, body []byte, spans []Span) (_, keys []Span, err error) {
	want, path := q.Want, q.Path
	s := splitter{ctx: ctx, memory: q.Memory, body: body, spans: spans, key: q.Key}
	if path != "" {
		s.path = strings.Split(path, ".")
	}
	i := skipSpace(body, 0)
	end := s.value(i, 0, 0)
	if end < 0 {
		if s.err != nil {
			return spans, nil, s.err
		}
		if s.deep {
			return spans, nil, ErrDepth
		}
		return spans, nil, ErrSyntax
	}
	if skipSpace(body, end) != len(body) {
		return spans, nil, ErrSyntax
	}
	switch {
	case want == Array && s.shape != '[':
		return spans, nil, shapeError("wanted a list, found " + kindOf(s.shape))
	case want == Object && s.shape != '{':
		return spans, nil, shapeError("wanted an object, found " + kindOf(s.shape))
	case want == Array && s.odd > 0:
		return spans, nil, shapeError(fmt.Sprintf("record %d of the list is %s, and no object", s.odd-1, kindOf(s.oddKind)))
	case !s.found:
		return spans, nil, ErrPath
	}
	return s.spans, s.keys, nil
}

type splitter struct {
	ctx    context.Context
	memory Memory
	steps  int   // values so far
	taken  int64 // bytes taken of memory
	err    error // why it ended early

	body  []byte
	path  []string
	key   string
	spans []Span
	keys  []Span // places of the values of key; nil without one
	found bool
	deep  bool

	shape   byte // first byte of the value at the path; 0 if there is none
	odd     int  // number of the first element that is not an object, from 1; 0 if there is none
	oddKind byte // first byte of that element
}

// shapeError is the error for a body of another shape.
type shapeError string

func (e shapeError) Error() string { return string(e) }

// Is reports whether target is ErrShape.
func (e shapeError) Is(target error) bool { return target == ErrShape }

// kindOf names the kind of a JSON value by its first byte.
func kindOf(first byte) string {
	switch {
	case first == 0:
		return "nothing at the path"
	case first == '{':
		return "an object"
	case first == '[':
		return "an array"
	case first == '"':
		return "a string"
	case first == 'n':
		return "null"
	case first == 't', first == 'f':
		return "a boolean"
	}
	return "a number"
}

// Values of onPath, which otherwise is the number of path keys that lead to a value.
const (
	off    = -1 // the value is not on the path
	record = -2 // the value is an element of the array at the path
)

// add stores the places of a record and of the value of its key. It returns false if there is no memory for them.
func (s *splitter) add(span, key Span) bool {
	if len(s.spans) == cap(s.spans) && s.memory != nil {
		if s.err = s.grow(max(16, 2*cap(s.spans))); s.err != nil {
			return false
		}
	}
	s.spans = append(s.spans, span)
	if s.key != "" {
		s.keys = append(s.keys, key)
	}
	return true
}

// stepsPerLook is how many values are read between two looks at the context.
const stepsPerLook = 4096

// spanSize is the size of a Span in bytes.
const spanSize = 16

// grow makes room for n spans, and as many keys.
func (s *splitter) grow(n int) error {
	size := int64(spanSize)
	if s.key != "" {
		size *= 2
	}
	if err := s.memory.Take(int64(n) * size); err != nil {
		return err
	}
	s.spans = append(make([]Span, 0, n), s.spans...)
	if s.key != "" {
		s.keys = append(make([]Span, 0, n), s.keys...)
	}
	s.memory.Give(s.taken)
	s.taken = int64(n) * size
	return nil
}

// value checks the value at i and returns the index after it, or -1.
func (s *splitter) value(i, depth, onPath int) int {
	b := s.body
	if i >= len(b) {
		return -1
	}
	if s.steps++; s.steps%stepsPerLook == 0 {
		if s.err = s.ctx.Err(); s.err != nil {
			return -1
		}
	}
	target := onPath == len(s.path)
	if target {
		s.shape = b[i]
	}
	switch c := b[i]; {
	case c == '"':
		return stringEnd(b, i)
	case c == '{':
		start := i
		i, key := s.object(i, depth, onPath)
		if i >= 0 && (target || onPath == record) {
			s.found = true
			if !s.add(Span{start, i}, key) {
				return -1
			}
		}
		return i
	case c == '[':
		if target {
			s.found = true
		}
		return s.array(i, depth, target)
	case c == '-' || c >= '0' && c <= '9':
		return numberEnd(b, i)
	case c == 't':
		return word(b, i, "true")
	case c == 'f':
		return word(b, i, "false")
	case c == 'n':
		if target {
			s.found = true
		}
		return word(b, i, "null")
	}
	return -1
}

func (s *splitter) object(i, depth, onPath int) (end int, key Span) {
	if depth == MaxDepth {
		s.deep = true
		return -1, key
	}
	b := s.body
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, key
	}
	keyed := s.key != "" && (onPath == record || onPath == len(s.path))
	for {
		if i >= len(b) || b[i] != '"' {
			return -1, key
		}
		nameStart := i
		if i = stringEnd(b, i); i < 0 {
			return -1, key
		}
		nameEnd := i
		next := off
		if onPath >= 0 && onPath < len(s.path) && string(b[nameStart+1:nameEnd-1]) == s.path[onPath] {
			if s.found {
				return -1, key // the same key twice: it is ambiguous
			}
			next = onPath + 1
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1, key
		}
		start := skipSpace(b, i+1)
		if i = s.value(start, depth+1, next); i < 0 {
			return -1, key
		}
		if keyed && key.End == 0 && string(b[nameStart+1:nameEnd-1]) == s.key {
			key = Span{start, i}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1, key
		}
		if b[i] == '}' {
			return i + 1, key
		}
		if b[i] != ',' {
			return -1, key
		}
		i = skipSpace(b, i+1)
	}
}

func (s *splitter) array(i, depth int, target bool) int {
	if depth == MaxDepth {
		s.deep = true
		return -1
	}
	b := s.body
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	element := off
	if target {
		element = record
	}
	for {
		start := i
		if i = s.value(i, depth+1, element); i < 0 {
			return -1
		}
		if target && b[start] != '{' { // an object was added with its key
			if !s.add(Span{start, i}, Span{}) {
				return -1
			}
			if s.odd == 0 {
				s.odd, s.oddKind = len(s.spans), b[start]
			}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stringEnd returns the index after the string that begins at i, or -1. It searches 8 bytes at once for the end, an
// escape or a control character.
func stringEnd(b []byte, i int) int {
	i++
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote := x ^ lows*'"'
			slash := x ^ lows*'\\'
			hit := ((quote-lows)&^quote | (slash-lows)&^slash | (x-lows*0x20)&^x) & highs
			if hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = escapeEnd(b, i); i < 0 {
				return -1
			}
		case c < 0x20:
			return -1
		default:
			i++
		}
	}
}

func escapeEnd(b []byte, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 > len(b) {
			return -1
		}
		for _, c := range b[i+2 : i+6] {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return -1
			}
		}
		return i + 6
	}
	return -1
}

func numberEnd(b []byte, i int) int {
	digits := func() bool {
		start := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > start
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

func word(b []byte, i int, w string) int {
	if len(b)-i >= len(w) && string(b[i:i+len(w)]) == w {
		return i + len(w)
	}
	return -1
}

// PlainPath reports whether path is object keys joined by dots, without characters that a query language interprets.
func PlainPath(path string) bool {
	if path == "" || len(path) > 256 {
		return false
	}
	for _, key := range strings.Split(path, ".") {
		if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return false
		}
	}
	return true
}

// Get returns the value at a plain path in a record. The record must be from Split.
func Get(record []byte, path string) gjson.Result {
	if path == "" {
		return gjson.ParseBytes(record)
	}
	return gjson.GetBytes(record, path)
}

// Line replaces the line breaks of a record by spaces, in place. In JSON, line breaks are white space between tokens.
func Line(record []byte) {
	for i, c := range record {
		if c == '\n' || c == '\r' {
			record[i] = ' '
		}
	}
}
