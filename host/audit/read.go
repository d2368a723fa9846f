package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Line is one line of an audit file.
type Line struct {
	Number int     // from 1
	Hash   string  // the prev of the next line
	Prev   *string // nil for a line of an earlier version, which had no chain
	Record Record
	// Problem says why the line is not a record, "" if it is one. A line that is not whole is not part of the chain.
	Problem string
	Whole   bool
	// Broken says how the line breaks the chain. Lines leaves it empty: callers set it from Chain.Next.
	Broken string

	begin string // the beginning of a line that is not whole, to recognise a line that a crash cut
}

// Lines reads a file line by line. It keeps one line of at most MaxLine bytes in memory. An error of r ends it. The content of
// a line is never an error; see Line.Problem.
func Lines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		var buf []byte
		for n := 1; ; n++ {
			text, hash, long, err := readLine(in, buf[:0])
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Line{Number: n}, err)
				return
			}
			last := err != nil
			switch {
			case long:
				if !yield(Line{Number: n, Hash: hash, Problem: fmt.Sprintf("is longer than %d bytes", MaxLine), begin: "long"}, nil) {
					return
				}
			case len(bytes.TrimSpace(text)) > 0:
				if !yield(parse(n, text, last), nil) {
					return
				}
			}
			if last {
				return
			}
			if buf = text; cap(buf) > 1<<20 { // do not keep the memory of a long line
				buf = nil
			}
		}
	}
}

// readLine reads a line without its line break. Of a line that is longer than MaxLine it returns only the hash.
func readLine(in *bufio.Reader, buf []byte) (line []byte, hash string, long bool, err error) {
	sum := sha256.New()
	for {
		part, err := in.ReadSlice('\n')
		text := bytes.TrimSuffix(part, []byte{'\n'})
		if long = long || len(buf)+len(text) > MaxLine; long {
			_, _ = sum.Write(buf) // never fails
			_, _ = sum.Write(text)
			buf = buf[:0]
		} else {
			buf = append(buf, text...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			hash = hex.EncodeToString(sum.Sum(nil))
		}
		return buf, hash, long, err
	}
}

func parse(number int, text []byte, last bool) Line {
	l := Line{Number: number, Hash: Hash(text)}
	var v struct {
		Prev *string `json:"prev"`
		Record
	}
	err := json.Unmarshal(text, &v)
	l.Whole = isObject(text) && !errors.As(err, new(*json.SyntaxError)) // the same as isWhole, without parsing twice
	if !l.Whole {
		l.Problem = "is not a whole record: it was cut by a crash or a full disk, or it was changed"
		if last {
			l.Problem = "is cut short: by a crash or a full disk, or it is still being written"
		}
		l.begin = string(bytes.Trim(text[:min(len(text), maxBegin)], "\x00"))
		return l
	}
	if err != nil {
		var chain struct {
			Prev *string `json:"prev"`
		}
		_ = json.Unmarshal(text, &chain) // only the record does not fit; the line is still part of the chain
		l.Prev, l.Problem = chain.Prev, "is not an audit record: "+mismatch(err)
		return l
	}
	l.Prev, l.Record = v.Prev, v.Record
	if v.Operation == "" {
		l.Problem = "is not an audit record: it has no operation"
	}
	return l
}

// mismatch returns which member of an object does not fit a record.
func mismatch(err error) string {
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) && kind.Field != "" {
		value, _, _ := strings.Cut(kind.Value, " ") // for a number, Value includes the number
		return fmt.Sprintf("its %s has a value of another type (%s)", strings.TrimPrefix(kind.Field, "Record."), value)
	}
	return "a time in it is not valid, or a value has another type"
}

const (
	chainBegin = `{"prev":"`                     // the beginning of a line of the chain
	maxBegin   = len(chainBegin) + 2*sha256.Size // with the hash after it
)

// Chain checks that each line has the hash of the one before. Pass it the lines of all files in order, oldest first. It is not
// safe for concurrent use.
//
// An intact chain shows that no line before the last was changed, removed, inserted or moved. It does not show that the last
// lines are still there. It is not signed: a person who can write the file can rewrite all of it. To rule out both, store the
// hash of the last line in another place, and check it with NewChain and Missing.
type Chain struct {
	Lines     int    // whole lines
	Unchained int    // whole lines of an earlier version, which had no chain
	Last      string // hash of the last whole line
	From      string // prev of the first line, if the first file goes on from another
	Breaks    int
	Foreign   int // lines that are not records, except those that a crash cut

	number int // number of the last whole line in its file
	seen   map[string]bool
	begun  bool // a line with prev was read
	opened bool // the next line is the first of a file
}

// NewChain returns a Chain that searches for lines with these hashes, or prefixes of hashes. See Missing.
func NewChain(hashes ...string) *Chain {
	c := &Chain{seen: map[string]bool{}}
	for _, h := range hashes {
		c.seen[h] = false
	}
	return c
}

// Open starts the next file: Next then gets its lines.
func (c *Chain) Open() { c.opened = true }

// Next checks the next line. It returns how the line breaks the chain, or "". note is information that is not a break, or "".
func (c *Chain) Next(l Line) (broken, note string) {
	if l.Problem != "" && (l.Whole || !c.isCrashLeftover(l)) {
		c.Foreign++
	}
	if !l.Whole {
		return "", ""
	}
	number := c.number
	c.number = l.Number
	first, before, opened := c.Lines == 0, c.Last, c.opened
	c.Lines, c.Last, c.opened = c.Lines+1, l.Hash, false
	for h, seen := range c.seen {
		if !seen && len(h) <= len(l.Hash) && l.Hash[:len(h)] == h {
			c.seen[h] = true
		}
	}
	switch {
	case l.Prev == nil && !c.begun:
		c.Unchained++
	case l.Prev == nil:
		broken = "has no prev, but lines before it have one: it was inserted, or an earlier version of this program wrote it"
	case first:
		c.From = *l.Prev
	case *l.Prev == before:
	case opened && *l.Prev == "":
		note = "begins a new chain: the chain does not show that this file follows the one before"
	case opened:
		broken = fmt.Sprintf("does not go on from the last line of the file before, line %d of it: lines are missing between them, that line was changed, or the files are not in order", number)
	default:
		broken = fmt.Sprintf("does not go on from line %[1]d: line %[1]d was changed, or lines between %[1]d and %d were removed, inserted or moved", number, l.Number)
	}
	c.begun = c.begun || l.Prev != nil
	if broken != "" {
		c.Breaks++
	}
	return broken, note
}

// isCrashLeftover reports whether a line is one of this chain that a crash or a full disk cut. Any other line was
// written by another program.
func (c *Chain) isCrashLeftover(l Line) bool {
	want := chainBegin + c.Last
	switch {
	case !c.begun && strings.HasPrefix(l.begin, `{"time":`), !c.begun && strings.HasPrefix(`{"time":`, l.begin): // a line of an earlier version
		return true
	case c.Lines == 0: // it may go on from a rotated file
		want = chainBegin
	}
	return strings.HasPrefix(l.begin, want) || strings.HasPrefix(want, l.begin)
}

// Missing returns the hashes given to NewChain that no line had.
func (c *Chain) Missing() []string {
	var all []string
	for h, seen := range c.seen {
		if !seen {
			all = append(all, h)
		}
	}
	return all
}
